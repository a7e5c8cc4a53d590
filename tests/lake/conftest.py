"""A lake in a fresh folder or on object storage, and short ways to fill a table and to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from lake_shapes import SECRET, Load, Rows, impatient
from tests.servers.s3 import Storage, storage

from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.lake.remote import Remote
from intendant.types import Json, Snapshot, Stamp


@pytest.fixture(scope="session")
def engine() -> DuckDB:
    return DuckDB(threads=2)


@pytest.fixture(scope="session")
def s3() -> Iterator[Storage]:
    with storage() as started:
        yield started


@pytest.fixture
def place(s3: Storage) -> dict[str, Json]:
    """`[lake]` of a lake in a bucket of its own."""
    return {"url": f"s3://{s3.bucket()}/team/lake", "endpoint": s3.endpoint, "access_key": "an-access-key",
            "secret_key": SECRET, "cache_gb": 1.0}


@pytest.fixture
def store(tmp_path: Path, place: dict[str, Json]) -> Remote:
    return impatient(place, tmp_path)


@pytest.fixture
def lake(tmp_path: Path, engine: DuckDB, request: pytest.FixtureRequest) -> Iterator[Lake]:
    """In a folder; on object storage where a test asks for it by `@BOTH` or `@REMOTE`."""
    if getattr(request, "param", "local") == "local":
        yield Lake(tmp_path / "lake", engine)
        return
    before = list(engine.holders)
    yield Lake(tmp_path / "lake", engine, request.getfixturevalue("store"))
    engine.holders[:] = before


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
