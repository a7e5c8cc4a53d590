"""How values are spelled in a file whose format has no word for them: nested ones in CSV, NaN and infinities in JSON."""

from __future__ import annotations

import re

import duckdb

from intendant.engines.base import quoted, text

__all__ = ["spelled"]

FLOATING = re.compile(r"\b(FLOAT|DOUBLE)\b")
NESTED = re.compile(r"^(STRUCT|MAP|UNION)\(|\]$")


def spelled(con: duckdb.DuckDBPyConnection, sql: str, format_: str) -> str:
    """The query with such columns as JSON; `format_` is csv, json or parquet, which holds all types as they are.

    A NaN becomes the text "NaN", infinities "Infinity" and "-Infinity".
    """
    if format_ == "parquet":
        return sql
    columns = [(str(row[0]), str(row[1])) for row in con.execute(f"DESCRIBE {sql}").fetchall()]
    shown = [_column(name, type_, format_) for name, type_ in columns]
    if all(one == quoted(name) for one, (name, _) in zip(shown, columns, strict=True)):
        return sql
    return f"SELECT {', '.join(shown)} FROM ({sql}\n)"


def _column(name: str, type_: str, format_: str) -> str:
    column = quoted(name)
    nested = bool(NESTED.search(type_))
    if format_ == "csv":
        return f"CAST(to_json({_finite(column, type_, 0)}) AS VARCHAR) AS {column}" if nested else column
    return f"{_finite(column, type_, 0)} AS {column}" if FLOATING.search(type_) else column


def _finite(value: str, type_: str, depth: int) -> str:
    """SQL for `value` of a type with every NaN and infinity in it as a JSON text."""
    if not FLOATING.search(type_):
        return value
    if type_ in ("FLOAT", "DOUBLE"):
        return (f"CASE WHEN isfinite({value}) THEN to_json({value}) WHEN isnan({value}) THEN to_json('NaN') "
                f"WHEN {value} > 0 THEN to_json('Infinity') ELSE to_json(CASE WHEN {value} < 0 THEN '-Infinity' END) END")
    kind = duckdb.sqltype(type_)
    item = f"x{depth}"
    if kind.id == "struct":
        fields = ", ".join(f"{quoted(n)} := {_finite(f'struct_extract({value}, {text(n)})', str(t), depth)}"
                           for n, t in kind.children)
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({fields}) END"
    if kind.id in ("list", "array"):
        return f"list_transform({value}, lambda {item}: {_finite(item, str(kind.children[0][1]), depth + 1)})"
    if kind.id == "map":
        entry = f"struct_pack(key := {item}.key, value := {_finite(f'{item}.value', str(kind.children[1][1]), depth + 1)})"
        return f"map_from_entries(list_transform(map_entries({value}), lambda {item}: {entry}))"
    return value
