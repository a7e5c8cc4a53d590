"""Delivers rows into a PostgreSQL table through a stage that ADBC fills by COPY; a value that the target would bend is
refused, so that nothing changes on its way unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc

from intendant.engines.base import quoted
from intendant.errors import SourceError, SourceRefused, SourceUnreachable
from intendant.sinks.json_text import json_texts
from intendant.sinks.ledger import Ledger
from intendant.sinks.merge import Mode, merge
from intendant.types import Stamp

__all__ = ["to_postgres"]

STAGE = "intendant_stage"
TYPES = (
    (pa.types.is_boolean, "boolean"), (pa.types.is_int8, "smallint"), (pa.types.is_uint8, "smallint"),
    (pa.types.is_int16, "smallint"), (pa.types.is_uint16, "integer"), (pa.types.is_int32, "integer"),
    (pa.types.is_uint64, "numeric(20,0)"), (pa.types.is_integer, "bigint"), (pa.types.is_float32, "real"),
    (pa.types.is_float16, "real"), (pa.types.is_floating, "double precision"), (pa.types.is_date, "date"),
    (pa.types.is_time, "time without time zone"), (pa.types.is_duration, "interval"), (pa.types.is_interval, "interval"),
    (pa.types.is_binary, "bytea"), (pa.types.is_large_binary, "bytea"), (pa.types.is_nested, "jsonb"),
)
"""Names as PostgreSQL's `format_type` spells them, so that they can be compared with a table's own."""
COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory::text
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
TEXTUAL = ("text", "jsonb", "text[]")
WIDER = {"smallint": ("integer", "bigint"), "integer": ("bigint",), "real": ("double precision",)}
SIZE = re.compile(r"\(\d+(,\d+)?\)")
INFINITE = {"timestamp": 2**63 - 1, "date": 2**31 - 1}
"""The engine's infinity, in microseconds and in days; its negative is the other end."""
LATEST = {"timestamp": (2**63 - 1, "294247-01-10 04:00:54.775807"), "date": (2_145_042_541, "5874897-01-01")}
"""The moment that stands for infinity on its way: ADBC refuses to send infinity itself."""
EARLIEST = {"timestamp": -(2**63) + 946_684_800_000_000, "date": -(2**31) + 10_957}
"""What ADBC, which takes the 30 years between the epochs off, sends as PostgreSQL's -infinity."""


@dataclass(frozen=True)
class Place:
    """A column's way into the target: the type it is staged as, and the target's own with its category."""

    name: str
    ours: str
    theirs: str
    category: str = ""

    @property
    def column(self) -> str:
        """SQL for the staged value."""
        kind = self.ours.partition(" ")[0]
        if kind not in LATEST or self.ours.endswith("[]"):
            return quoted(self.name)
        return f"CASE WHEN {quoted(self.name)} = '{LATEST[kind][1]}' THEN 'infinity' ELSE {quoted(self.name)} END"

    @property
    def value(self) -> str:
        """SQL that gives the staged value to the target's column; where assignment does it, the plain column."""
        column = self.column
        if self.theirs == self.ours:
            return f"CAST({column} AS {self.theirs})" if self.ours == "jsonb" else column
        if self.ours.endswith("[]") and self.theirs in ("json", "jsonb"):
            return f"to_{self.theirs}({column})"
        if self.ours.endswith("[]") and self.theirs == "text":
            return f"to_json({column})::text"
        listed = self.ours == "text[]" and self.theirs.endswith("[]")
        if listed or (self.ours in ("text", "jsonb") and self.category != "S"):
            return f"CAST({column} AS {self.theirs})"
        return column

    @property
    def bent(self) -> str:
        """SQL that is true for a staged value which the target's type would change; "" when none can be."""
        column, theirs = f"({self.column})", self.theirs
        held = f"CAST({column} AS {theirs})"
        if theirs == self.ours or theirs == "real" or self.category not in ("N", "D"):
            return ""
        if self.ours != "text":
            return f"CAST({held} AS {self.ours}) IS DISTINCT FROM {column}"
        if self.category == "N" and theirs not in ("double precision", "money"):
            return f"CAST({held} AS numeric) IS DISTINCT FROM CAST({column} AS numeric)"
        if theirs.startswith("timestamp"):
            zoned = "with time zone" in theirs
            plain = f"CAST({column} AS {'timestamptz' if zoned else 'timestamp'})"
            zone = "" if zoned else f" OR {plain} IS DISTINCT FROM CAST({column} AS timestamptz) AT TIME ZONE 'UTC'"
            return f"({held} IS DISTINCT FROM {plain}{zone})"
        if theirs == "date":
            return f"CAST({held} AS timestamp) IS DISTINCT FROM CAST({column} AS timestamptz) AT TIME ZONE 'UTC'"
        return f"{column} ~* '(z|[+-][0-9:]+)$'" if theirs.startswith("time") and "without" in theirs else ""


