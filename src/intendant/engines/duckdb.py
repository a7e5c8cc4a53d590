"""DuckDB, in process: each call gets its own catalogue inside one instance, so that threads share memory and cores
but never see each other's tables.
"""

from __future__ import annotations

import itertools
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import duckdb

from intendant.engines.base import Tables, Worker, quoted
from intendant.engines.failures import translated
from intendant.engines.leases import reading
from intendant.engines.parquet import Footers, alike, read_files_sql, scan_sql
from intendant.engines.spill import Spill
from intendant.engines.streaming import memory_of, room_of
from intendant.errors import EngineError, WorkspaceError
from intendant.types import SCHEMAS, Column, Json, Snapshot, split_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DuckDB"]

ARROW_ROWS = 65_536
ALONE = 0
T = TypeVar("T")
SHARE, OWN_SHARE = 0.6, 0.8
"""Of the machine's memory (the container's, where it has a limit): what an engine may hold, and what DuckDB would take by
itself. The rest is for rows on their way as Arrow, the planner and the other programs of the machine."""
LIMIT = re.compile(r"\s*\d+(\.\d+)?\s*[KMGT]i?B\s*", re.IGNORECASE)
Holder: TypeAlias = Callable[[Sequence[str]], AbstractContextManager[None]]


class DuckDB:
    """An engine over the snapshots of a lake; made cheaply, starts at the first call.

    `memory_limit` as DuckDB writes it ("2GB"), SHARE of the machine's when it is None; larger work spills to a folder of its
    own in `temp`. Raises WorkspaceError for a limit that is none.
    """

    def __init__(self, *, threads: int | None = None, memory_limit: str | None = None,
                 temp: Path | None = None) -> None:
        self._spill = Spill(temp or Path(tempfile.gettempdir()) / "intendant-duckdb")
        self._config = {
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "allow_community_extensions": "false",
            "python_enable_replacements": "false",
        }
        if threads:
            self._config["threads"] = str(threads)
        if memory_limit:
            self._config["memory_limit"] = checked_limit(memory_limit)
        self._small: duckdb.DuckDBPyConnection | None = None
        self._alone: duckdb.DuckDBPyConnection | None = None
        self._base: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._footers = Footers()
        self.worker: Worker | None = None
        """Who does the heavy work of `transform` and `query` instead, where the workspace has one."""
        self.holders: list[Holder] = []
        """Each has files that lie elsewhere on this machine as long as it is open."""
        self._open = Open()

    def connect(self, *settings: str) -> duckdb.DuckDBPyConnection:
        """A connection to a fresh, empty in-memory database of the caller's own; the caller closes it."""
        connection = duckdb.connect(":memory:", config={**self._config, "temp_directory": str(self._spill.folder())})
        connection.execute("SET TimeZone = 'UTC'")
        if "memory_limit" not in self._config:
            connection.execute(f"SET memory_limit = '{shared_limit(connection)}'")
        for setting in settings:
            connection.execute(setting)
        return connection

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()
        with self._lock:
            for base in (self._base, self._small, self._alone):
                if base:
                    base.close()
            self._base = self._small = self._alone = None
            self._spill.close()
        self._footers.close()

    def _cursor(self, room: int | None = None) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if room == ALONE:
                self._alone = self._alone or self.connect("SET threads = 1")
                return self._alone.cursor()
            if room is not None:
                self._small = self._small or self.connect(f"SET memory_limit = '{room >> 10}KiB'")
                if memory_of(self._small) < room:
                    self._small.execute(f"SET memory_limit = '{room >> 10}KiB'")
                return self._small.cursor()
            if self._base is None:
                self._base = self.connect()
            return self._base.cursor()

    def writing(self, work: Callable[[duckdb.DuckDBPyConnection], T], sql: str, tables: Tables,
                params: Sequence[Json] = ()) -> T:
        """What `work` gives, on a session in which it writes the query's rows to files; it may have to be done twice.

        A query that only passes rows on gets a small engine, so that memory doesn't grow with the rows. One that the memory
        limit is too small for is done again by one thread, which needs less at a time.
        """
        with self.session(tables) as con:
            room = room_of(con, sql, params)
        return self._within((room, None, ALONE) if room is not None else (None, ALONE), work, tables)

    def _within(self, rooms: Sequence[int | None], work: Callable[[duckdb.DuckDBPyConnection], T], tables: Tables) -> T:
        """What the work gives in the first room that it fits in."""
        for room in rooms[:-1]:
            try:
                with self.session(tables, room) as con:
                    return work(con)
            except EngineError as error:
                if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
                    raise
        with self.session(tables, rooms[-1]) as con:
            return work(con)

    @contextmanager
    def session(self, tables: Tables | None = None, room: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose catalogue holds `tables` only; DuckDB's errors inside become ours.

        `room`: bytes of memory that are enough for what it is used for; ALONE: one thread has all of the memory.
        """
        cursor, name = self._cursor(room), f"session_{next(self._numbers)}"
        try:
            files = [f for s in (tables or {}).values() for f in s.files]
            with self.holding(files), translated(tables or {}), reading(files):
                cursor.execute(f"ATTACH ':memory:' AS {name}; USE {name}; SET TimeZone = 'UTC'")
                self.attach(cursor, tables or {})
                yield cursor
        finally:
            cursor.execute(f"USE memory; DETACH DATABASE IF EXISTS {name}")
            cursor.close()

    @contextmanager
    def holding(self, files: Iterable[str]) -> Iterator[None]:
        """Has the files on this machine, and those that this thread scans meanwhile, as long as it is open."""
        if not self.holders:
            yield
            return
        with ExitStack() as stack:
            held = Held(stack, set())
            self._open.held.append(held)
            try:
                self._hold(files)
                yield
            finally:
                self._open.held = [h for h in self._open.held if h is not held]

    def _hold(self, files: Iterable[str]) -> None:
        """Has the files here until the innermost `holding` of this thread ends; without one, for a moment."""
        if not self.holders:
            return
        new = [f for f in files if not any(f in h.files for h in self._open.held)]
        for holder in self.holders if new else ():
            if self._open.held:
                self._open.held[-1].stack.enter_context(holder(new))
                self._open.held[-1].files.update(new)
            else:
                with holder(new):
                    pass

    def scan(self, snapshot: Snapshot) -> str:
        """A SELECT over exactly the snapshot's files; missing columns are NULL, narrower ones are cast."""
        self._hold(snapshot.files)
        with translated({snapshot.table: snapshot}):
            return scan_sql(snapshot, self._footers.of(snapshot.files))

    def runs(self, snapshot: Snapshot) -> list[list[str]]:
        """The snapshot's files, in their order, as runs that agree on the types of their columns."""
        self._hold(snapshot.files)
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
        return self._within((None, ALONE), lambda con: fetched(con.execute(sql, list(params))), tables)

    def arrow(self, sql: str, tables: Tables, params: Sequence[Json] = ()) -> Iterator[pa.RecordBatch]:
        """Arrow batches of up to 65,536 rows; close the iterator to end the query early."""
        with self.session(tables) as con:
            yield from con.execute(sql, list(params)).to_arrow_reader(ARROW_ROWS)

    def types(self, sql: str, tables: Tables) -> list[Column]:
        """The result's columns with their DuckDB types, without running it."""
        with self.session(tables) as con:
            return described(con, sql)


class Held(NamedTuple):
    """Files that are held until the stack is closed."""

    stack: ExitStack
    files: set[str]


class Open(threading.local):
    """What each thread holds."""

    def __init__(self) -> None:
        self.held: list[Held] = []


def checked_limit(limit: str) -> str:
    """The limit of memory. Raises WorkspaceError when it isn't one."""
    if not LIMIT.fullmatch(limit) or not re.search(r"[1-9]", limit):
        raise WorkspaceError(f"memory_limit is not an amount of memory: {limit!r}", where="[engine]",
                             hint='Write a number and a unit, such as memory_limit = "2GB".')
    return limit


def shared_limit(con: duckdb.DuckDBPyConnection) -> str:
    """SHARE of the memory that the engine sees."""
    return f"{int(memory_of(con) * SHARE / OWN_SHARE) >> 10}KiB"


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

