"""A data contract in the Open Data Contract Standard (YAML, v3): properties with their checks, and the latency promised.

Written as v3.1.0; v3.0's `rule` is read like `metric`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from intendant.checks.contracts.base import (
    Exported,
    Format,
    Imported,
    LeftOut,
    Read,
    anchored,
    chosen,
    condition_sql,
    expression_rule,
    full_match,
    listed,
    range_rules,
    short_name,
    values_rule,
)
from intendant.checks.contracts.document import dumped, line_of
from intendant.checks.rules.base import literal_of
from intendant.language.expression import Binary, Col, print_expression
from intendant.language.to_sql import kind_of_type
from intendant.types import Column, Json, Rule

__all__ = ["Odcs"]

BROKEN = re.compile(r"SELECT COUNT\(\*\) FROM \S+ WHERE NOT \((.*)\)\s*;?", re.I | re.S)
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
UNITS = {"second": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400,
         "week": 604800, "month": 2592000, "m": 2592000, "year": 31536000, "y": 31536000}  # fmt: skip
OPERATORS = ("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan",
             "mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween")  # fmt: skip
METRICS = {"nullCheck": "nullValues", "duplicateCount": "duplicateValues", "validValues": "invalidValues"}
"""The names of v3.0."""


class Odcs(Format):
    name: ClassVar[str] = "odcs"
    summary: ClassVar[str] = "A data contract, YAML (Open Data Contract Standard v3)."

    def recognises(self, document: Mapping[str, Json]) -> bool:
        return document.get("kind") == "DataContract" or isinstance(document.get("schema"), list)

    def write(self, table: str, columns: Sequence[Column], rules: Sequence[Rule]) -> Exported:
        properties = {c.name: property_of(c) for c in columns}
        by_name = {c.name: c for c in columns}
        whole: list[Json] = []
        promised: list[Json] = []
        left: list[LeftOut] = []
        for rule in rules:
            if rule.type == "freshness":
                promised.append(latency(rule, short_name(table)))
            elif rule.column is None:
                whole.append(table_check(rule, columns))
            elif rule.column not in properties:
                left.append(LeftOut(f"{rule.type} of {rule.column}", "the table has no such column now"))
            else:
                put(properties[rule.column], rule, by_name[rule.column], columns)
        schema: dict[str, Json] = {"name": short_name(table), "logicalType": "object", "physicalType": "table",
                                   "properties": list(properties.values())}  # fmt: skip
        if whole:
            schema["quality"] = whole
        document: dict[str, Json] = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": short_name(table),
                                     "name": short_name(table), "version": "1.0.0", "status": "active",
                                     "schema": [schema]}  # fmt: skip
        if promised:
            document["slaProperties"] = promised
        return Exported(dumped(document), tuple(left))

    def read(self, document: Mapping[str, Json], table: str) -> Imported:
        objects = {str(o.get("name", "")): o for o in listed(document.get("schema")) if isinstance(o, Mapping)}
        name = chosen(objects, table, "schema")
        out = Imported()
        for other, block in objects.items():
            if other != name:
                out.add("it is about another table", other, line_of(block))
        own = objects[name]
        for check in listed(own.get("quality")):
            read_check(check, name, None, out)
        for p in listed(own.get("properties")):
            if isinstance(p, Mapping):
                read_property(p, name, out)
        read_key(own, out)
        for relation in listed(own.get("relationships")):
            out.add("a key of several columns can't be said in a rule", f"relationship of {name}", line_of(relation))
        for promise in listed(document.get("slaProperties")):
            if isinstance(promise, Mapping):
                read_promise(promise, name, out)
        return out


# ---------------------------------------------------------------- out
def property_of(column: Column) -> dict[str, Json]:
    kind = kind_of_type(column.type)
    whole = "INT" in column.type.upper() and "INTERVAL" not in column.type.upper()
    timed = "timestamp" if column.type.upper().startswith("TIMESTAMP") else "date" if column.type == "DATE" else "time"
    logical = {"text": "string", "bool": "boolean", "number": "integer" if whole else "number", "time": timed}.get(kind)
    return {"name": column.name, **({"logicalType": logical} if logical else {}), "physicalType": column.type}


def put(p: dict[str, Json], rule: Rule, column: Column, columns: Sequence[Column]) -> None:
    """A rule into its property; what stands there already goes beside it as a check."""
    options = dict(p.get("logicalTypeOptions", {}))
    if rule.type == "not_null":
        p["required"] = True
    elif rule.type == "unique":
        p["unique"] = True
    elif rule.type == "foreign_key":
        table, _, ref = str(rule.ref).rpartition(".")
        p.setdefault("relationships", []).append({"type": "foreignKey", "to": f"{short_name(table)}.{ref}"})
    elif rule.type == "pattern" and "pattern" not in options and p.get("logicalType") == "string":
        p["logicalTypeOptions"] = {**options, "pattern": anchored(str(rule.regex))}
    elif rule.type == "range" and not set(bounds := bounds_of(rule)) & set(options):
        p["logicalTypeOptions"] = {**options, **bounds}
    elif rule.type == "range":
        p.setdefault("quality", []).append(broken_rows(as_expression(rule, column), columns))
    else:
        arguments: dict[str, Json] = {"pattern": anchored(str(rule.regex))}
        if rule.type == "allowed_values":
            arguments = {"validValues": list(rule.values or ())}
        p.setdefault("quality", []).append({"metric": "invalidValues", "arguments": arguments, "mustBe": 0})


def as_expression(rule: Rule, column: Column) -> Rule:
    """A range as a condition."""
    signs = ((">" if rule.min_exclusive else ">=", rule.min), ("<" if rule.max_exclusive else "<=", rule.max))
    tests = [Binary(s, Col(column.name), literal_of(v, column)) for s, v in signs if v is not None]
    whole = tests[0] if len(tests) == 1 else Binary("and", tests[0], tests[1])
    return Rule("expression", expression=print_expression(whole))


def bounds_of(rule: Rule) -> dict[str, Json]:
    low, high = (
        ("exclusiveMinimum" if rule.min_exclusive else "minimum"),
        ("exclusiveMaximum" if rule.max_exclusive else "maximum"),
    )
    return {k: v for k, v in ((low, rule.min), (high, rule.max)) if v is not None}


def table_check(rule: Rule, columns: Sequence[Column]) -> dict[str, Json]:
    if rule.type == "unique":
        return {"metric": "duplicateValues", "arguments": {"properties": list(rule.columns)}, "mustBe": 0}
    if rule.type == "expression":
        return broken_rows(rule, columns)
    assert rule.type == "row_count", rule.type
    if rule.min is None or rule.max is None:
        key = "mustBeGreaterOrEqualTo" if rule.max is None else "mustBeLessOrEqualTo"
        return {"metric": "rowCount", key: rule.max if rule.min is None else rule.min}
    return {"metric": "rowCount", **({"mustBe": rule.min} if rule.min == rule.max
                                     else {"mustBeBetween": [rule.min, rule.max]})}  # fmt: skip


def broken_rows(rule: Rule, columns: Sequence[Column]) -> dict[str, Json]:
    query = f"SELECT COUNT(*) FROM ${{object}} WHERE NOT ({condition_sql(rule, columns)})"
    return {"type": "sql", "query": query, "mustBe": 0}


def latency(rule: Rule, table: str) -> dict[str, Json]:
    seconds = rule.seconds or 0
    unit = next((u for u in ("day", "hour", "minute") if seconds % UNITS[u] == 0), "second")
    return {
        "property": "latency",
        "value": seconds // UNITS[unit],
        "unit": f"{unit}s",
        "element": f"{table}.{rule.column}",
    }


# ---------------------------------------------------------------- in
def read_property(p: Mapping[str, Json], table: str, out: Imported) -> None:
    column, line = str(p.get("name", "")), line_of(p)
    about = f"{table}.{column}"
    if p.get("required") is True:
        out.add((Rule("not_null", column=column),), about)
    if p.get("unique") is True:
        out.add((Rule("unique", column=column),), about)
    options = p.get("logicalTypeOptions")
    if isinstance(options, Mapping):
        read_options(options, column, about, out)
    for check in listed(p.get("quality")):
        read_check(check, about, column, out)
    for relation in listed(p.get("relationships")):
        to = relation.get("to") if isinstance(relation, Mapping) else None
        plain = isinstance(to, str) and re.fullmatch(r"[^/.]+\.[^/.]+", to)
        read: Read = (Rule("foreign_key", column=column, ref=to),) if plain else f"{to!r} is no `table.column`"
        out.add(read, f"relationship of {about}", line_of(relation) or line)
    for inner in ("properties", "items"):
        if p.get(inner):
            out.add("rules are about whole columns, not about parts of them", f"{inner} of {about}", line)


def read_options(options: Mapping[str, Json], column: str, about: str, out: Imported) -> None:
    line = line_of(options)
    low, low_open, high, high_open = (options.get(k) for k in BOUNDS)
    if any(options.get(k) is not None for k in BOUNDS):
        bounds = (low_open if low is None else low, high_open if high is None else high)
        out.add(range_rules(column, *bounds, low is None, high is None), f"bounds of {about}", line)
        for one, other, name in ((low, low_open, "exclusiveMinimum"), (high, high_open, "exclusiveMaximum")):
            if one is not None and other is not None:
                out.add("the inclusive bound was taken", f"{name} of {about}", line)
    if isinstance(options.get("pattern"), str):
        out.add((Rule("pattern", column=column, regex=full_match(options["pattern"])),), about)
    for key in options:
        if key not in (*BOUNDS, "pattern", "timezone", "defaultTimezone"):
            out.add("no rule says this", f"{key} of {about}", line)


def read_check(check: Json, about: str, column: str | None, out: Imported) -> None:
    if not isinstance(check, Mapping):
        out.add("it is no object", f"a check of {about}")
        return
    metric = str(check.get("metric") or check.get("rule") or "")
    kind = str(check.get("type") or ("library" if metric else "text"))
    what = f"{check.get('name') or metric or kind} of {about}"
    out.add(checked(kind, METRICS.get(metric, metric), check, column), what, line_of(check))


def checked(kind: str, metric: str, check: Mapping[str, Json], column: str | None) -> Read:
    given = {k: check[k] for k in OPERATORS if check.get(k) is not None}
    if kind == "sql":
        query = BROKEN.fullmatch(str(check.get("query", "")).strip())
        none_broken = given == {"mustBe": 0}
        return expression_rule(query[1]) if query and none_broken else "a whole query can't be said in a rule"
    if kind != "library":
        return f"a check of type {kind!r} can't be said in a rule"
    if metric == "rowCount":
        return "a number of rows is said of a table" if column else counted(given)
    if given != {"mustBe": 0}:
        return "a rule tolerates no bad row: only `mustBe: 0` can be said"
    a = check.get("arguments") or {}
    a = a if isinstance(a, Mapping) else {}
    if metric == "duplicateValues":
        names = tuple(str(n).rpartition(".")[2] for n in listed(a.get("properties"))) or ((column,) if column else ())
        if not names:
            return "it names no columns"
        return (Rule("unique", column=names[0]) if len(names) == 1 else Rule("unique", columns=names),)
    if column is None:
        return "it names no column"
    if metric == "nullValues":
        return (Rule("not_null", column=column),)
    if metric == "invalidValues" and set(a) and set(a) <= {"validValues", "pattern"}:
        return valid(a, column)
    return f"the metric {metric!r} can't be said in a rule"


def valid(a: Mapping[str, Json], column: str) -> Read:
    out: tuple[Rule, ...] = ()
    if "validValues" in a:
        read = values_rule(column, a["validValues"])
        if isinstance(read, str):
            return read
        out = read
    return (*out, Rule("pattern", column=column, regex=full_match(str(a["pattern"])))) if "pattern" in a else out


def counted(given: Mapping[str, Json]) -> Read:
    numbers = [n for v in given.values() for n in (v if isinstance(v, list) else [v])]
    if len(given) != 1 or any(isinstance(n, bool) or not isinstance(n, int) for n in numbers):
        return "it isn't one comparison with whole numbers"
    [(operator, value)] = given.items()
    low_high = {
        "mustBe": (value, value),
        "mustBeGreaterOrEqualTo": (value, None),
        "mustBeLessOrEqualTo": (None, value),
        "mustBeGreaterThan": (numbers[0] + 1, None),
        "mustBeLessThan": (None, numbers[0] - 1),
        "mustBeBetween": (numbers[0], numbers[-1]),
    }.get(operator)
    return (Rule("row_count", min=low_high[0], max=low_high[1]),) if low_high else f"{operator} can't be said in a rule"


def read_key(own: Mapping[str, Json], out: Imported) -> None:
    """The primary key: its columns are there, and unique together."""
    found = [p for p in listed(own.get("properties")) if isinstance(p, Mapping) and p.get("primaryKey") is True]
    found.sort(key=lambda p: p["primaryKeyPosition"] if isinstance(p.get("primaryKeyPosition"), int) else 0)
    names = tuple(str(p.get("name")) for p in found)
    if names:
        key = Rule("unique", column=names[0]) if len(names) == 1 else Rule("unique", columns=names)
        out.add((*(Rule("not_null", column=n) for n in names), key), "primaryKey")


def read_promise(promise: Mapping[str, Json], table: str, out: Imported) -> None:
    kind = str(promise.get("property"))
    element = str(promise.get("element") or "")
    owner, _, column = element.rpartition(".")
    if owner not in (table, ""):
        out.add("it is about another table", f"slaProperties: {kind} of {element}", line_of(promise))
        return
    unit = UNITS.get(str(promise.get("unit", "")).lower()) or UNITS.get(
        str(promise.get("unit", "")).lower().rstrip("s")
    )
    value = promise.get("value")
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    read: Read = "no rule says this"
    if kind in ("latency", "freshness", "ly"):
        read = "it lacks an element, value or unit"
        if whole and unit and column:
            read = (Rule("freshness", column=column, seconds=int(str(value)) * unit),)
    out.add(read, f"slaProperties: {kind} of {element or 'all tables'}", line_of(promise))
