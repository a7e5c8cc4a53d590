"""DuckDB, in process: each call gets its own catalogue inside one instance, so that threads share memory and cores
but never see each other's tables.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from intendant.engines.base import Tables, Worker, quoted
from intendant.engines.failures import translated
from intendant.engines.parquet import Footers, alike, read_files_sql, scan_sql
from intendant.types import SCHEMAS, Column, Json, Snapshot, split_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DuckDB"]

ARROW_ROWS = 65_536


class DuckDB:
    """An engine over the snapshots of a lake; made cheaply, starts at the first call.

    `memory_limit` as DuckDB writes it ("2GB"); larger work spills to `temp`.
    """

    def __init__(self, *, threads: int | None = None, memory_limit: str | None = None,
                 temp: Path | None = None) -> None:
        folder = temp or Path(tempfile.gettempdir()) / "intendant-duckdb"
        self._config = {
            "temp_directory": str(folder), "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false", "allow_community_extensions": "false",
            "python_enable_replacements": "false",
        }
        if threads:
            self._config["threads"] = str(threads)
        if memory_limit:
            self._config["memory_limit"] = memory_limit
        self._base: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._footers = Footers()
        self.worker: Worker | None = None
        """Who does the heavy work of `transform` and `query` instead, where the workspace has one."""

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection to a fresh, empty in-memory database of the caller's own; the caller closes it."""
        connection = duckdb.connect(":memory:", config=self._config)
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()
        with self._lock:
            if self._base:
                self._base.close()
            self._base = None
        self._footers.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._base is None:
                self._base = self.connect()
            return self._base.cursor()

    @contextmanager
    def session(self, tables: Tables | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose catalogue holds `tables` only; DuckDB's errors inside become ours."""
        cursor, name = self._cursor(), f"session_{next(self._numbers)}"
        try:
            with translated(tables or {}):
                cursor.execute(f"ATTACH ':memory:' AS {name}; USE {name}; SET TimeZone = 'UTC'")
                self.attach(cursor, tables or {})
                yield cursor
        finally:
            cursor.execute(f"USE memory; DETACH DATABASE IF EXISTS {name}")
            cursor.close()

    def scan(self, snapshot: Snapshot) -> str:
        """A SELECT over exactly the snapshot's files; missing columns are NULL, narrower ones are cast."""
        with translated({snapshot.table: snapshot}):
            return scan_sql(snapshot, self._footers.of(snapshot.files))

    def runs(self, snapshot: Snapshot) -> list[list[str]]:
        """The snapshot's files, in their order, as runs that agree on the types of their columns."""
        with translated({snapshot.table: snapshot}):
            return [files for files, _ in alike(snapshot.files, self._footers.of(snapshot.files))]

    def file_columns(self, snapshot: Snapshot, files: Sequence[str]) -> list[Column]:
        """The columns that files of a snapshot have themselves. Raises Damaged."""
        with translated({snapshot.table: snapshot}), self._cursor() as con:
            return described(con, f"SELECT * {read_files_sql(files)}")

    def attach(self, con: duckdb.DuckDBPyConnection, tables: Tables) -> None:
        """Makes a view `main."orders"`, `staging."orders"` ... for each of `tables`, in the current catalogue."""
        for schema in SCHEMAS:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table, snapshot in tables.items():
            schema, name = split_table(table)
            con.execute(f"CREATE OR REPLACE VIEW {schema}.{quoted(name)} AS {self.scan(snapshot)}")

    def rows(self, sql: str, tables: Tables, params: Sequence[Json] = ()) -> tuple[list[str], list[tuple[Json, ...]]]:
        """Column names and rows as Python values. Raises EngineError, Damaged, DiskFull."""
        with self.session(tables) as con:
            return fetched(con.execute(sql, list(params)))

    def arrow(self, sql: str, tables: Tables, params: Sequence[Json] = ()) -> Iterator[pa.RecordBatch]:
        """Arrow batches of up to 65,536 rows; close the iterator to end the query early."""
        with self.session(tables) as con:
            yield from con.execute(sql, list(params)).to_arrow_reader(ARROW_ROWS)

    def types(self, sql: str, tables: Tables) -> list[Column]:
        """The result's columns with their DuckDB types, without running it."""
        with self.session(tables) as con:
            return described(con, sql)


def described(con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Json] = ()) -> list[Column]:
    """The columns of a query on an open connection."""
    return [Column(row[0], row[1]) for row in con.execute(f"DESCRIBE {sql}", list(params)).fetchall()]


def fetched(result: duckdb.DuckDBPyConnection,
            limit: int | None = None) -> tuple[list[str], list[tuple[Json, ...]]]:
    """Names and rows (at most `limit`) of an executed query.

    Times with a zone come through Arrow, since DuckDB's own conversion needs a package that isn't installed.
    """
    description = result.description or []
    names = [column[0] for column in description]
    if any("TIME ZONE" in str(column[1]) for column in description):
        wide = [i for i, column in enumerate(description) if str(column[1]) in ("HUGEINT", "UHUGEINT")]
        return names, [_whole(row, wide) for row in _zoned(result, limit)]
    return names, result.fetchall() if limit is None else result.fetchmany(limit)


def _whole(row: tuple[Json, ...], wide: Sequence[int]) -> tuple[Json, ...]:
    """The row with its very wide whole numbers, which Arrow knows as decimals only, as such."""
    return tuple(int(v) if i in wide and v is not None else v for i, v in enumerate(row)) if wide else row


def _zoned(result: duckdb.DuckDBPyConnection, limit: int | None) -> list[tuple[Json, ...]]:
    rows: list[tuple[Json, ...]] = []
    for batch in result.to_arrow_reader(ARROW_ROWS):
        rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if limit is not None and len(rows) >= limit:
            return rows[:limit]
    return rows

