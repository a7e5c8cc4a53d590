"""Which type a column is stored as, what two types have in common, and how Delta writes them down.

Types are named as DuckDB names them. What Parquet and Delta can't hold becomes the nearest type that loses nothing:
wider numbers, or text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb

from intendant.errors import Damaged
from intendant.types import Column, Json

if TYPE_CHECKING:
    from duckdb import sqltypes

__all__ = ["NULL", "WIDE", "from_delta", "storable", "to_delta", "unify", "unify_columns"]

NULL = "NULL"
"""The type of a column of which no value has been seen yet."""
WIDE = ("UBIGINT", "HUGEINT", "UHUGEINT")
"""Integers without a Parquet type; their stored type depends on the values."""
INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
WIDENED = {"UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20,0)",
           "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "TIMESTAMP_S": "TIMESTAMP",
           "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP"}
KEPT = {"TINYINT": "byte", "SMALLINT": "short", "INTEGER": "integer", "BIGINT": "long", "FLOAT": "float",
        "DOUBLE": "double", "BOOLEAN": "boolean", "VARCHAR": "string", "BLOB": "binary", "DATE": "date",
        "TIMESTAMP": "timestamp_ntz", "TIMESTAMP WITH TIME ZONE": "timestamp"}
FROM_DELTA = {delta: name for name, delta in KEPT.items()}
DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


@lru_cache(maxsize=4096)
def _parse(text: str) -> sqltypes.DuckDBPyType:
    return duckdb.sqltype(text)


def _struct(fields: Iterable[tuple[str, str]]) -> str:
    inner = ", ".join('"' + name.replace('"', '""') + f'" {kind}' for name, kind in fields)
    return str(_parse(f"STRUCT({inner})"))


def _children(text: str) -> list[tuple[str, str]]:
    return [(name, str(kind)) for name, kind in _parse(text).children]


@lru_cache(maxsize=4096)
def storable(text: str) -> str:
    """The type that a value of DuckDB type `text` is stored as."""
    if text == NULL or text in KEPT or DECIMAL.fullmatch(text):
        return text
    if text in WIDENED:
        return WIDENED[text]
    kind = _parse(text).id
    if kind == "struct":
        return _struct((name, storable(inner)) for name, inner in _children(text))
    if kind in ("list", "array"):
        return storable(_children(text)[0][1]) + "[]"
    if kind == "map":
        key, value = (storable(inner) for _, inner in _children(text))
        return f"MAP({key}, {value})"
    return "VARCHAR"


def _decimal(a: str, b: str) -> str:
    def size(text: str) -> tuple[int, int]:
        match = DECIMAL.fullmatch(text)
        return (int(match[1]), int(match[2])) if match else (INTEGERS[text], 0)

    (p, s), (q, t) = size(a), size(b)
    scale = max(s, t)
    digits = max(p - s, q - t) + scale
    return f"DECIMAL({digits},{scale})" if digits <= 38 else "DOUBLE"


def _numbers(a: str, b: str) -> str | None:
    exact = [x in INTEGERS or bool(DECIMAL.fullmatch(x)) for x in (a, b)]
    if a in INTEGERS and b in INTEGERS:
        return a if INTEGERS[a] >= INTEGERS[b] else b
    if all(exact):
        return _decimal(a, b)
    if all(ok or x in ("FLOAT", "DOUBLE") for ok, x in zip(exact, (a, b), strict=True)):
        return "DOUBLE"
    return None


TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


@lru_cache(maxsize=4096)
def unify(a: str, b: str) -> str:
    """The narrowest stored type that holds the values of both: wider numbers, else VARCHAR."""
    if a == b or b == NULL:
        return a
    if a == NULL:
        return b
    number = _numbers(a, b)
    if number:
        return number
    if a in TIMES and b in TIMES:
        return max(a, b, key=TIMES.index)
    kinds = {_parse(a).id, _parse(b).id}
    if kinds == {"struct"}:
        return _struct((c.name, c.type) for c in unify_columns(
            [[Column(n, t) for n, t in _children(x)] for x in (a, b)]))
    if kinds == {"list"}:
        return unify(_children(a)[0][1], _children(b)[0][1]) + "[]"
    if kinds == {"map"}:
        (_, ka), (_, va) = _children(a)
        (_, kb), (_, vb) = _children(b)
        return f"MAP({unify(ka, kb)}, {unify(va, vb)})"
    return "VARCHAR"


def unify_columns(schemas: Iterable[Sequence[Column]]) -> tuple[Column, ...]:
    """The union of columns by name (up to case; the first spelling stays), in order of first appearance."""
    names: dict[str, str] = {}
    types: dict[str, str] = {}
    for schema in schemas:
        for column in schema:
            key = column.name.casefold()
            names.setdefault(key, column.name)
            types[key] = unify(types[key], column.type) if key in types else column.type
    return tuple(Column(names[key], types[key]) for key in names)


def _delta_type(text: str) -> Json:
    if text in KEPT:
        return KEPT[text]
    decimal = DECIMAL.fullmatch(text)
    if decimal:
        return f"decimal({decimal[1]},{decimal[2]})"
    kind, children = _parse(text).id, _children(text)
    if kind == "struct":
        return {"type": "struct", "fields": [_field(name, inner) for name, inner in children]}
    if kind == "list":
        return {"type": "array", "elementType": _delta_type(children[0][1]), "containsNull": True}
    return {"type": "map", "keyType": _delta_type(children[0][1]), "valueType": _delta_type(children[1][1]),
            "valueContainsNull": True}


def _field(name: str, kind: str) -> Json:
    return {"name": name, "type": _delta_type(kind), "nullable": True, "metadata": {}}


def to_delta(columns: Sequence[Column]) -> str:
    """The `schemaString` of the Delta log for columns of stored types."""
    return json.dumps({"type": "struct", "fields": [_field(c.name, c.type) for c in columns]})


def _from_type(kind: Json) -> str:
    if isinstance(kind, str):
        return FROM_DELTA[kind] if kind in FROM_DELTA else kind.upper().replace(", ", ",")
    if kind["type"] == "struct":
        return _struct((f["name"], _from_type(f["type"])) for f in kind["fields"])
    if kind["type"] == "array":
        return _from_type(kind["elementType"]) + "[]"
    return f"MAP({_from_type(kind['keyType'])}, {_from_type(kind['valueType'])})"


def from_delta(schema: str, where: str) -> tuple[Column, ...]:
    """The columns of a Delta `schemaString`; Damaged when it is not one."""
    try:
        return tuple(Column(f["name"], _from_type(f["type"])) for f in json.loads(schema)["fields"])
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("The schema in the table's log can't be read", where=where,
                      hint="Restore the table to an earlier version.") from error
