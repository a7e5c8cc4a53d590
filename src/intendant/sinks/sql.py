"""Delivers rows into a table of SQLite or PostgreSQL in one transaction: all of them, or none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Literal

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from intendant.errors import SourceError, SourceRefused, SourceUnreachable, UsageError
from intendant.sinks.ledger import Ledger
from intendant.types import Json, Stamp

__all__ = ["Mode", "deliver"]

Mode = Literal["replace", "append", "upsert"]
STAGE = "intendant_stage"


def deliver(url: str, table: str, data: Iterable[pa.Table], mode: Mode, keys: Sequence[str] = (), *,
            root: Path = Path(), stamp: Stamp | None = None) -> int:
    """Writes all rows of `data` into `table` and returns how many; the batches share one schema.

    `url` is sqlite:///path (relative to `root`) or postgresql://...; in PostgreSQL `schema.table` names a schema.
    `replace` makes the table anew; `append` and `upsert` make it when it isn't there; `upsert` replaces the rows that
    have the same `keys`. Nested values are delivered as JSON text. Raises UsageError, SourceRefused (the database said
    no), SourceUnreachable.

    With a `stamp` the transaction notes the delivery in the table `intendant_deliveries` beside it; a delivery with a
    stamp that is noted already writes nothing and returns how many rows it wrote then.
    """
    if mode == "upsert" and not keys:
        raise UsageError("An upsert needs the columns that identify a row", where=table,
                         hint="Add `upsert on COLUMN`.")
    batches = iter(data)
    first = next(batches, None)
    if first is None or not first.num_columns:
        return 0
    missing = [key for key in keys if key not in first.column_names]
    if missing:
        raise UsageError(f"The rows have no column {missing[0]!r}", where=table,
                         hint=f"They have: {', '.join(first.column_names)}.")
    rows = chain([first], batches)
    if url.startswith("sqlite://"):
        return _to_sqlite(root / url.removeprefix("sqlite://").removeprefix("/"), table, first.schema, rows, mode, keys, stamp)
    if url.startswith(("postgresql://", "postgres://")):
        return _to_postgres(url, table, first.schema, rows, mode, keys, stamp)
    raise UsageError("A delivery needs a url of SQLite or PostgreSQL", where=table,
                     hint='Write "sqlite:///name.db" or "postgresql://user@host/db".')


def _to_sqlite(path: Path, table: str, schema: pa.Schema, rows: Iterator[pa.Table], mode: Mode,
               keys: Sequence[str], stamp: Stamp | None) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    columns = ", ".join(f"{_quoted(f.name)} {_sqlite_type(f.type)}" for f in schema)
    insert = f"VALUES ({', '.join('?' * len(schema))})"
    into = f"temp.{STAGE}" if mode == "upsert" else _quoted(table)
    ledger = Ledger(stamp, table, "?") if stamp else None
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                if ledger and (done := ledger.begin(con.cursor())) is not None:
                    con.execute("ROLLBACK")
                    return done
                if mode == "replace":
                    con.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")
                con.execute(f"CREATE TABLE IF NOT EXISTS {_quoted(table)} ({columns})")
                if mode == "upsert":
                    con.execute(f"CREATE TEMP TABLE {STAGE} ({columns})")
                names = ", ".join(_quoted(f.name) for f in schema)
                for batch in rows:
                    con.executemany(f"INSERT INTO {into} ({names}) {insert}", _tuples(batch))
                    written += batch.num_rows
                if mode == "upsert":
                    for statement in _merge(f"temp.{STAGE}", _quoted(table), schema, keys, "IS"):
                        con.execute(statement)
                    con.execute(f"DROP TABLE temp.{STAGE}")
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


def _to_postgres(url: str, table: str, schema: pa.Schema, rows: Iterator[pa.Table], mode: Mode,
                 keys: Sequence[str], stamp: Stamp | None) -> int:
    target = ".".join(_quoted(part) for part in table.split(".", 1))
    schema_of = f"{_quoted(table.split('.', 1)[0])}." if "." in table else ""
    ledger = Ledger(stamp, table, "$", schema_of) if stamp else None
    columns = ", ".join(f"{_quoted(f.name)} {_postgres_type(f.type)}" for f in schema)
    try:
        with adbc.connect(url, autocommit=False) as con, con.cursor() as cursor:
            if ledger and (done := ledger.begin(cursor)) is not None:
                return done
            if mode == "replace":
                cursor.execute(f"DROP TABLE IF EXISTS {target}")
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {target} ({columns})")
            shaped = (_flat(batch) for batch in rows)
            reader = pa.RecordBatchReader.from_batches(
                _flat(schema.empty_table()).schema, (b for t in shaped for b in t.to_batches()))
            written = int(cursor.adbc_ingest(STAGE, reader, mode="create", temporary=True))
            typed = ", ".join(f"CAST({_quoted(f.name)} AS {_postgres_type(f.type)})" for f in schema)
            statements = _merge(STAGE, target, schema, keys, "IS NOT DISTINCT FROM", typed)
            for statement in statements if mode == "upsert" else statements[1:]:
                cursor.execute(statement)
            cursor.execute(f"DROP TABLE pg_temp.{STAGE}")
            if ledger:
                ledger.end(cursor, written)
            con.commit()
    except adbc_driver_manager.Error as error:
        raise _refused(error, table) from None
    return written


def _refused(error: Exception, table: str) -> SourceError:
    text = " ".join(str(error).split())[:300]
    if "Failed to connect" in text and "FATAL" not in text:
        return SourceUnreachable(f"PostgreSQL is not reachable: {text}", where=table,
                                 hint="Check host and port, and that it runs.")
    return SourceRefused(f"PostgreSQL refused: {text}", where=table, hint="Nothing was written.")


def _merge(stage: str, target: str, schema: pa.Schema, keys: Sequence[str], same: str,
           values: str = "") -> tuple[str, ...]:
    """Delete what has the same keys, then insert: needs no unique index on the target."""
    on = " AND ".join(f"t.{_quoted(k)} {same} s.{_quoted(k)}" for k in keys)
    names = ", ".join(_quoted(f.name) for f in schema)
    return (f"DELETE FROM {target} AS t WHERE EXISTS (SELECT 1 FROM {stage} AS s WHERE {on})",
            f"INSERT INTO {target} ({names}) SELECT {values or names} FROM {stage}")


def _tuples(batch: pa.Table) -> Iterator[tuple[Json, ...]]:
    columns = [[_sqlite_value(v) for v in column.to_pylist()] for column in batch.columns]
    return zip(*columns, strict=True)


def _sqlite_value(value: Json) -> Json:
    if value is None or isinstance(value, str | bytes | float):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=str, ensure_ascii=False)


def _flat(batch: pa.Table) -> pa.Table:
    """Nested and null columns as text, decimals as text, which PostgreSQL casts by the column it goes to."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_nested(field.type):
            texts = [None if v is None else json.dumps(v, default=str, ensure_ascii=False)
                     for v in batch.column(index).to_pylist()]
            batch = batch.set_column(index, field.name, pa.array(texts, pa.string()))
        elif pa.types.is_null(field.type):
            batch = batch.set_column(index, field.name, pa.nulls(batch.num_rows, pa.string()))
        elif pa.types.is_unsigned_integer(field.type):
            batch = batch.set_column(index, field.name, batch.column(index).cast(pa.int64()))
    return batch


def _sqlite_type(type_: pa.DataType) -> str:
    if pa.types.is_boolean(type_):
        return "BOOLEAN"
    if pa.types.is_integer(type_):
        return "INTEGER"
    if pa.types.is_floating(type_):
        return "REAL"
    if pa.types.is_decimal(type_):
        return "NUMERIC"
    return "BLOB" if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) else "TEXT"


def _postgres_type(type_: pa.DataType) -> str:
    if pa.types.is_decimal(type_):
        return f"numeric({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamptz" if type_.tz else "timestamp"
    for check, name in ((pa.types.is_boolean, "boolean"), (pa.types.is_integer, "bigint"),
                        (pa.types.is_floating, "double precision"), (pa.types.is_date, "date"),
                        (pa.types.is_time, "time"), (pa.types.is_nested, "jsonb"), (pa.types.is_binary, "bytea"),
                        (pa.types.is_large_binary, "bytea")):
        if check(type_):
            return name
    return "text"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
