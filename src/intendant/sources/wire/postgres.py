"""PostgreSQL tables as Arrow through ADBC's binary COPY; types that Arrow has no word for come as their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc

from intendant.errors import SourceDamaged, SourceError, SourceRefused, SourceUnreachable
from intendant.sources.wire.guess import likely_moment
from intendant.sources.wire.query import condition, quoted
from intendant.types import Column, Json, ReadRequest, Resource

__all__ = ["Postgres"]

BATCH_BYTES = 16 << 20
CATALOG = """
SELECT n.nspname, c.relname, a.attname, coalesce(b.typname, t.typname),
       CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END,
       CASE WHEN t.typcategory <> 'A' THEN 0 ELSE greatest(a.attndims, 1) END,
       coalesce((SELECT i.indkey::int2[] @> ARRAY[a.attnum] AND array_length(i.indkey::int2[], 1) = 1
                 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum
"""
NATIVE = {"bool": "BOOLEAN", "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT",
          "float8": "DOUBLE", "text": "VARCHAR", "varchar": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP",
          "timestamptz": "TIMESTAMP WITH TIME ZONE", "bytea": "BLOB", "_text": "VARCHAR[]", "_varchar": "VARCHAR[]",
          "_int4": "INTEGER[]", "_int8": "BIGINT[]", "_float8": "DOUBLE[]", "_int2": "SMALLINT[]", "_float4": "FLOAT[]",
          "_bool": "BOOLEAN[]", "_date": "DATE[]", "_timestamp": "TIMESTAMP[]", "_bytea": "BLOB[]",
          "_timestamptz": "TIMESTAMP WITH TIME ZONE[]"}
"""Types that ADBC gives as themselves; `numeric` comes as text and becomes DECIMAL here, all others come as text. Arrays
of one dimension are lists; those of more come as text, since ADBC would make them one flat list."""
FLATTENED = " has several dimensions"
INFINITE = 2**63 - 1
EPOCH = 946_684_800_000_000
INFINITE_DAY = 2**31 - 1
EPOCH_DAY = 10_957
"""PostgreSQL's infinity, and the microseconds and days from 1970 to its epoch, which ADBC adds to it as to any number."""
UNREACHABLE = ("could not connect", "connection refused", "connection to server", "timeout", "could not translate",
               "server closed")
REFUSED = ("password authentication", "permission denied", "does not exist", "no pg_hba", "authentication failed")


@dataclass(frozen=True)
class Attribute:
    """A column as the catalog has it: type, type modifier, and how many dimensions its arrays are declared to have."""

    type: str
    modifier: int
    dimensions: int

    @property
    def duck_type(self) -> str:
        if self.dimensions:
            return NATIVE.get(self.type, "VARCHAR[]") if self.dimensions == 1 else "VARCHAR"
        if self.type == "numeric" and self.modifier >= 4:
            precision, scale = _precision(self.modifier)
            return f"DECIMAL({precision},{scale})" if precision <= 38 else "VARCHAR"
        return NATIVE.get(self.type, "DOUBLE" if self.type == "numeric" else "VARCHAR")

    def select(self, name: str) -> str:
        """SQL for the column as it is to come; an array that ADBC would flatten is made an error."""
        column = quoted(name)
        if self.dimensions == 1:
            element = self.type.removeprefix("_") if self.type in NATIVE else "text"
            there = column if self.type in NATIVE else f"{column}::text[]"
            return (f"CASE WHEN array_ndims({column}) > 1 THEN ({column}::text || '{FLATTENED}')::{element}[] "
                    f"ELSE {there} END AS {column}")
        return column if self.type in NATIVE and not self.dimensions else f"{column}::text AS {column}"


class Postgres:
    """One PostgreSQL database, in a read-only transaction."""

    def __init__(self, source: str, url: str) -> None:
        self.source = source
        try:
            self._con = adbc.connect(url, autocommit=False)
            with self._con.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SET LOCAL standard_conforming_strings = on")
        except adbc_driver_manager.Error as error:
            raise self._error(error) from None
        self._columns: dict[str, dict[str, Attribute]] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def close(self) -> None:
        self._con.close()

    def tables(self) -> Mapping[str, Resource]:
        keys: dict[str, str] = {}
        self._columns.clear()
        for schema, table, column, type_, modifier, dimensions, is_key in self._rows(CATALOG):
            name = table if schema == "public" else f"{schema}.{table}"
            self._places[name] = (schema, table)
            self._columns.setdefault(name, {})[column] = Attribute(type_, modifier, dimensions)
            if is_key:
                keys[name] = column
        return {name: self._resource(name, keys.get(name)) for name in self._columns}

    def _resource(self, name: str, key: str | None) -> Resource:
        found = tuple(Column(c, a.duck_type) for c, a in self._columns[name].items())
        return Resource(self.source, name, key, likely_moment(found), found)

    def _rows(self, sql: str) -> list[tuple[Json, ...]]:
        try:
            with self._con.cursor() as cursor:
                cursor.execute(sql)
                return [tuple(row) for row in cursor.fetchall()]
        except adbc_driver_manager.Error as error:
            raise self._error(error) from None

    def batches(self, table: str, request: ReadRequest) -> Iterator[pa.Table]:
        types = self._columns[table]
        picked = [c for c in types if request.columns is None or c in request.columns] or list(types)
        select = ", ".join(types[c].select(c) for c in picked)
        schema, name = self._places[table]
        newer = ""
        if request.after and request.after[0] in types:
            newer = f"{quoted(request.after[0])} > {_literal(request.after[1])}::{_cast(types[request.after[0]].type)}"
        sql = f"SELECT {select} FROM {quoted(schema)}.{quoted(name)} AS t {condition(request, types, newer)}"
        try:
            with self._con.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
                cursor.execute(sql)
                for batch in cursor.fetch_record_batch():
                    if batch.num_rows:
                        yield _shaped(pa.Table.from_batches([batch]), types)
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> SourceError:
        text = " ".join(str(error).split())[:300]
        where = f"[sources.{self.source}]"
        lower = text.lower()
        if FLATTENED in text:
            return SourceDamaged(f"An array has several dimensions, but its column is declared with one: {text}", where=where,
                                 hint="Declare the column with all its dimensions, such as int[][]; it then comes as text.")
        if any(mark in lower for mark in REFUSED):
            return SourceRefused(f"PostgreSQL refused: {text}", where=where, hint="Check user, password and grants.")
        if any(mark in lower for mark in UNREACHABLE):
            return SourceUnreachable(f"PostgreSQL is not reachable: {text}", where=where,
                                     hint="Check host and port, and that it runs.")
        return SourceDamaged(f"PostgreSQL answered with an error: {text}", where=where)


def _literal(value: Json) -> str:
    """A value as an SQL literal. COPY takes no bound parameters, so it is bound here: only quotes can end a text, and
    they are doubled (standard_conforming_strings is on); a NUL can't be sent at all."""
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float | Decimal | str) and "\0" not in str(value):
        return "'" + str(value).replace("'", "''") + "'"
    raise SourceRefused(f"A cursor can't be a {type(value).__name__}", where="PostgreSQL")


def _cast(type_: str) -> str:
    return quoted(type_) if not type_.startswith("_") else "text"


def _precision(modifier: int) -> tuple[int, int]:
    """Digits and digits after the point of a numeric, packed by PostgreSQL as (p << 16 | s) + 4."""
    return (modifier - 4) >> 16, (modifier - 4) & 0x7FF


def _shaped(table: pa.Table, types: Mapping[str, Attribute]) -> pa.Table:
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if isinstance(field.type, pa.BaseExtensionType):
            column = column.cast(field.type.storage_type)
        if types[field.name].type == "numeric":
            column = _decimal(column, types[field.name].modifier)
        if pa.types.is_timestamp(column.type) or pa.types.is_date32(column.type):
            column = _unbounded(column)
        table = table.set_column(index, pa.field(field.name, column.type), column)
    return table


def _unbounded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Infinite moments as the engine's own; ADBC adds its epoch to them too, which wraps them around."""
    day = pa.types.is_date32(column.type)
    last, epoch, type_ = (INFINITE_DAY, EPOCH_DAY, pa.int32()) if day else (INFINITE, EPOCH, pa.int64())
    high, low = epoch - last - 2, epoch - last - 1
    numbers = column.cast(type_)
    least = pc.min(numbers).as_py()
    if least is None or least > low:
        return column
    finite = pc.if_else(pc.equal(numbers, pa.scalar(high, type_)), pa.scalar(last, type_), numbers)
    return pc.if_else(pc.equal(finite, pa.scalar(low, type_)), pa.scalar(-last, type_), finite).cast(column.type)


def _decimal(column: pa.ChunkedArray, modifier: int) -> pa.ChunkedArray:
    """Numbers that came as text: DECIMAL as declared, or just as large as these values need, so that batches together
    stay decimals; text when one is NaN, infinite or too long."""
    if modifier >= 4:
        precision, scale = _precision(modifier)
    else:
        scale = _longest(column, r"^-?\d+\.?")
        precision = max(1, scale + _longest(column, r"^-|\..*$"))
    if precision > 38 or scale > 38:
        return column
    try:
        return column.cast(pa.decimal128(precision, scale))
    except pa.ArrowInvalid:
        return column


def _longest(column: pa.ChunkedArray, without: str) -> int:
    """The most characters that a value has besides those that match the pattern."""
    longest = pc.max(pc.utf8_length(pc.replace_substring_regex(column, without, ""))).as_py()
    return int(longest or 0)