def to_postgres(url: str, table: str, schema: pa.Schema, rows: Iterator[pa.Table], mode: Mode, keys: Sequence[str],
                stamp: Stamp | None) -> int:
    """See `sinks.sql.deliver`."""
    target = ".".join(quoted(part) for part in table.split(".", 1))
    schema_of = f"{quoted(table.split('.', 1)[0])}." if "." in table else ""
    ledger = Ledger(stamp, table, "$", schema_of) if stamp else None
    try:
        with adbc.connect(url, autocommit=False) as con, con.cursor() as cursor:
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            cursor.execute("SET LOCAL DateStyle = 'ISO'")
            if ledger and (done := ledger.begin(cursor)) is not None:
                return done
            places = _made(cursor, target, schema, mode)
            shaped = (_flat(batch) for batch in rows)
            reader = pa.RecordBatchReader.from_batches(
                _flat(schema.empty_table()).schema, (b for t in shaped for b in t.to_batches()))
            written = int(cursor.adbc_ingest(STAGE, reader, mode="create", temporary=True))
            _check(cursor, places, table)
            statements = merge(STAGE, target, schema.names, keys, "IS NOT DISTINCT FROM", ", ".join(p.value for p in places))
            for statement in statements if mode == "upsert" else statements[1:]:
                cursor.execute(statement)
            cursor.execute(f"DROP TABLE pg_temp.{STAGE}")
            if ledger:
                ledger.end(cursor, written)
            con.commit()
    except adbc_driver_manager.Error as error:
        raise _refused(error, table) from None
    return written


def _made(cursor: adbc.Cursor, target: str, schema: pa.Schema, mode: Mode) -> list[Place]:
    """The ways of all columns, with the target there, and empty when it is replaced."""
    ours = {field.name: _type(field.type) for field in schema}
    cursor.execute(COLUMNS, (target,))
    theirs = {str(name): (str(type_), str(category)) for name, type_, category in cursor.fetchall()}
    if mode == "replace" and not _fits(ours, theirs):
        cursor.execute(f"DROP TABLE IF EXISTS {target}")
        theirs = {}
    if not theirs:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {target} ({', '.join(f'{quoted(n)} {t}' for n, t in ours.items())})")
    elif mode == "replace":
        cursor.execute(f"DELETE FROM {target}")
    return [Place(name, type_, *theirs.get(name, (type_, ""))) for name, type_ in ours.items()]


def _fits(ours: Mapping[str, str], theirs: Mapping[str, tuple[str, str]]) -> bool:
    """Whether a table keeps its definition when its rows are replaced: it has the same columns, with the same types up to
    their sizes, with wider numbers, or with types that the lake has no word for and holds as text."""
    return ours.keys() == theirs.keys() and all(
        type_ in TEXTUAL or SIZE.sub("", theirs[name][0]) in (SIZE.sub("", type_), *WIDER.get(type_, ()))
        for name, type_ in ours.items())


def _check(cursor: adbc.Cursor, places: Sequence[Place], table: str) -> None:
    """Raises SourceRefused for a value that the target's column would change."""
    for place in places:
        if not place.bent:
            continue
        name = quoted(place.name)
        cursor.execute(f"SELECT {name}::text FROM {STAGE} WHERE {name} IS NOT NULL AND ({place.bent}) LIMIT 1")
        row = cursor.fetchone()
        if row is not None:
            raise SourceRefused(
                f"The column {place.name!r} is {place.theirs} there, which would change {str(row[0])[:60]!r}", where=table,
                hint="Nothing was written. Cast or round the column before it is delivered, or widen the target's column.")


def _refused(error: Exception, table: str) -> SourceError:
    text = " ".join(str(error).split())[:300]
    if "Failed to connect" in text and "FATAL" not in text:
        return SourceUnreachable(f"PostgreSQL is not reachable: {text}", where=table,
                                 hint="Check host and port, and that it runs.")
    if "UTF8\": 0x00" in text:
        return SourceRefused(f"PostgreSQL can't hold a text with a NUL character: {text}", where=table,
                             hint="Nothing was written. Take the NUL out with `replace`, or filter these rows.")
    return SourceRefused(f"PostgreSQL refused: {text}", where=table, hint="Nothing was written.")


def _flat(batch: pa.Table) -> pa.Table:
    """What ADBC has no COPY for as what PostgreSQL casts: structs and maps as JSON text, wide integers as decimals."""
    for index, field in enumerate(batch.schema):
        column = batch.column(index)
        if _type(field.type) == "jsonb":
            batch = batch.set_column(index, field.name, json_texts(column))
        elif pa.types.is_null(field.type):
            batch = batch.set_column(index, field.name, pa.nulls(batch.num_rows, pa.string()))
        elif pa.types.is_uint64(field.type):
            batch = batch.set_column(index, field.name, column.cast(pa.decimal128(20, 0)))
        elif pa.types.is_timestamp(field.type) or pa.types.is_date32(field.type):
            batch = batch.set_column(index, field.name, _finite(column))
    return batch


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The engine's infinite moments as ones that can be sent."""
    kind, type_ = ("date", pa.int32()) if pa.types.is_date32(column.type) else ("timestamp", pa.int64())
    if kind == "timestamp" and column.type.unit != "us":
        return column
    numbers, last = column.cast(type_), INFINITE[kind]
    ends = pc.min_max(numbers).as_py()
    if last not in (ends["max"], -(ends["min"] or 0)):
        return column
    high = pc.if_else(pc.equal(numbers, pa.scalar(last, type_)), pa.scalar(LATEST[kind][0], type_), numbers)
    return pc.if_else(pc.equal(high, pa.scalar(-last, type_)), pa.scalar(EARLIEST[kind], type_), high).cast(column.type)


def _type(type_: pa.DataType) -> str:
    if pa.types.is_decimal(type_):
        return f"numeric({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamp with time zone" if type_.tz else "timestamp without time zone"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        inner = "jsonb" if pa.types.is_null(type_.value_type) else _type(type_.value_type)
        return "jsonb" if inner == "jsonb" or inner.endswith("[]") else f"{inner.partition('(')[0]}[]"
    return next((name for check, name in TYPES if check(type_)), "text")


