"""What is broken says so and how to mend it; a full disk leaves the old version; cleaning takes nothing needed."""

from __future__ import annotations

import json
import multiprocessing
import resource
from pathlib import Path

import pyarrow as pa
import pytest
from lake_shapes import BOTH, Load, Rows

from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged, DiskFull, LakeError, UnknownName
from intendant.lake import Lake
from intendant.types import Stamp

LOG = "_delta_log/{:020}.json"


@pytest.fixture
def table(lake: Lake, load: Load) -> Path:
    """`orders` with three versions of one more row each."""
    for i in range(3):
        load("orders", {"a": [i]}, "append", step=str(i))
    return lake.root / "main" / "orders"


@pytest.mark.parametrize("damage", ["missing", "truncated", "grown"])
def test_a_broken_data_file_is_named_with_the_way_back(damage: str, table: Path, lake: Lake, rows: Rows) -> None:
    file = Path(lake.snapshot("orders").files[-1])
    content = file.read_bytes()
    file.unlink() if damage == "missing" else file.write_bytes(content[:-9] if damage == "truncated" else content * 2)
    with pytest.raises(Damaged, match=r"Restore 'orders' to version 1\.") as error:
        lake.snapshot("orders")
    assert error.value.where == str(file)
    assert lake.restore("orders", 1, Stamp("r", "mend")).rows == 2
    assert rows("orders") == [(0,), (1,)]


def test_a_file_with_changed_bytes_is_named_when_it_is_read(table: Path, lake: Lake, engine: DuckDB) -> None:
    snapshot = lake.snapshot("orders")
    file = Path(snapshot.files[0])
    file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(Damaged) as error:
        DuckDB().rows("SELECT * FROM orders", {"orders": snapshot})
    assert error.value.where == str(file)


