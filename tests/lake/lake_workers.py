"""What other machines do with a lake on object storage, in processes that start fast: nothing of the tests is imported."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow as pa
from lake_shapes import impatient

from intendant.engines.duckdb import DuckDB
from intendant.errors import Conflict
from intendant.lake import Lake
from intendant.types import Json, Stamp

STEPS = 3


def opened(place: dict[str, Json], folder: Path, engine: DuckDB | None = None) -> Lake:
    """The lake as another machine sees it."""
    return Lake(folder / "lake", engine or DuckDB(threads=1), impatient(place, folder))


def upsert_many(place: dict[str, Json], folder: Path, writer: int) -> None:
    lake = opened(place, folder)
    for i in range(STEPS):
        stage = lake.stage("t", Stamp(f"writer {writer}", str(i)))
        stage.add(pa.table({"k": [0, 1, 100 + writer * 10 + i], "v": [writer * 1000 + i] * 3}))
        while True:
            try:
                lake.publish(stage, "upsert", ("k",))
                break
            except Conflict:
                continue


def upload_and_die(place: dict[str, Json], folder: Path) -> None:
    lake = opened(place, folder)
    stage = lake.stage("t", Stamp("run", "dying"))
    stage.add(pa.table({"k": [99]}))
    stage.save()
    lake.store.create = lambda key, content: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    lake.publish(stage, "append")
