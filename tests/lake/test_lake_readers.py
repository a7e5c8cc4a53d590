"""A vacuum leaves alone what somebody reads at this moment, in this process or another, and takes it the next time."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import Queue
from pathlib import Path

from lake_shapes import Load, Rows

from intendant.engines.duckdb import DuckDB
from intendant.engines.leases import reading, unread
from intendant.engines.readonly import current
from intendant.lake import Lake
from intendant.lake.room import freed_by, room_of
from intendant.types import Stamp


def held(root: Path, ready: Queue[str], go: Queue[str]) -> None:
    """Reads version 0 of `orders` in a process of its own: looks, waits, counts."""
    engine = DuckDB(threads=1)
    snapshot = Lake(root, engine).snapshot("orders", 0)
    with engine.session({"orders": snapshot}) as con:
        ready.put("reading")
        go.get(timeout=60)
        ready.put(str(con.execute("SELECT count(*) FROM orders").fetchall()[0][0]))


def test_a_running_query_keeps_the_files_of_its_version(lake: Lake, engine: DuckDB, load: Load) -> None:
    for n in range(5):
        load("orders", {"a": [n]}, "append", step=f"a{n}")
    old = lake.snapshot("orders")
    load("orders", {"a": [9]}, "replace", step="new")
    with engine.session({"orders": old}) as con:
        assert lake.vacuum("orders", 1, None) == 0
        assert [s.version for s in lake.history("orders")] == [5]
        assert con.execute("SELECT count(*) FROM orders").fetchall() == [(5,)]
    assert lake.vacuum("orders", None, None) == old.bytes
    assert room_of(lake, "orders").kept == 0


def test_a_reader_in_another_process_is_respected_until_it_dies(lake: Lake, load: Load) -> None:
    load("orders", {"a": [1, 2]}, step="old")
    load("orders", {"a": [3]}, step="new")
    spawn = multiprocessing.get_context("spawn")
    ready, go = spawn.Queue(), [spawn.Queue(), spawn.Queue()]  # one each: who is killed while it waits keeps a queue's lock
    readers = [spawn.Process(target=held, args=(lake.root, ready, mine)) for mine in go]
    for reader in readers:
        reader.start()
    assert [ready.get(timeout=120) for _ in readers] == ["reading"] * 2
    assert lake.vacuum("orders", 1, None) == 0
    readers[0].kill()
    readers[0].join()
    assert lake.vacuum("orders", 1, None) == 0
    go[1].put("count")
    assert ready.get(timeout=60) == "2"
    readers[1].join()
    assert lake.vacuum("orders", 1, None) > 0


def test_only_the_versions_that_are_read_stay(lake: Lake, engine: DuckDB, load: Load) -> None:
    for n in range(4):
        load("orders", {"a": [n]}, step=f"r{n}")
    said = freed_by(lake, "orders", 1)
    with engine.session({"orders": lake.snapshot("orders", 1)}):
        first = lake.vacuum("orders", 1, None)
    rest = lake.vacuum("orders", 1, None)
    assert first > 0 and rest > 0 and first + rest == said


def test_a_reader_of_very_many_folders_holds_them_all(lake: Lake, engine: DuckDB, load: Load, rows: Rows) -> None:
    for n in range(70):
        load("orders", {"a": [n]}, "append", step=f"a{n}")
    old = lake.snapshot("orders")
    load("orders", {"a": [1]}, step="new")
    with engine.session({"orders": old}) as con:
        assert lake.vacuum("orders", 1, None) == 0
        assert con.execute("SELECT count(*) FROM orders").fetchall() == [(70,)]
    assert lake.vacuum("orders", 1, None) == old.bytes
    assert rows("orders") == [(1,)]


def test_a_lease_holds_partitions_and_ends_with_its_block(tmp_path: Path) -> None:
    (inner := tmp_path / "v1" / "by_region=north").mkdir(parents=True)
    with reading([str(inner / "a.parquet"), str(tmp_path / "gone" / "b.parquet"), "s3://bucket/c.parquet"]):
        with unread(inner) as free:
            assert not free
        with unread(tmp_path / "v1") as free:
            assert free
    with unread(inner) as free:
        assert free


def test_a_compaction_and_a_vacuum_leave_the_rows(lake: Lake, load: Load, rows: Rows) -> None:
    for n in range(12):
        load("orders", {"a": [n]}, "append", step=f"a{n}")
    before = rows("orders")
    small = room_of(lake, "orders")
    lake.compact("orders", Stamp("r", "pack"))
    lake.vacuum("orders", 1, None)
    large = room_of(lake, "orders")
    assert rows("orders") == before
    assert (small.files, large.files, large.kept) == (12, 1, 0) and large.live < small.live


def test_sql_from_people_holds_what_it_reads_and_sees_the_newest_version(
    lake: Lake, engine: DuckDB, load: Load
) -> None:
    load("orders", {"a": [1]}, step="old")
    load("orders", {"a": [2]}, step="new")
    with current(lake, ["orders"], engine) as tables:
        load("orders", {"a": [3]}, step="newest")
        assert lake.vacuum("orders", 1, None) > 0  # version 0, which nobody reads
        assert Path(tables["orders"].files[0]).exists() and tables["orders"].version == 1
    assert lake.vacuum("orders", 1, None) > 0
    assert not Path(tables["orders"].files[0]).exists()
    with current(lake, ["orders"], engine) as tables:
        assert tables["orders"].version == 2
