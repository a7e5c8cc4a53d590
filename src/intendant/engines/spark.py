"""Apache Spark for the work of `transform` and `query`: the same SQL over exactly the same files, with equal results.

DuckDB says the types, Spark computes and writes Parquet files, and the lake takes these as it takes its own.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from intendant.engines.base import Parts, Tables
from intendant.engines.failures import broken_file
from intendant.engines.leases import reading
from intendant.engines.spark_connect import bare
from intendant.engines.spark_session import Settings, acquire, current, lost, release
from intendant.engines.spark_sql import Typer, translated_sql
from intendant.engines.spark_types import as_literal, cast, spark_type, ticked
from intendant.errors import Damaged, DiskFull, EngineError, IntendantError
from intendant.types import Column, Json, Snapshot

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from intendant.engines.duckdb import DuckDB

__all__ = ["Spark"]

T = TypeVar("T")
WIDE = ("HUGEINT", "UHUGEINT", "UBIGINT")
TOO_WIDE = "intendant: too wide: "
"""How the message begins of a whole number that is not a BIGINT, in a column of which all values might have been."""
HINTS = {
    "CAST_INVALID_INPUT": "Cast with try_cast, or fix the values first.",
    "CAST_OVERFLOW": "Use a wider type, such as DOUBLE or DECIMAL(38,2).",
    "ARITHMETIC_OVERFLOW": "Use a wider type, such as DOUBLE or DECIMAL(38,2).",
    "NUMERIC_VALUE_OUT_OF_RANGE": "Use a wider type, such as DOUBLE or DECIMAL(38,2).",
    "USER_RAISED_EXCEPTION": "Cast with try_cast, or fix the values first.",
    "DATETIME_FIELD_OUT_OF_BOUNDS": "Cast with try_cast, or fix the values first.",
}
GONE = (
    "StatusCode.UNAVAILABLE", "failed to connect", "Connection refused", "Error while sending or receiving",
    "Answer from Java side is empty", "error occurred while trying to connect to the Java server", "Error while receiving",
    "SESSION_CLOSED", "SESSION_NOT_FOUND", "SESSION_CHANGED", "Cannot invoke RPC", "Socket closed", "stopped SparkContext",
    "Connection reset", "Broken pipe", "SparkContext was shut down", "has been shut down", "RETRIES_EXCEEDED",
)  # fmt: skip
"""How a session says that it has died: py4j's words, and those of Spark Connect."""
MEMORY = ("OutOfMemoryError", "SparkOutOfMemoryError", "GC overhead limit", "UNABLE_TO_ACQUIRE_MEMORY", "Unable to acquire")
EXECUTORS = ("ExecutorLostFailure", "executor lost", "MetadataFetchFailed", "Job aborted due to stage failure: ResultStage")
MORE_MEMORY = ('Raise `driver_memory` in [engine], or "spark.executor.memory" in its `options`, or make more and smaller '
               'parts with "spark.sql.shuffle.partitions". The tables are unchanged.')  # fmt: skip
RAN_DRY = ("No space left on device", "Disk quota exceeded")


