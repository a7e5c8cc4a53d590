"""PostgreSQL tables as Arrow through ADBC's binary COPY; types that Arrow has no word for come as their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
SELECT n.nspname, c.relname, a.attname, t.typname, a.atttypmod,
       coalesce((SELECT i.indkey::int2[] @> ARRAY[a.attnum] AND array_length(i.indkey::int2[], 1) = 1
                 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum
"""
NATIVE = {"bool": "BOOLEAN", "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT",
          "float8": "DOUBLE", "text": "VARCHAR", "varchar": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP",
          "timestamptz": "TIMESTAMP WITH TIME ZONE", "bytea": "BLOB", "_text": "VARCHAR[]", "_varchar": "VARCHAR[]",
          "_int4": "INTEGER[]", "_int8": "BIGINT[]", "_float8": "DOUBLE[]"}
"""Types that ADBC gives as themselves; `numeric` comes as text and becomes DECIMAL here, all others come as text."""
UNREACHABLE = ("could not connect", "connection refused", "connection to server", "timeout", "could not translate",
               "server closed")
REFUSED = ("password authentication", "permission denied", "does not exist", "no pg_hba", "authentication failed")


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
        self._columns: dict[str, list[tuple[str, str, int]]] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def close(self) -> None:
        self._con.close()

    def tables(self) -> Mapping[str, Resource]:
        keys: dict[str, str] = {}
        self._columns.clear()
        for schema, table, column, type_, modifier, is_key in self._rows(CATALOG):
            name = table if schema == "public" else f"{schema}.{table}"
            self._places[name] = (schema, table)
            self._columns.setdefault(name, []).append((column, type_, modifier))
            if is_key:
                keys[name] = column
        return {name: self._resource(name, keys.get(name)) for name in self._columns}

    def _resource(self, name: str, key: str | None) -> Resource:
        found = tuple(Column(c, _duck_type(t, m)) for c, t, m in self._columns[name])
        return Resource(self.source, name, key, likely_moment(found), found)

    def _rows(self, sql: str) -> list[tuple[Json, ...]]:
        try:
            with self._con.cursor() as cursor:
                cursor.execute(sql)
                return [tuple(row) for row in cursor.fetchall()]
        except adbc_driver_manager.Error as error:
            raise self._error(error) from None

    def batches(self, table: str, request: ReadRequest) -> Iterator[pa.Table]:
        columns = self._columns[table]
        types = {c: (t, m) for c, t, m in columns}
        picked = [c for c in types if request.columns is None or c in request.columns] or list(types)
        select = ", ".join(quoted(c) if types[c][0] in NATIVE else f"{quoted(c)}::text AS {quoted(c)}" for c in picked)
        schema, name = self._places[table]
        newer = ""
        if request.after and request.after[0] in types:
            newer = f"{quoted(request.after[0])} > {_literal(request.after[1])}::{_cast(types[request.after[0]][0])}"
        sql = f"SELECT {select} FROM {quoted(schema)}.{quoted(name)} AS t {condition(request, types, newer)}"
        try:
            with self._con.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
                cursor.execute(sql)
                for batch in cursor.fetch_record_batch():
                    if batch.num_rows:
                        yield _shaped(pa.Table.from_batches([batch]), types)
        except adbc_driver_manager.Error as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> SourceError:
        text = " ".join(str(error).split())[:300]
        where = f"[sources.{self.source}]"
        lower = text.lower()
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


def _duck_type(type_: str, modifier: int) -> str:
    if type_ == "numeric" and modifier >= 4:
        precision, scale = _precision(modifier)
        return f"DECIMAL({precision},{scale})" if precision <= 38 else "VARCHAR"
    return NATIVE.get(type_, "DOUBLE" if type_ == "numeric" else "VARCHAR")


def _precision(modifier: int) -> tuple[int, int]:
    """Digits and digits after the point of a numeric, packed by PostgreSQL as (p << 16 | s) + 4."""
    return (modifier - 4) >> 16, (modifier - 4) & 0x7FF


def _shaped(table: pa.Table, types: Mapping[str, tuple[str, int]]) -> pa.Table:
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if isinstance(field.type, pa.BaseExtensionType):
            column = column.cast(field.type.storage_type)
        if types[field.name][0] == "numeric":
            column = _decimal(column, types[field.name][1])
        table = table.set_column(index, pa.field(field.name, column.type), column)
    return table


def _decimal(column: pa.ChunkedArray, modifier: int) -> pa.ChunkedArray:
    """Numbers that came as text: DECIMAL of the declared or the needed scale; text when one is NaN or too long."""
    precision, scale = _precision(modifier) if modifier >= 4 else (38, _scale(column))
    if precision > 38 or scale > 38:
        return column
    try:
        return column.cast(pa.decimal128(precision if modifier >= 4 else 38, scale))
    except pa.ArrowInvalid:
        return column


def _scale(column: pa.ChunkedArray) -> int:
    """Digits after the point that a column of numbers as text needs."""
    point = pc.find_substring(column, ".")
    digits = pc.subtract(pc.subtract(pc.utf8_length(column), point), 1)
    longest = pc.max(pc.if_else(pc.greater(point, -1), digits, 0)).as_py()
    return int(longest or 0)
