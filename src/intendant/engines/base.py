"""What an engine does: run SQL over exact snapshots of tables, and write results straight into Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from intendant.types import Column, Json, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Engine", "Parts", "Reader", "Tables", "Worker", "Written", "quoted", "text"]

Tables = Mapping[str, Snapshot]
"""The tables a statement may name, each at one version."""


def quoted(name: str) -> str:
    """An SQL identifier that means exactly `name`."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """An SQL text literal that means exactly `value`."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Written:
    """A Parquet file that an engine wrote; `stats` is what Delta keeps about it (minValues, maxValues, nullCount)."""

    path: Path
    rows: int
    bytes: int
    columns: tuple[Column, ...]
    stats: Mapping[str, Json] = field(default_factory=dict)


class Engine(Protocol):
    """Every method may be called from any thread; each call has a session of its own."""

    def scan(self, snapshot: Snapshot) -> str:
        """SQL text that selects the snapshot's rows, with its columns in order and of its types."""
        ...

    def rows(self, sql: str, tables: Tables, params: Sequence[Json] = ()) -> tuple[list[str], list[tuple[Json, ...]]]:
        """Column names and rows. Raises EngineError, Damaged, DiskFull."""
        ...

    def arrow(self, sql: str, tables: Tables, params: Sequence[Json] = ()) -> Iterator[pa.RecordBatch]:
        """The same as Arrow batches, without holding all of it in memory."""
        ...

    def types(self, sql: str, tables: Tables) -> list[Column]:
        """The result's columns, without running it."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """Parquet files that a worker wrote, in the order of the rows, and the columns of each."""

    files: tuple[Path, ...]
    columns: tuple[Column, ...]


class Reader(Protocol):
    """Whoever answers a query in DuckDB's SQL: an engine or a worker."""

    def rows(self, sql: str, tables: Tables) -> tuple[list[str], list[tuple[Json, ...]]]:
        """Column names and rows. Raises EngineError, Damaged, DiskFull."""
        ...


class Worker(Reader, Protocol):
    """Does the heavy work of `transform` and `query` elsewhere than in this process; SQL is DuckDB's, and so are results."""

    checks_from: int
    """Of a table with at least so many rows it also counts what breaks declared rules."""

    def takes(self, sql: str, tables: Tables) -> bool:
        """Whether it can say the query in its own SQL; starts nothing. Raises EngineError where DuckDB refuses it too."""
        ...

    def parts(self, sql: str, tables: Tables, folder: Path, stored: Callable[[str], tuple[str, ...]]) -> Parts:
        """Writes the rows into `folder`, which it makes; `stored` gives the types that a column's type may be stored as,
        of which the first that holds the values counts."""
        ...

    def close(self) -> None: ...
