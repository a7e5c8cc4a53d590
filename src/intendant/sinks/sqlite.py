"""Delivers rows into a SQLite table; SQLite converts by a column's declared type, so each value is looked at before.

SQLite's numbers hold 64-bit integers and doubles. A decimal of more than 15 digits goes as text into a column declared
DECIMAL_TEXT(p,s), which SQLite leaves as it is; what a column there would bend is refused.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from intendant.engines.base import quoted
from intendant.errors import SourceRefused
from intendant.sinks.json_text import json_texts
from intendant.sinks.ledger import Ledger
from intendant.sinks.merge import Mode, merge
from intendant.types import Json, Stamp

__all__ = ["to_sqlite"]

STAGE = "intendant_stage"
EXACT_DIGITS = 15
"""Decimal digits that a double always gives back."""
EXACT = 2**53
LONGEST = 2**63
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INFINITE = 2**63 - 1
AFFINITIES = ((("INT",), "INTEGER"), (("CHAR", "CLOB", "TEXT"), "TEXT"), (("BLOB",), "BLOB"), (("REAL", "FLOA", "DOUB"), "REAL"))
"""Section 3.1 of https://sqlite.org/datatype3.html, in its order; all others are NUMERIC."""


class Bent(ValueError):
    """A value that SQLite would change; says to what."""


def to_sqlite(path: Path, table: str, schema: pa.Schema, rows: Iterator[pa.Table], mode: Mode, keys: Sequence[str],
              stamp: Stamp | None) -> int:
    """See `sinks.sql.deliver`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(stamp, table, "?") if stamp else None
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                if ledger and (done := ledger.begin(con.cursor())) is not None:
                    con.execute("ROLLBACK")
                    return done
                written = _written(con, table, schema, rows, mode, keys)
                if ledger:
                    ledger.end(con.cursor(), written)
                con.execute("COMMIT")
            except BaseException:
                con.execute("ROLLBACK")
                raise
    except sqlite3.Error as error:
        raise SourceRefused(f"SQLite refused: {error}", where=f"{path.name} {table}",
                            hint="Nothing was written.") from error
    return written


def _written(con: sqlite3.Connection, table: str, schema: pa.Schema, rows: Iterator[pa.Table], mode: Mode,
             keys: Sequence[str]) -> int:
    if mode == "replace":
        con.execute(f"DROP TABLE IF EXISTS {quoted(table)}")
    ours = {field.name: _type(field.type) for field in schema}
    con.execute(f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({_columns(ours)})")
    declared = {str(c[1]).lower(): str(c[2]) for c in con.execute(f"PRAGMA table_info({quoted(table)})")}
    types = {name: declared.get(name.lower(), type_) for name, type_ in ours.items()}
    if mode == "upsert":
        con.execute(f"CREATE TEMP TABLE {STAGE} ({_columns(types)})")
    into = f"temp.{STAGE}" if mode == "upsert" else quoted(table)
    names = ", ".join(map(quoted, schema.names))
    insert = f"INSERT INTO {into} ({names}) VALUES ({', '.join('?' * len(schema))})"
    written = 0
    for batch in rows:
        con.executemany(insert, _tuples(batch, types, table))
        written += batch.num_rows
    if mode == "upsert":
        for statement in merge(f"temp.{STAGE}", quoted(table), schema.names, keys, "IS"):
            con.execute(statement)
        con.execute(f"DROP TABLE temp.{STAGE}")
    return written


def _columns(types: Mapping[str, str]) -> str:
    return ", ".join(f"{quoted(name)} {type_}" for name, type_ in types.items())


def _tuples(batch: pa.Table, types: Mapping[str, str], table: str) -> Iterator[tuple[Json, ...]]:
    columns = [_values(column, name, types[name], table)
               for name, column in zip(batch.column_names, batch.columns, strict=True)]
    return zip(*columns, strict=True)


def _values(column: pa.ChunkedArray, name: str, declared: str, table: str) -> list[Json]:
    """One column as the driver's own values. Raises SourceRefused for one that the column there would bend."""
    convert = _converter(column.type, _affinity(declared))
    if pa.types.is_nested(column.type):
        column = json_texts(column)
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    elif pa.types.is_float32(column.type):
        column = column.cast(pa.float64())
    values: list[Json] = column.to_pylist()
    if convert is None:
        return values
    try:
        return [None if v is None else convert(v) for v in values]
    except Bent as bent:
        raise SourceRefused(f"The column {name!r} is {declared or 'untyped'} in SQLite, which {bent}", where=table,
                            hint="Nothing was written. Filter or replace the value, cast the column, or widen the target's "
                                 "column.") from None


