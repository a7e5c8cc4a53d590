"""A suite of Great Expectations (JSON, 1.x; 0.x is read too): one expectation a rule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from intendant.checks.contracts.base import (
    Exported,
    Format,
    Imported,
    LeftOut,
    Read,
    anchored,
    condition_sql,
    expression_rule,
    full_match,
    listed,
    range_rules,
    short_name,
    values_rule,
)
from intendant.checks.contracts.document import line_of
from intendant.types import Column, Json, Rule

__all__ = ["GreatExpectations", "read_expectation"]

BROKEN = ("SELECT * FROM {batch} WHERE NOT (", ")")
NEVER = {
    "freshness": "no expectation is about the age of rows",
    "foreign_key": "no expectation looks at another table",
}
ANNOTATIONS = frozenset(("column", "column_list", "result_format", "catch_exceptions", "meta", "notes", "severity",
                         "batch_id", "id", "description", "rendered_content", "include_config"))  # fmt: skip
READS: dict[str, frozenset[str]] = {
    "expect_column_values_to_not_be_null": frozenset(),
    "expect_column_values_to_be_unique": frozenset(),
    "expect_compound_columns_to_be_unique": frozenset(("ignore_row_if",)),
    "expect_column_values_to_be_in_set": frozenset(("value_set",)),
    "expect_column_values_to_be_between": frozenset(("min_value", "max_value", "strict_min", "strict_max")),
    "expect_column_values_to_match_regex": frozenset(("regex",)),
    "expect_table_row_count_to_be_between": frozenset(("min_value", "max_value")),
    "expect_table_row_count_to_equal": frozenset(("value",)),
    "unexpected_rows_expectation": frozenset(("unexpected_rows_query",)),
}
"""The expectations that are rules, and the arguments that are understood of each."""


class GreatExpectations(Format):
    name: ClassVar[str] = "great-expectations"
    summary: ClassVar[str] = "A suite of Great Expectations, JSON (1.x; 0.x is read too)."

    def recognises(self, document: Mapping[str, Json]) -> bool:
        return isinstance(document.get("expectations"), list)

    def write(self, table: str, columns: Sequence[Column], rules: Sequence[Rule]) -> Exported:
        made, left = [], []
        for rule in rules:
            if rule.type in NEVER:
                left.append(LeftOut(f"{rule.type} of {rule.column}", NEVER[rule.type]))
            else:
                kind, kwargs = said(rule, columns)
                made.append({"type": kind, "kwargs": kwargs, "meta": {}})
        suite = {"name": short_name(table), "expectations": made, "meta": {}}
        return Exported(json.dumps(suite, indent=2, ensure_ascii=False) + "\n", tuple(left))

    def read(self, document: Mapping[str, Json], table: str) -> Imported:
        out = Imported()
        for n, e in enumerate(document["expectations"], 1):
            if not isinstance(e, Mapping):
                out.add("it is no object", f"expectation {n}")
                continue
            kind = str(e.get("type") or e.get("expectation_type") or "")
            kwargs = e.get("kwargs")
            if not isinstance(kwargs, Mapping):
                out.add("it has no `kwargs`", f"expectation {n} ({kind})", line_of(e))
                continue
            about = kwargs.get("column") or ", ".join(map(str, listed(kwargs.get("column_list")))) or "the table"
            out.add(read_expectation(kind, kwargs), f"expectation {n}: {kind} of {about}", line_of(e))
        return out


def said(rule: Rule, columns: Sequence[Column]) -> tuple[str, dict[str, Json]]:
    """A rule as an expectation: its type and its arguments."""
    own: dict[str, Json] = {"column": rule.column}
    bounds = {k: v for k, v in (("min_value", rule.min), ("max_value", rule.max)) if v is not None}
    if rule.type == "not_null":
        return "expect_column_values_to_not_be_null", own
    if rule.type == "unique" and rule.columns:
        ignored = {"ignore_row_if": "any_value_is_missing"}
        return "expect_compound_columns_to_be_unique", {"column_list": list(rule.columns), **ignored}
    if rule.type == "unique":
        return "expect_column_values_to_be_unique", own
    if rule.type == "allowed_values":
        return "expect_column_values_to_be_in_set", {**own, "value_set": list(rule.values or ())}
    if rule.type == "range":
        strict = {k: True for k, v in (("strict_min", rule.min_exclusive), ("strict_max", rule.max_exclusive)) if v}
        return "expect_column_values_to_be_between", {**own, **bounds, **strict}
    if rule.type == "pattern":
        return "expect_column_values_to_match_regex", {**own, "regex": anchored(str(rule.regex))}
    if rule.type == "row_count":
        return "expect_table_row_count_to_be_between", bounds
    assert rule.type == "expression", rule.type
    condition = condition_sql(rule, columns).replace("{", "{{").replace("}", "}}")
    return "unexpected_rows_expectation", {"unexpected_rows_query": condition.join(BROKEN)}


def read_expectation(kind: str, kwargs: Mapping[str, Json]) -> Read:
    """An expectation as rules; dbt_expectations has the same ones under the same names."""
    if kind not in READS:
        return "no rule says this"
    if (mostly := kwargs.get("mostly")) not in (None, 1):
        return f"it tolerates some bad rows (mostly {mostly!r}); a rule tolerates none"
    rest = {k for k, v in kwargs.items() if v is not None} - ANNOTATIONS - READS[kind] - {"mostly"}
    if rest:
        return f"{', '.join(sorted(rest))} can't be said in a rule"
    if any(isinstance(v, Mapping) for k, v in kwargs.items() if k in READS[kind]):
        return "it has a parameter ($PARAMETER) instead of a value"
    column = kwargs.get("column")
    if kind.startswith("expect_column_") and not isinstance(column, str):
        return "it names no column"
    return expected(kind, str(column), kwargs)


def expected(kind: str, column: str, a: Mapping[str, Json]) -> Read:
    low, high = a.get("min_value"), a.get("max_value")
    if kind == "expect_column_values_to_not_be_null":
        return (Rule("not_null", column=column),)
    if kind == "expect_column_values_to_be_unique":
        return (Rule("unique", column=column),)
    if kind == "expect_compound_columns_to_be_unique":
        names = listed(a.get("column_list"))
        return (Rule("unique", columns=tuple(map(str, names))),) if len(names) > 1 else "it names no columns"
    if kind == "expect_column_values_to_be_in_set":
        return values_rule(column, a.get("value_set"))
    if kind == "expect_column_values_to_be_between":
        return range_rules(column, low, high, bool(a.get("strict_min")), bool(a.get("strict_max")))
    if kind == "expect_column_values_to_match_regex":
        return (Rule("pattern", column=column, regex=full_match(str(a.get("regex", "")))),)
    if kind == "unexpected_rows_expectation":
        query = str(a.get("unexpected_rows_query", ""))
        if query.startswith(BROKEN[0]) and query.endswith(BROKEN[1]):
            return expression_rule(query[len(BROKEN[0]) : -len(BROKEN[1])].replace("{{", "{").replace("}}", "}"))
        return "a whole query can't be said in a rule"
    if kind == "expect_table_row_count_to_equal":
        low = high = a.get("value")
    if any(v is not None and (isinstance(v, bool) or not isinstance(v, int)) for v in (low, high)):
        return "its bounds are no whole numbers"
    return (Rule("row_count", min=low, max=high),) if (low, high) != (None, None) else "it has no bound"