class Spark:
    """A worker for the heavy queries; cheap to make, Spark itself starts at the first of them.

    `duckdb` types the queries and reads the footers. Every method may be called from any thread.
    """

    def __init__(self, duckdb: DuckDB, settings: Settings) -> None:
        self.duckdb, self.settings, self.checks_from = duckdb, settings, settings.checks_from
        self._acquired = False
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def close(self) -> None:
        with self._lock:
            if self._acquired:
                release()
            self._acquired = False

    def rows(self, sql: str, tables: Tables) -> tuple[list[str], list[tuple[Json, ...]]]:
        """Column names and rows of a query in DuckDB's SQL. Raises EngineError, Damaged, DiskFull."""

        def read(frame: DataFrame, columns: Sequence[Column]) -> list[tuple[Json, ...]]:
            found = frame.toArrow()
            cells = [column.to_pylist() for column in found.columns]
            return [tuple(row) for row in zip(*(whole(c, k) for c, k in zip(cells, columns, strict=True)), strict=True)]

        columns, rows = self.run(sql, tables, lambda kind: (kind,), read)
        return [c.name for c in columns], rows

    def parts(self, sql: str, tables: Tables, folder: Path, stored: Callable[[str], tuple[str, ...]]) -> Parts:
        """Writes a query's rows as Parquet files into `folder`, which it makes, in the order of the rows.

        `stored` gives the types that a column of a DuckDB type may be stored as; the first that holds the values counts.
        """

        def write(frame: DataFrame, columns: Sequence[Column]) -> list[Path]:
            shutil.rmtree(folder, ignore_errors=True)
            frame.write.mode("overwrite").option("compression", "zstd").parquet(f"file://{folder}")
            return sorted(folder.glob("part-*.parquet"))

        columns, files = self.run(sql, tables, stored, write)
        return Parts(tuple(files), tuple(columns))

    def run(
        self, sql: str, tables: Tables, stored: Callable[[str], tuple[str, ...]],
        use: Callable[[DataFrame, Sequence[Column]], T],
    ) -> tuple[list[Column], T]:  # fmt: skip
        """Sums of whole numbers are first tried as BIGINT; where that overflows, as DECIMAL(38,0)."""
        with self.duckdb.session() as con, reading(f for s in tables.values() for f in s.files):
            types = Typer(con, tables)
            typed = types.columns(sql)
            choices = {c.name: stored(c.type) for c in typed}
            wide = False
            while True:
                columns = [Column(c.name, choices[c.name][0]) for c in typed]
                with self.attached(tables) as (session, views):
                    inner = translated_sql(sql, types, views, wide=wide)
                    statement = shown(inner, typed, choices, wide)
                    try:
                        return columns, use(session.sql(statement), columns)
                    except IntendantError:
                        raise
                    except Exception as e:
                        again = narrowed(str(e), choices)
                        if not again and (wide or not overflowed(e)):
                            raise self.failed(e, session, tables) from e
                        wide = True

    def takes(self, sql: str, tables: Tables) -> bool:
        """Whether the query can be said for Spark. Raises EngineError where DuckDB refuses it."""
        with self.duckdb.session() as con:
            types = Typer(con, tables)
            types.columns(sql)
            try:
                return bool(translated_sql(sql, types, {table: table for table in tables}))
            except EngineError:
                return False

    def failed(self, error: Exception, session: SparkSession, tables: Tables) -> IntendantError:
        """The error in our words; a session that has died is forgotten, and the next query starts another."""
        said = failure(error, tables, self.settings)
        if said.facts.get("gone"):
            lost(session)
        return said

    @contextmanager
    def attached(self, tables: Tables) -> Iterator[tuple[SparkSession, dict[str, str]]]:
        """A view over exactly the files of each table, under names of this call's own."""
        with self._lock:
            session = current(self.settings) if self._acquired else acquire(self.settings)
            self._acquired = True
        views: dict[str, str] = {}
        held = ExitStack()
        try:
            held.enter_context(self.duckdb.holding(f for s in tables.values() for f in s.files))
            for table, snapshot in tables.items():
                views[table] = f"intendant_{os.getpid()}_{id(self)}_{next(self._numbers)}"
                try:
                    self.scan(session, snapshot).createOrReplaceTempView(views[table])
                except IntendantError:
                    raise
                except Exception as e:
                    raise self.failed(e, session, tables) from e
            yield session, views
        finally:
            for view in views.values():
                _dropped(session, view)
            held.close()

    def scan(self, session: SparkSession, snapshot: Snapshot) -> DataFrame:
        """Exactly the snapshot's files; missing columns are NULL, narrower ones are cast."""
        frames = [self.read(session, files, snapshot) for files in self.duckdb.runs(snapshot)]
        if not frames:
            fields = ", ".join(f"CAST(NULL AS {spark_type(c.type)}) AS {ticked(c.name)}" for c in snapshot.columns)
            return session.sql(f"SELECT {fields} WHERE FALSE")
        out = frames[0]
        for frame in frames[1:]:
            out = out.unionAll(frame)
        return out

    def read(self, session: SparkSession, files: Sequence[str], snapshot: Snapshot) -> DataFrame:
        """Files that agree on types, read by their own schema, so that Spark needn't look for one."""
        held = {c.name.casefold(): c for c in self.duckdb.file_columns(snapshot, files)}
        present = [held[c.name.casefold()] for c in snapshot.columns if c.name.casefold() in held]
        schema = ", ".join(f"{ticked(c.name)} {spark_type(c.type)}" for c in present)
        reader = session.read.option("recursiveFileLookup", "true")
        frame = reader.schema(schema or "nothing INT").parquet(*map(address, files))
        fields = []
        for column in snapshot.columns:
            has = held.get(column.name.casefold())
            value = cast(ticked(has.name), has.type, column.type) if has else f"CAST(NULL AS {spark_type(column.type)})"
            fields.append(f"{value} AS {ticked(column.name)}")
        return frame.selectExpr(*fields)


def address(file: str) -> str:
    """A file as Spark reads it: as it is, but not as a pattern."""
    return "file://" + re.sub(r"([\\{}\[\]*?,])", r"\\\1", str(Path(file).absolute()))


