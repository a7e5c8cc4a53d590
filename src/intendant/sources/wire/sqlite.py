"""SQLite tables as Arrow, batch by batch; its loose typing never costs a value: a mixed column comes as text."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from intendant.errors import SourceDamaged, SourceRefused
from intendant.sources.wire.columns import engine, settle
from intendant.sources.wire.guess import likely_moment
from intendant.sources.wire.query import condition, quoted, values_of
from intendant.types import Column, Json, ReadRequest, Resource

__all__ = ["Sqlite"]

BATCH_ROWS = 50_000
BATCH_BYTES = 32 << 20
EXACT = 2**53
EXACT_DIGITS = 15
DECIMAL = re.compile(r"(?:DECIMAL|DECIMAL_TEXT|NUMERIC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)$")
PLAIN = re.compile(r"-?\d+(\.\d+)?$")
INSTANT = "strftime('%Y-%m-%d %H:%M:%f', {})"
MOMENT_AFTER = (f"({INSTANT.format('{column}')} >= {INSTANT.format('?')} "
                f"OR ({INSTANT.format('{column}')} IS NULL AND {{column}} IS NOT NULL))")
"""Compares moments however they are spelled, to the millisecond; what is no moment comes too, the caller decides."""


class Sqlite:
    """One SQLite file, opened for reading only."""

    def __init__(self, source: str, path: Path) -> None:
        self.source, self.path = source, path
        if not path.is_file():
            raise SourceRefused(f"There is no SQLite file {path.name!r}", where=str(path.parent),
                                hint="sqlite:///name.db is relative to the workspace, sqlite:////name.db is absolute.")
        self._con = sqlite3.connect(f"file:{_escaped(path)}?mode=ro", uri=True, check_same_thread=False)
        self._con.text_factory = _text
        self._engine = engine()

    def close(self) -> None:
        self._con.close()
        self._engine.close()

    def tables(self) -> Mapping[str, Resource]:
        sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
        try:
            names = [str(row[0]) for row in self._con.execute(sql) if not row[0].startswith("sqlite_")]
            return {name: self._described(name) for name in names}
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _described(self, name: str) -> Resource:
        columns = self._con.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
        keys = [c[1] for c in columns if c[5]]
        found = tuple(Column(c[1], _duck_type(c[2])) for c in columns)
        return Resource(self.source, name, keys[0] if len(keys) == 1 else None, likely_moment(found), found)

    def batches(self, table: str, request: ReadRequest) -> Iterator[pa.Table]:
        info = self._con.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
        names = [str(c[1]) for c in info]
        declared = {str(c[1]): str(c[2]).upper() for c in info}
        picked = [n for n in names if request.columns is None or n in request.columns] or names
        select = ", ".join(quoted(n) for n in picked)
        newer = MOMENT_AFTER if request.after and _is_moment(request.after[1]) else "{column} > ?"
        sql = f"SELECT {select} FROM {quoted(table)} {condition(request, names, newer)}"
        try:
            cursor = self._con.execute(sql, [_plain(v) for v in values_of(request, names)])
            size = 1000
            while rows := cursor.fetchmany(size):
                columns = [_array(values, declared[n]) for n, values in zip(picked, zip(*rows, strict=True),
                                                                            strict=True)]
                batch = pa.table(columns, names=picked)
                size = max(1, min(BATCH_ROWS, BATCH_BYTES * len(rows) // max(1, batch.nbytes)))
                yield _in_utc(settle(batch, self._engine), declared)
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.Error) -> SourceDamaged:
        return SourceDamaged(f"{self.path.name!r} can't be read as SQLite: {error}", where=str(self.path.parent))


def _is_moment(value: Json) -> bool:
    return isinstance(value, date) or (isinstance(value, str) and bool(re.match(r"\d{4}-\d{2}-\d{2}", value)))


def _plain(value: Json) -> Json:
    """The driver's own types; a moment as ISO text."""
    return value.isoformat() if isinstance(value, date) else value


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _text(raw: bytes) -> str | bytes:
    """Text as text; bytes that are no UTF-8 stay bytes, so that the column shows them and loses none."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _array(values: tuple[Json, ...], declared: str) -> pa.Array:
    """One column; the narrowest type that holds all values without bending one."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int} and "BOOL" in declared and set(values) <= {0, 1, None}:
        return pa.array([None if v is None else bool(v) for v in values], pa.bool_())
    decimal = DECIMAL.match(declared)
    if decimal and int(decimal[1]) <= 38 and kinds and kinds <= {int, float, str}:
        exact = _decimals(values, kinds, pa.decimal128(int(decimal[1]), int(decimal[2] or 0)))
        if exact is not None:
            return exact
    if len(kinds) <= 1:
        return pa.array(values)
    if kinds == {int, float} and all(type(v) is not int or abs(v) <= EXACT for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else _shown(v) for v in values], pa.string())


def _decimals(values: tuple[Json, ...], kinds: set[type], type_: pa.DataType) -> pa.Array | None:
    """Values as the decimals that they are declared to be; None when one of them isn't exactly that."""
    try:
        if kinds == {float} and type_.precision <= EXACT_DIGITS:
            doubles = pa.array(values, pa.float64())
            decimals = doubles.cast(type_)
            return decimals if decimals.cast(pa.float64()).equals(doubles) else None
        if any(type(v) is str and not PLAIN.match(v) for v in values):
            return None
        return pa.array([None if v is None else Decimal(repr(v) if type(v) is float else v) for v in values], type_)
    except (pa.ArrowInvalid, ArithmeticError):
        return None


def _in_utc(table: pa.Table, declared: Mapping[str, str]) -> pa.Table:
    """Moments of columns that are declared with a zone as that; `settle` made them UTC."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and _zoned(declared[field.name]):
            table = table.set_column(index, field.name, table.column(index).cast(pa.timestamp("us", "UTC")))
    return table


def _zoned(declared: str) -> bool:
    return "TIMESTAMPTZ" in declared or "WITH TIME ZONE" in declared


def _shown(value: Json) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _duck_type(declared: str) -> str:
    """The DuckDB type that a declared SQLite type stands for, by the rules of SQLite's type affinity."""
    name = declared.upper()
    decimal = DECIMAL.match(name)
    if decimal and int(decimal[1]) <= 38:
        return f"DECIMAL({decimal[1]},{decimal[2] or 0})"
    if _zoned(name):
        return "TIMESTAMP WITH TIME ZONE"
    for words, type_ in ((("INT",), "BIGINT"), (("BOOL",), "BOOLEAN"), (("TIMESTAMP", "DATETIME"), "TIMESTAMP"),
                         (("DATE",), "DATE"), (("CHAR", "CLOB", "TEXT"), "VARCHAR"), (("BLOB",), "BLOB"),
                         (("REAL", "FLOA", "DOUB", "NUM", "DEC"), "DOUBLE")):
        if any(word in name for word in words):
            return type_
    return "VARCHAR"
