"""dbt's data tests (a YAML file of models, seeds, snapshots or sources): one test a rule.

Written in today's form (`data_tests` with `arguments`, dbt 1.10.5); `tests`, bare arguments, constraints and a source's
freshness are read too. Rules beyond dbt's own four tests need the packages dbt_utils and dbt_expectations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from intendant.checks.contracts.base import (
    Exported,
    Format,
    Imported,
    Read,
    anchored,
    chosen,
    condition_sql,
    expression_rule,
    listed,
    range_rules,
    short_name,
    values_rule,
)
from intendant.checks.contracts.document import dumped, line_of
from intendant.checks.contracts.great_expectations import read_expectation
from intendant.types import Column, Json, Rule

__all__ = ["Dbt"]

KINDS = ("models", "seeds", "snapshots")
REF = re.compile(r"""^(?:\{\{\s*)?(?:ref|source)\(\s*(?:(['"])[^'"]*\1\s*,\s*)?(['"])([^'"]+)\2\s*\)(?:\s*\}\})?$""")
SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000}
TOLERANT = ("error_if", "warn_if", "limit", "fail_calc")
CONFIGS = ("where", "severity", "enabled", "tags", "meta", "name", "description", "config", "arguments", "store_failures",
           "store_failures_as", *TOLERANT)  # fmt: skip
READS: dict[str, frozenset[str]] = {
    "not_null": frozenset(),
    "unique": frozenset(),
    "accepted_values": frozenset(("values", "quote")),
    "relationships": frozenset(("to", "field")),
    "dbt_utils.accepted_range": frozenset(("min_value", "max_value", "inclusive")),
    "dbt_utils.unique_combination_of_columns": frozenset(("combination_of_columns",)),
    "dbt_utils.expression_is_true": frozenset(("expression",)),
    "dbt_utils.recency": frozenset(("datepart", "field", "interval")),
}
"""The tests that are rules, and the arguments that are understood of each."""


class Dbt(Format):
    name: ClassVar[str] = "dbt"
    summary: ClassVar[str] = "dbt data tests, YAML (dbt 1.10; packages dbt_utils and dbt_expectations)."

    def recognises(self, document: Mapping[str, Json]) -> bool:
        return any(isinstance(document.get(k), list) for k in (*KINDS, "sources"))

    def write(self, table: str, columns: Sequence[Column], rules: Sequence[Rule]) -> Exported:
        by_column: dict[str, list[Json]] = {}
        whole: list[Json] = []
        for rule in rules:
            test = said(rule, columns)
            if rule.column and rule.type != "freshness":
                by_column.setdefault(rule.column, []).append(test)
            else:
                whole.append(test)
        model: dict[str, Json] = {"name": short_name(table)}
        if whole:
            model["data_tests"] = whole
        if by_column:
            model["columns"] = [{"name": c, "data_tests": tests} for c, tests in by_column.items()]
        return Exported(dumped({"version": 2, "models": [model]}))

    def read(self, document: Mapping[str, Json], table: str) -> Imported:
        found = list(tables(document))
        name = chosen([n for n, _ in found], table, "models, seeds, snapshots, sources")
        out = Imported()
        for other, block in found:
            if other != name:
                out.add("it is about another table", other, line_of(block))
            else:
                read_table(block, name, out)
        return out


def tables(document: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    blocks = [b for k in KINDS for b in listed(document.get(k))]
    for source in listed(document.get("sources")):
        if isinstance(source, Mapping):
            blocks += listed(source.get("tables"))
    yield from ((str(b.get("name", "")), b) for b in blocks if isinstance(b, Mapping))


# ---------------------------------------------------------------- out
def said(rule: Rule, columns: Sequence[Column]) -> Json:
    """A rule as a test."""
    if rule.type == "not_null" or (rule.type == "unique" and rule.column):
        return rule.type
    name, arguments = arguments_of(rule, columns)
    return {name: {"arguments": arguments}}


def arguments_of(rule: Rule, columns: Sequence[Column]) -> tuple[str, dict[str, Json]]:
    if rule.type == "unique":
        return "dbt_utils.unique_combination_of_columns", {"combination_of_columns": list(rule.columns)}
    if rule.type == "allowed_values":
        texts = all(isinstance(v, str) for v in rule.values or ())
        return "accepted_values", {"values": list(rule.values or ()), **({} if texts else {"quote": False})}
    if rule.type == "foreign_key":
        table, _, column = str(rule.ref).rpartition(".")
        return "relationships", {"to": f"ref('{short_name(table)}')", "field": column}
    if rule.type == "range":
        bounds = {k: sql_of(v) for k, v in (("min_value", rule.min), ("max_value", rule.max)) if v is not None}
        if rule.min_exclusive or rule.max_exclusive:
            bounds["inclusive"] = False
        return "dbt_utils.accepted_range", bounds
    if rule.type == "freshness":
        seconds = rule.seconds or 0
        part = next((p for p in ("day", "hour", "minute") if seconds % SECONDS[p] == 0), "second")
        return "dbt_utils.recency", {
            "datepart": part,
            "field": rule.column,
            "interval": seconds // SECONDS.get(part, 1),
        }
    if rule.type == "pattern":
        return "dbt_expectations.expect_column_values_to_match_regex", {"regex": anchored(str(rule.regex))}
    if rule.type == "row_count":
        counts = {k: v for k, v in (("min_value", rule.min), ("max_value", rule.max)) if v is not None}
        return "dbt_expectations.expect_table_row_count_to_be_between", counts
    assert rule.type == "expression", rule.type
    return "dbt_utils.expression_is_true", {"expression": condition_sql(rule, columns)}


def sql_of(value: Json) -> Json:
    """A bound as accepted_range writes it into its SQL: a text needs quotes of its own."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else value


# ---------------------------------------------------------------- in
def read_table(block: Mapping[str, Json], name: str, out: Imported) -> None:
    read_tests(block, name, None, out)
    freshness = block.get("freshness") or (block.get("config") or {}).get("freshness")
    if isinstance(freshness, Mapping):
        out.add(read_freshness(freshness, block), f"freshness of {name}", line_of(freshness))
    for column in listed(block.get("columns")):
        if isinstance(column, Mapping):
            read_tests(column, f"{name}.{column.get('name')}", str(column.get("name")), out)


def read_tests(block: Mapping[str, Json], about: str, column: str | None, out: Imported) -> None:
    for entry in [*listed(block.get("data_tests")), *listed(block.get("tests"))]:
        name, given, config = parts(entry)
        what, line = f"{name} of {about}", line_of(entry) or line_of(block)
        if given is None:
            out.add("it is no test with a name", f"a test of {about}", line)
            continue
        read = withheld(config) or read_test(name, given, column)
        out.add(read, what, line)
        if config.get("severity") in ("warn", "WARN") and not isinstance(read, str):
            out.add(
                "what happens on failure is said once for the table: `on failure warn`", f"severity of {what}", line
            )
    for entry in listed(block.get("constraints")):
        kind = str(entry.get("type")) if isinstance(entry, Mapping) else str(entry)
        out.add(read_constraint(kind, entry, column), f"constraint {kind} of {about}", line_of(entry) or line_of(block))


def parts(entry: Json) -> tuple[str, Mapping[str, Json] | None, Mapping[str, Json]]:
    """A test's name, its arguments (None when it is none), its configuration."""
    if isinstance(entry, str):
        return entry, {}, {}
    if not isinstance(entry, Mapping):
        return "", None, {}
    if "test_name" in entry:
        name, spec = str(entry["test_name"]), {k: v for k, v in entry.items() if k != "test_name"}
    elif len(entry) == 1:
        name, spec = next(iter(entry.items()))
        spec = {} if spec is None else spec
    else:
        return "", None, {}
    if not isinstance(spec, Mapping):
        return name, None, {}
    arguments, config = spec.get("arguments") or {}, spec.get("config") or {}
    if not isinstance(arguments, Mapping) or not isinstance(config, Mapping):
        return name, None, {}
    bare = {k: v for k, v in spec.items() if k not in CONFIGS}
    return name, {**bare, **arguments}, {**{k: v for k, v in spec.items() if k in CONFIGS}, **config}


def withheld(config: Mapping[str, Json]) -> str:
    """Why a test's configuration makes it another thing than a rule, or ""."""
    if config.get("enabled") is False:
        return "it is switched off"
    if config.get("where"):
        return f"it is about some rows only (where {config['where']}); say it as `that ...`"
    tolerant = [k for k in TOLERANT if config.get(k) is not None]
    return f"{', '.join(tolerant)} can't be said in a rule" if tolerant else ""


def read_test(name: str, a: Mapping[str, Json], column: str | None) -> Read:
    name = name.removeprefix("dbt.")
    column = str(a["column_name"]) if isinstance(a.get("column_name"), str) else column
    a = {k: v for k, v in a.items() if k not in ("column_name", "model") and v is not None}
    if name.startswith("dbt_expectations."):
        strict = {"strict_min": a["strictly"], "strict_max": a["strictly"]} if "strictly" in a else {}
        rest = {k: v for k, v in a.items() if k != "strictly"}
        return read_expectation(name.partition(".")[2], {**rest, **strict, **({"column": column} if column else {})})
    if name not in READS:
        return "no rule says this"
    if rest_names := sorted(set(a) - READS[name]):
        return f"{', '.join(rest_names)} can't be said in a rule"
    if name == "dbt_utils.unique_combination_of_columns":
        names = tuple(map(str, listed(a.get("combination_of_columns"))))
        return (Rule("unique", columns=names),) if len(names) > 1 else "it names no two columns"
    if name == "dbt_utils.expression_is_true":
        return expression_rule(f"{column} {a.get('expression')}" if column else a.get("expression"))
    if name == "dbt_utils.recency":
        return read_recency(a.get("field"), a.get("datepart"), a.get("interval"))
    return "it names no column" if column is None else of_column(name, column, a)


def of_column(name: str, column: str, a: Mapping[str, Json]) -> Read:
    if name in ("not_null", "unique"):
        return (Rule(name, column=column),)
    if name == "accepted_values":
        return values_rule(column, a.get("values"))
    if name == "relationships":
        to = REF.match(str(a.get("to", "")).strip())
        if not to or not isinstance(a.get("field"), str):
            return f"{a.get('to')!r} names no table (ref('...') or source('...', '...')) with a `field`"
        return (Rule("foreign_key", column=column, ref=f"{to[3]}.{a['field']}"),)
    bounds = [bound_of(a.get(k)) for k in ("min_value", "max_value")]
    if any(isinstance(b, Exception) for b in bounds):
        return "a bound is an expression, not a value"
    open_ = a.get("inclusive") is False
    return range_rules(column, bounds[0], bounds[1], open_, open_)


def bound_of(value: Json) -> Json:
    """A bound as a value; a ValueError (not raised) where it is SQL that isn't one."""
    if not isinstance(value, str):
        return value
    quoted = re.fullmatch(r"(?:(?:date|timestamp)\s+)?'((?:[^']|'')*)'|cast\(\s*'([^']*)'\s+as\s+\w+\s*\)", value, re.I)
    if quoted:
        return (quoted[1] or quoted[2] or "").replace("''", "'")
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value if re.fullmatch(r"\d{4}-\d\d-\d\d([ T][\d:.]+)?", value) else ValueError(value)


def read_recency(field: Json, part: Json, interval: Json) -> Read:
    seconds = {**SECONDS, "second": 1}.get(str(part).strip("'\""))
    if not isinstance(field, str) or seconds is None or isinstance(interval, bool) or not isinstance(interval, int):
        return "its field, datepart and interval aren't a column, a unit and a whole number"
    return (Rule("freshness", column=field, seconds=interval * seconds),) if interval > 0 else "its interval is none"


def read_freshness(freshness: Mapping[str, Json], block: Mapping[str, Json]) -> Read:
    field = block.get("loaded_at_field") or (block.get("config") or {}).get("loaded_at_field")
    limit = freshness.get("error_after") or freshness.get("warn_after")
    if not isinstance(field, str) or not isinstance(limit, Mapping) or freshness.get("filter"):
        return "it needs a `loaded_at_field`, `error_after` or `warn_after`, and no filter"
    return read_recency(field, limit.get("period"), limit.get("count"))


def read_constraint(kind: str, entry: Json, column: str | None) -> Read:
    names = [str(c) for c in listed(entry.get("columns"))] if isinstance(entry, Mapping) else []
    names = names or ([column] if column else [])
    if kind in ("unique", "primary_key") and names:
        key = Rule("unique", column=names[0]) if len(names) == 1 else Rule("unique", columns=tuple(names))
        return (*(Rule("not_null", column=n) for n in names if kind == "primary_key"), key)
    if kind == "not_null" and names:
        return tuple(Rule("not_null", column=n) for n in names)
    if kind == "check" and isinstance(entry, Mapping):
        return expression_rule(entry.get("expression"))
    return "no rule says this"
