"""A lake in a fresh folder, and short ways to fill a table and to look at it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from lake_shapes import Load, Rows

from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.types import Json, Snapshot, Stamp


@pytest.fixture(scope="session")
def engine() -> DuckDB:
    return DuckDB(threads=2)


@pytest.fixture
def lake(tmp_path: Path, engine: DuckDB) -> Lake:
    return Lake(tmp_path / "lake", engine)


@pytest.fixture
def load(lake: Lake) -> Load:
    """`load("orders", {"a": [1]}, "append", step="2")` stages and publishes one batch."""

    def run(table: str, data: dict[str, Json], mode: str = "replace", *, step: str, keys: tuple[str, ...] = (),
            **layout: Json) -> Snapshot:
        stage = lake.stage(table, Stamp("run", step))
        stage.add(pa.table(data))
        return lake.publish(stage, mode, keys, **layout)  # type: ignore[arg-type]

    return run


@pytest.fixture
def rows(lake: Lake, engine: DuckDB) -> Rows:
    """`rows("orders")`: its rows, sorted, now or at a version."""

    def run(table: str, version: int | None = None) -> list[tuple[Json, ...]]:
        return engine.rows("SELECT * FROM t ORDER BY ALL", {"t": lake.snapshot(table, version)})[1]

    return run
