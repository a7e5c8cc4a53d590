"""What a source gives, into a stage: by statements that the engine runs alone, or batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from intendant.engines.duckdb import DuckDB
from intendant.errors import EngineError
from intendant.lake.stage import Stage
from intendant.types import Json

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fill", "taken"]

Tell = Callable[[str, Mapping[str, Json]], None]
"""Told of progress: ("rows", {"rows", "table"})."""


def taken(stage: Stage, statements: Sequence[tuple[str, Sequence[Json]]], engine: DuckDB, tell: Tell) -> bool:
    """Whether the statements (SELECTs with their parameters) gave the rows; the stage is empty when they didn't.

    Raises DiskFull.
    """
    try:
        for sql, params in statements:
            stage.add_sql(engine, sql, {}, params)
            tell("rows", {"rows": stage.rows, "table": stage.table})
    except EngineError:
        stage.discard()
        return False
    return bool(statements)


def fill(stage: Stage, batches: Iterator[pa.Table], tell: Tell) -> None:
    """Writes the batches, each while the next one is read. Raises DiskFull, and what reading raises."""
    rows = 0
    with ThreadPoolExecutor(1, "stage") as writer:
        written: Future[None] | None = None
        for batch in batches:
            if written is not None:
                written.result()
            written = writer.submit(stage.add, batch)
            rows += batch.num_rows
            tell("rows", {"rows": rows, "table": stage.table})
        if written is not None:
            written.result()