def _converter(type_: pa.DataType, affinity: str) -> Callable[[Json], Json] | None:
    """How a value of an Arrow type becomes SQLite's; None when it is one already. The function raises Bent."""
    numeric = affinity in ("INTEGER", "NUMERIC", "REAL")
    if pa.types.is_boolean(type_):
        return int
    if pa.types.is_integer(type_):
        return _integer_in_real if affinity == "REAL" else _integer if pa.types.is_uint64(type_) else None
    if pa.types.is_floating(type_):
        return _double_in_text if affinity == "TEXT" else _double
    if pa.types.is_decimal(type_):
        return _decimal_in_number if numeric else _plain
    if pa.types.is_timestamp(type_):
        return _zoned if type_.tz else _local
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_null(type_):
        return None
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return _text_in_number if numeric else None
    return None if pa.types.is_nested(type_) else str


def _integer(value: int) -> int | str:
    return value if value < LONGEST else str(value)


def _integer_in_real(value: int) -> int:
    if abs(value) > EXACT:
        raise Bent(f"can't hold the integer {value} exactly")
    return value


def _double(value: float) -> float:
    if math.isnan(value):
        raise Bent("has no NaN and would make it NULL")
    return value


def _double_in_text(value: float) -> str:
    return repr(value)


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _decimal_in_number(value: Decimal) -> str:
    text = format(value, "f")
    digits = text.lstrip("-").replace(".", "").strip("0") if "." in text else text.lstrip("-")
    if len(digits) > EXACT_DIGITS and not ("." not in text and abs(value) < LONGEST):
        raise Bent(f"would round the decimal {text}")
    return text


def _text_in_number(value: str) -> str:
    """Text that looks like a number becomes one there: only one that is spelled like it may."""
    try:
        number = float(value)
    except ValueError:
        return value
    whole = value.lstrip("-")
    plain = whole.isdecimal() and str(int(value)) == value and abs(int(value)) <= EXACT
    if not plain and repr(number) != value and math.isfinite(number):
        raise Bent(f"would turn the text {value[:40]!r} into a number")
    return value


def _moment(value: int) -> datetime | str:
    if abs(value) == INFINITE:
        return "infinity" if value > 0 else "-infinity"
    try:
        return EPOCH + timedelta(microseconds=value)
    except OverflowError:
        raise Bent("is delivered years 1 to 9999 only") from None


def _zoned(value: int) -> str:
    moment = _moment(value)
    return moment if isinstance(moment, str) else moment.isoformat(" ")


def _local(value: int) -> str:
    moment = _moment(value)
    return moment if isinstance(moment, str) else moment.replace(tzinfo=None).isoformat(" ")


def _affinity(declared: str) -> str:
    if not declared:
        return "BLOB"
    name = declared.upper()
    return next((affinity for words, affinity in AFFINITIES if any(word in name for word in words)), "NUMERIC")


def _type(type_: pa.DataType) -> str:
    if pa.types.is_boolean(type_):
        return "BOOLEAN"
    if pa.types.is_integer(type_):
        return "INTEGER"
    if pa.types.is_floating(type_):
        return "REAL"
    if pa.types.is_decimal(type_):
        return f"{'DECIMAL' if type_.precision <= EXACT_DIGITS else 'DECIMAL_TEXT'}({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_) and type_.tz:
        return "TIMESTAMPTZ"
    return "BLOB" if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) else "TEXT"
