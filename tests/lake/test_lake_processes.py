"""Several processes on one lake, and a process that is killed: no row is lost, none is there twice."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import pyarrow as pa
from lake_shapes import Rows

from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.types import Stamp

SPAWN = multiprocessing.get_context("spawn")
STEPS = 12


def upsert_many(root: Path, writer: int) -> None:
    lake = Lake(root, DuckDB(threads=1))
    for i in range(STEPS):
        stage = lake.stage("t", Stamp(f"writer {writer}", str(i)))
        stage.add(pa.table({"k": [0, 1, 2, 100 + writer], "v": [writer * 1000 + i] * 4}))
        lake.publish(stage, "upsert", ("k",))


def append_all(root: Path) -> None:
    """A run that may be killed: doing all of its steps again finishes it."""
    lake = Lake(root, DuckDB(threads=1))
    for i in range(STEPS):
        stage = lake.stage("t", Stamp("run", str(i)))
        stage.add(pa.table({"k": [i] * 3}))
        lake.publish(stage, "append")


def test_processes_that_upsert_the_same_keys_leave_no_duplicate(lake: Lake, rows: Rows) -> None:
    writers = [SPAWN.Process(target=upsert_many, args=(lake.root, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0, 0, 0]
    assert [k for k, _ in rows("t")] == [0, 1, 2, 100, 101, 102]
    assert len(lake.history("t")) == 3 * STEPS
    assert len({v for k, v in rows("t") if k < 3}) == 1


def test_a_run_killed_anywhere_and_started_again_has_every_row_once(lake: Lake, rows: Rows) -> None:
    moments = random.Random(7)
    for _ in range(4):
        run = SPAWN.Process(target=append_all, args=(lake.root,))
        run.start()
        deadline = time.monotonic() + 30
        while not lake.exists("t") and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.08))
        run.kill()
        run.join()
        if lake.exists("t"):
            seen = rows("t")
            assert all(seen.count(row) == 3 for row in seen)
    last = SPAWN.Process(target=append_all, args=(lake.root,))
    last.start()
    last.join()
    assert rows("t") == sorted((i,) for i in range(STEPS) for _ in range(3))
    lake.collect([])
    assert rows("t") == sorted((i,) for i in range(STEPS) for _ in range(3))


def test_a_stage_whose_process_died_leaves_the_old_version(lake: Lake, rows: Rows) -> None:
    append_all(lake.root)
    run = SPAWN.Process(target=stage_and_die, args=(lake.root,))
    run.start()
    run.join()
    assert run.exitcode == -9
    assert lake.snapshot("t").rows == 3 * STEPS
    assert lake.collect([]) > 0


def stage_and_die(root: Path) -> None:
    import os
    import signal

    stage = Lake(root, DuckDB(threads=1)).stage("t", Stamp("run", "dying"))
    stage.add(pa.table({"k": [99]}))
    os.kill(os.getpid(), signal.SIGKILL)
