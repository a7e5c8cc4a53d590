"""Which statements only pass rows on, and how much memory that takes.

DuckDB keeps the rows that wait to be written, in their order, as long as its limit lets it: a file ten times as large would
take ten times the memory. A statement that only passes rows on runs as fast with little.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import duckdb

from intendant.types import Json

__all__ = ["memory_of", "room_of"]

PASSING = frozenset((
    "PROJECTION", "FILTER", "UNION", "UNNEST", "STREAMING_LIMIT", "READ_CSV", "READ_CSV_AUTO", "READ_PARQUET", "PARQUET_SCAN",
    "READ_JSON", "READ_JSON_AUTO", "READ_NDJSON", "READ_NDJSON_AUTO", "DUMMY_SCAN", "EMPTY_RESULT", "COLUMN_DATA_SCAN",
))
"""Operators that hold no more than the rows at hand."""
LEAST, COLUMN = 80 << 20, 16 << 20
"""Bytes for each thread: at the least, and for each column; a group of 122,880 rows of a column takes 2 to 4 MB."""
WIDE = ("HUGEINT", "UHUGEINT")
UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def room_of(con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Json]) -> int | None:
    """Bytes that the statement needs; None for one that may need any, or no less than the engine has anyway."""
    plan = con.execute(f"EXPLAIN (FORMAT json) {sql}", list(params)).fetchall()[0][1]
    if not PASSING.issuperset(_operators(json.loads(plan))):
        return None
    columns = con.execute(f"DESCRIBE {sql}", list(params)).fetchall()
    if any(kind in WIDE for _, kind, *_ in columns):  # those are gathered before they are written
        return None
    threads = int(con.execute("SELECT current_setting('threads')").fetchall()[0][0])
    room = threads * max(LEAST, COLUMN * len(columns))
    return room if room < memory_of(con) else None


def memory_of(con: duckdb.DuckDBPyConnection) -> int:
    """The engine's limit of memory in bytes."""
    amount, unit = con.execute("SELECT current_setting('memory_limit')").fetchall()[0][0].split()
    return int(float(amount) * UNITS[unit])


def _operators(nodes: Sequence[Json]) -> Iterator[str]:
    for node in nodes:
        yield str(node["name"]).strip().upper()
        yield from _operators(node["children"])