def shown(inner: str, typed: Sequence[Column], choices: Mapping[str, tuple[str, ...]], wide: bool) -> str:
    """The query with every column of the type that it is stored as."""
    fields = []
    for column in typed:
        target, name = choices[column.name][0], ticked(column.name)
        value = name if target == column.type else cast(name, column.type, target)
        value = f"CAST({value} AS {spark_type(target)})"
        if column.type in WIDE and target == "BIGINT":
            fits = f"{name} BETWEEN -9223372036854775807 AND 9223372036854775807"
            stop = f"RAISE_ERROR({as_literal(TOO_WIDE + column.name)})"
            value = f"CASE WHEN {name} IS NULL OR {fits} THEN {value} ELSE {stop} END" if wide else value
        fields.append(f"{value} AS {name}")
    names = ", ".join(ticked(c.name) for c in typed)
    return f"SELECT {', '.join(fields)} FROM ({inner}) AS intendant({names})"


def narrowed(message: str, choices: dict[str, tuple[str, ...]]) -> bool:
    """Whether a column was too wide for its stored type; the next one is then its choice."""
    for name, kinds in choices.items():
        if f"{TOO_WIDE}{name}" in message and len(kinds) > 1:
            choices[name] = kinds[1:]
            return True
    return False


def whole(cells: list[Any], column: Column) -> list[Any]:
    """Very wide whole numbers as such."""
    if column.type in WIDE:
        return [int(c) if isinstance(c, Decimal) else c for c in cells]
    return cells


def overflowed(error: Exception) -> bool:
    return any(sign in str(error) for sign in ("ARITHMETIC_OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE", "CAST_OVERFLOW"))


def failure(error: Exception, tables: Tables, settings: Settings) -> IntendantError:
    """Spark's error in our words: refused values, a full disk, a file that is damaged, a server that is gone."""
    text = str(error)
    kind = next((k for k in HINTS if k in text), "")
    first = said(text)
    if any(sign in text for sign in RAN_DRY):
        return DiskFull("No space is left on the disk", where=first,
                        hint="Free some space, then run it again; the tables are unchanged.")  # fmt: skip
    gone = any(sign in text for sign in GONE)
    if any(sign in text for sign in MEMORY) or (gone and not settings.url and ended_by(settings, MEMORY)):
        return EngineError("Spark ran out of memory", where=place_of(settings), hint=MORE_MEMORY, gone=gone)
    if gone and settings.url:
        return EngineError("the Spark Connect server does not answer any more", where=bare(settings.url),
                           hint="Look whether it runs, then run it again; the tables are unchanged.", gone=True)  # fmt: skip
    if gone:
        return EngineError("Spark's Java process has ended", where=place_of(settings),
                           hint="Its log may say why. Run it again; the tables are unchanged.", gone=True)  # fmt: skip
    if not kind and any(sign in text for sign in EXECUTORS):
        return EngineError(f"Spark lost its executors: {first}", where=place_of(settings),
                           hint=f"Look into their logs; {MORE_MEMORY[0].lower()}{MORE_MEMORY[1:]}", gone=True)  # fmt: skip
    broken = broken_file(tables, text) if not kind else None
    if broken:
        return Damaged(f"A data file of {broken[0]!r} is missing or broken", where=broken[1],
                       hint=f"See `intendant history {broken[0]}` and restore an earlier version.", table=broken[0])  # fmt: skip
    return EngineError(first, hint=HINTS.get(kind, 'If DuckDB can do it, set kind = "duckdb" in [engine].'), refused=bool(kind))


def place_of(settings: Settings) -> str:
    """Where to look."""
    return bare(settings.url) if settings.url else str(settings.log)


def ended_by(settings: Settings, signs: Sequence[str]) -> bool:
    """Whether the last lines of Spark's log have one of the signs."""
    try:
        with settings.log.open("rb") as log:
            log.seek(max(0, settings.log.stat().st_size - 65_536))
            tail = log.read().decode(errors="replace")
    except OSError:
        return False
    return any(sign in tail for sign in signs)


def said(text: str) -> str:
    """The message without Spark's error class, advice and trace."""
    start = text.find("[")
    head = text[start:] if 0 <= start < 400 and "]" in text else text
    head = head.partition("] ")[2] or head
    for end in (" SQLSTATE", " Use `try_", " To return NULL", " If necessary", " Correct the value", "\n"):
        head = head.partition(end)[0]
    return head.strip().rstrip(".")[:500] or "Spark refused the query"


def _dropped(session: SparkSession, view: str) -> None:
    try:
        session.catalog.dropTempView(view)
    except Exception:  # the session is gone, and its views with it
        return
