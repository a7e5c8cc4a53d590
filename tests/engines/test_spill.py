"""Work larger than the memory limit finishes with the same rows, in temporary files that nobody else sees and nothing leaves."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from intendant.engines.duckdb import DuckDB
from intendant.engines.spill import Spill
from intendant.engines.streaming import memory_of, room_of
from intendant.errors import DiskFull, EngineError, WorkspaceError
from intendant.lake import Lake
from intendant.types import Column, Snapshot, Stamp

ROWS, MANY = 1_000_000, 1_500_000
SPILLING = (f"CREATE TEMP TABLE t AS SELECT i AS k, md5((i + {{}})::VARCHAR) || md5(i::VARCHAR) AS v FROM range({ROWS}) t(i)")
WORK = {
    "join": "SELECT a.k, a.v FROM big a JOIN big b ON a.v = b.v AND a.k <= b.k",
    "sort": "SELECT k, v FROM big ORDER BY v DESC",
}


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    path = tmp_path_factory.mktemp("big") / "big.parquet"
    engine = DuckDB()
    with engine.connect() as con:
        con.execute(f"COPY (SELECT i AS k, md5(i::VARCHAR) AS v FROM range({MANY}) t(i)) TO '{path}'"
                    " (FORMAT parquet, ROW_GROUP_SIZE 20480)")
    engine.close()
    return Snapshot("big", 1, "", MANY, 0, (Column("k", "BIGINT"), Column("v", "VARCHAR")), (str(path),))


def left_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("kind", WORK)
def test_work_larger_than_the_limit_gives_the_same_rows_as_without(kind: str, big: Snapshot, tmp_path: Path) -> None:
    small, large = DuckDB(threads=2, memory_limit="80MB", temp=tmp_path / "spill"), DuckDB(threads=2)
    spilled: list[int] = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            with suppress(FileNotFoundError):
                spilled.append(sum(p.stat().st_size for p in (tmp_path / "spill").rglob("*.tmp")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stage = Lake(tmp_path / "lake", small).stage("found", Stamp("run", "1"))
        stage.add_sql(small, WORK[kind], {"big": big})
    finally:
        over.set()
        watcher.join()
    tables = {"big": big, "found": replace(stage.snapshot(), table="found")}
    assert max(spilled) > 10_000_000
    whole = "SELECT count(*), sum(hash(COLUMNS(*)) % 1000003) FROM"
    assert large.rows(f"{whole} found", tables)[1] == large.rows(f"{whole} ({WORK[kind]})", tables)[1]
    if kind == "sort":
        assert large.rows("SELECT bool_and(v <= before) FROM (SELECT v, lag(v) OVER () AS before FROM found)", tables)[1] == [(True,)]
    small.close()
    large.close()
    assert left_in(tmp_path / "spill") == []


def test_engines_that_spill_to_one_place_at_once_keep_their_rows_apart(tmp_path: Path) -> None:
    engines = [DuckDB(threads=1, memory_limit="60MB", temp=tmp_path) for _ in range(2)]
    wrong: list[object] = []

    def spill(number: int) -> None:
        with engines[number].session() as con:
            con.execute(SPILLING.format(number))
            wrong.extend(con.execute(f"SELECT k FROM t WHERE v <> md5((k + {number})::VARCHAR) || md5(k::VARCHAR)").fetchall())
            wrong.extend(() if con.execute("SELECT count(*) FROM t").fetchall() == [(ROWS,)] else ["rows are lost"])

    threads = [threading.Thread(target=spill, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    for engine in engines:
        engine.close()
    assert left_in(tmp_path) == []


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Path]:
    """A spill folder whose owner was killed in the middle of its work."""
    code = ("from pathlib import Path; from intendant.engines.duckdb import DuckDB\n"
            f"with DuckDB(threads=1, memory_limit='60MB', temp=Path({str(tmp_path)!r})).session() as con:\n"
            f"    con.execute({SPILLING.format(0)!r}); print('spilled', flush=True); input()")
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "spilled\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    yield tmp_path


def test_what_a_killed_process_has_spilled_is_removed_by_the_next_one(killed: Path) -> None:
    before = left_in(killed)
    assert sum(p.stat().st_size for p in before) > 10_000_000
    engine = DuckDB(temp=killed)
    assert engine.rows("SELECT 1", {})[1] == [(1,)]
    assert not any(p.exists() for p in before)
    engine.close()
    assert left_in(killed) == []


def test_a_folder_in_use_is_never_swept(tmp_path: Path) -> None:
    first, second = Spill(tmp_path), Spill(tmp_path)
    mine = first.folder()
    mine.mkdir()
    (mine / "x.tmp").write_text("rows")
    assert second.folder().parent != mine.parent
    assert (mine / "x.tmp").read_text() == "rows"
    first.close()
    second.close()
    assert left_in(tmp_path) == []


def test_an_owner_that_nobody_closed_leaves_no_files_and_no_handles(tmp_path: Path) -> None:
    handles = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (the folder changes while it is read)
    for _ in range(5):
        Spill(tmp_path).folder()
    gc.collect()
    assert left_in(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) <= handles  # noqa: PTH208


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_where_nothing_may_be_written_stops_no_small_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    engine = DuckDB(temp=tmp_path / "spill")
    assert engine.rows("SELECT 1", {})[1] == [(1,)]
    engine.close()


def test_a_disk_that_is_full_of_temporary_files_says_so_and_is_freed(tmp_path: Path) -> None:
    engine = DuckDB(threads=1, memory_limit="60MB", temp=tmp_path / "spill")
    with pytest.raises(DiskFull) as error, engine.session() as con:
        con.execute("SET max_temp_directory_size = '2MB'")
        con.execute("SELECT * FROM (SELECT random() AS r, repeat('x', 200) FROM range(1000000)) ORDER BY r").fetchall()
    assert "Free some space" in error.value.hint
    engine.close()
    assert left_in(tmp_path / "spill") == []


@pytest.mark.parametrize("limit", ["lots", "2", "-1GB", "50%", "0GB", "GB", "1GB; DROP TABLE x"])
def test_a_limit_that_is_no_amount_of_memory_is_named(limit: str) -> None:
    with pytest.raises(WorkspaceError, match="memory_limit is not an amount of memory") as error:
        DuckDB(memory_limit=limit)
    assert error.value.where == "[engine]" and '"2GB"' in error.value.hint


def test_without_a_limit_part_of_the_memory_is_left_to_others() -> None:
    limited, free = DuckDB(memory_limit="300MB"), DuckDB()
    with limited.session() as con:
        assert memory_of(con) == pytest.approx(300_000_000, rel=0.01)
    with free.session() as con:
        import duckdb

        with duckdb.connect() as plain:
            assert memory_of(con) == pytest.approx(memory_of(plain) * 0.75, rel=0.02)
    limited.close()
    free.close()


@pytest.mark.parametrize(("sql", "passes"), [
    ("SELECT k, v || 'x' AS w FROM big WHERE k > 10", True),
    ("SELECT * FROM big UNION ALL SELECT * FROM big", True),
    ("SELECT * FROM big ORDER BY v", False),
    ("SELECT v, count(*) AS n FROM big GROUP BY v", False),
    ("SELECT DISTINCT v FROM big", False),
    ("SELECT a.k FROM big a JOIN big b ON a.k = b.k", False),
    ("SELECT k::HUGEINT AS h FROM big", False),
])
def test_only_what_passes_rows_on_gets_little_memory(sql: str, passes: bool, big: Snapshot) -> None:
    engine = DuckDB(threads=2, memory_limit="4GB")
    with engine.session({"big": big}) as con:
        assert room_of(con, sql, ()) == (160 << 20 if passes else None)
    engine.close()


def test_rows_too_large_for_little_memory_get_all_of_it() -> None:
    engine, limits = DuckDB(threads=1, memory_limit="2GB"), []

    def work(con: object) -> int:
        limits.append(memory_of(con))  # type: ignore[arg-type]
        sql = "SELECT sum(length(x)) FROM (SELECT repeat('x', 40000000) || i AS x FROM range(8) t(i) ORDER BY i)"
        return int(con.execute(sql).fetchall()[0][0])  # type: ignore[attr-defined]

    assert engine.writing(work, "SELECT 1 AS passes", {}) == 8 * 40_000_001
    assert limits[-1] > 1_000_000_000
    engine.close()


def test_another_error_of_such_a_statement_is_raised_as_it_is() -> None:
    engine = DuckDB()
    with pytest.raises(EngineError, match="Could not convert"):
        engine.writing(lambda con: con.execute("SELECT 'x'::INTEGER").fetchall(), "SELECT 1 AS a", {})
    engine.close()