@pytest.mark.parametrize("damage", ["", "{", '{"add": {}}\n', "null\n", "half"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_broken_log_entry_is_never_passed_over(damage: str, version: int, table: Path, lake: Lake,
                                                 rows: Rows) -> None:
    entry = table / LOG.format(version)
    entry.write_text(entry.read_text()[:-30] if damage == "half" else damage)
    for reader in (lambda: lake.snapshot("orders"), lambda: lake.history("orders"),
                   lambda: Lake(lake.root).snapshot("orders")):
        with pytest.raises(Damaged, match=f"Restore 'orders' to version {version - 1}"):
            reader()
    assert lake.restore("orders", version - 1, Stamp("r", "mend")).version == version
    assert rows("orders") == [(i,) for i in range(version)]


def test_a_missing_log_entry_is_never_passed_over(table: Path, lake: Lake) -> None:
    (table / LOG.format(1)).unlink()
    with pytest.raises(Damaged, match="its file is missing"):
        lake.snapshot("orders")


def fill_disk(root: Path, answers: multiprocessing.Queue[str]) -> None:
    lake, engine = Lake(root), DuckDB(threads=1, temp=root / "tmp")
    lake.names()
    engine.rows("SELECT 1", {})
    stage = lake.stage("orders", Stamp("r", "big"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        stage.add_sql(engine, "SELECT random() AS a FROM range(1000000)", {})
    except DiskFull as error:
        answers.put(f"{error.code} {error.retry}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 200_000))
    try:
        lake.set_settings("orders", {"x": "y" * 100}, Stamp("r", "s"))
    except DiskFull as error:
        answers.put(error.code)
    try:
        lake.restore("orders", 0, Stamp("r", "t"))
    except DiskFull as error:
        answers.put(error.code)


def test_a_full_disk_leaves_the_table_at_its_old_version(table: Path, lake: Lake, load: Load, rows: Rows) -> None:
    answers: multiprocessing.Queue[str] = multiprocessing.get_context("spawn").Queue()
    child = multiprocessing.get_context("spawn").Process(target=fill_disk, args=(lake.root, answers))
    child.start()
    got = [answers.get(timeout=60) for _ in range(3)]
    child.join()
    assert got == ["disk_full True", "disk_full", "disk_full"]
    assert rows("orders") == [(0,), (1,), (2,)]
    assert lake.settings("orders") == {}
    assert load("orders", {"a": [3]}, "append", step="after").rows == 4


@BOTH
def test_a_vacuum_takes_only_what_no_kept_version_needs(table: Path, lake: Lake, load: Load, rows: Rows) -> None:
    load("orders", {"a": [7]}, "replace", step="new")
    lake.restore("orders", 1, Stamp("r", "back"))
    assert lake.vacuum("orders", None, None) == 0
    assert lake.vacuum("orders", 100, None) == 0
    assert lake.vacuum("orders", 1, 1.0) == 0
    assert lake.vacuum("orders", 2, None) > 0
    assert [s.version for s in lake.history("orders")] == [4, 3]
    assert (rows("orders"), rows("orders", 3)) == ([(0,), (1,)], [(7,)])
    with pytest.raises(LakeError, match="versions 3 to 4"):
        lake.snapshot("orders", 2)
    assert lake.vacuum("orders", 0, None) > 0
    assert rows("orders") == [(0,), (1,)]


@pytest.mark.parametrize(("ages", "oldest"), [((9, 8, 7), 2), ((9, 0, 0), 0), ((9, 9, 0), 1), ((0, 0, 9), 0), ((9, 0, 9), 0)])
def test_versions_of_so_many_days_stay_though_a_clock_was_wrong(
    ages: tuple[int, ...], oldest: int, table: Path, lake: Lake
) -> None:
    for version, days in enumerate(ages):
        entry = table / LOG.format(version)
        first, *more = entry.read_text().splitlines()
        said = json.loads(first)
        said["commitInfo"]["timestamp"] -= days * 86_400_000
        entry.write_text("\n".join([json.dumps(said), *more, ""]))
    lake.vacuum("orders", None, 1)
    assert [s.version for s in lake.history("orders")] == [2, 1, 0][:3 - oldest]


def test_orphans_of_dead_steps_are_collected_and_living_stages_kept(table: Path, lake: Lake, load: Load) -> None:
    (orphan := table / "v00000009-dead").mkdir()
    (orphan / "x.parquet").write_bytes(b"x" * 100)
    dead, alive = lake.stage("orders", Stamp("r", "dead")), lake.stage("orders", Stamp("r", "alive"))
    for stage in (dead, alive):
        stage.add(pa.table({"a": [9]}))
    size = lake.size()
    freed = lake.collect([Stamp("r", "alive")])
    assert freed > 100
    assert lake.size() == size - freed
    assert lake.publish(alive, "append").rows == 4


@BOTH
def test_an_interrupted_stage_of_the_same_step_starts_empty(lake: Lake) -> None:
    lake.stage("t", Stamp("r", "1")).add(pa.table({"a": [1]}))
    again = lake.stage("t", Stamp("r", "1"))
    again.add(pa.table({"a": [2]}))
    assert lake.publish(again, "replace").rows == 1


@BOTH
def test_a_dropped_table_comes_back_whole(table: Path, lake: Lake, load: Load, rows: Rows) -> None:
    lake.set_settings("orders", {"x": 1}, Stamp("r", "s"))
    lake.drop("ORDERS", Stamp("r", "drop"))
    lake.drop("orders", Stamp("r", "drop"))
    assert (lake.names(), [d.table for d in lake.dropped()]) == ([], ["orders"])
    with pytest.raises(UnknownName):
        lake.snapshot("orders")
    assert lake.undrop("orders", Stamp("r", "undrop")).rows == 3
    assert lake.undrop("orders", Stamp("r", "undrop")).rows == 3
    assert (lake.settings("orders"), len(lake.history("orders")), lake.dropped()) == ({"x": 1}, 3, [])
    lake.drop("orders", Stamp("r", "drop 2"))
    load("orders", {"a": [5]}, step="0")
    assert rows("orders") == [(5,)]
    with pytest.raises(LakeError, match="again"):
        lake.undrop("orders", Stamp("r", "other"))
    assert lake.empty_trash(1) == 0
    assert lake.empty_trash(0) > 0


def test_an_emptying_of_the_trash_that_breaks_off_offers_nothing_in_part_and_is_finished_later(
    table: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.drop("orders", Stamp("run", "drop"))
    bytes_ = lake.dropped()[0].bytes

    def killed(folder: Path, **_: object) -> None:
        next(folder.rglob("_dropped.json")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("shutil.rmtree", killed)
        lake.empty_trash(0)
    assert lake.dropped() == []
    with pytest.raises(UnknownName):
        lake.undrop("orders", Stamp("run", "undrop"))
    assert lake.size() > bytes_ // 2
    lake.empty_trash(0)
    assert not [f for f in (lake.root / "trash").rglob("*") if f.is_file()]


def test_compacting_changes_files_and_no_row(table: Path, lake: Lake, rows: Rows) -> None:
    before = rows("orders")
    compacted = lake.compact("orders", Stamp("r", "c"))
    assert (len(compacted.files), rows("orders"), compacted.operation) == (1, before, "compact")
    assert lake.compact("orders", Stamp("r", "c")) == compacted
    assert all('"dataChange": false' in line for line in (table / LOG.format(3)).read_text().splitlines()
               if {"add", "remove"} & set(json.loads(line)))


def test_broken_settings_are_named(table: Path, lake: Lake) -> None:
    lake.set_settings("orders", {"x": 1}, Stamp("r", "s"))
    (table / "_settings.json").write_text("{")
    with pytest.raises(Damaged, match="settings"):
        lake.settings("orders")


def test_making_a_lake_touches_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "none")
    assert (lake.names(), lake.size(), lake.exists("x"), lake.settings("x"), lake.dropped()) == ([], 0, False, {}, [])
    assert not (tmp_path / "none").exists()
