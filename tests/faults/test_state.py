"""A full disk and damaged files: loud, with the mend; tables stay readable; afterwards the run goes on or a new one does."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.harness import Zygote
from intendant.app import Intendant
from intendant.errors import Damaged, IntendantError
from intendant.types import Result

TOML = '[sources.drops]\nkind = "files"\npath = "drops/"\n'
LOAD = "ingest drops.lines into log"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace whose table `log` has 2 rows; the source has 30,000 by now."""
    home = tmp_path / "home"
    made(home)
    return home


def made(home: Path) -> None:
    Intendant.init(home).close()
    (home / "intendant.toml").write_text(TOML)
    (home / "drops").mkdir()
    lines = home / "drops" / "lines.csv"
    lines.write_text("n,text\n1,a\n2,b\n")
    with Intendant(home) as app:
        assert (r := app.do(LOAD)).status == "succeeded", r.error
    lines.write_text("n,text\n" + "".join(f"{i},{os.urandom(24).hex()}\n" for i in range(30_000)))


def loud(result: Result, *codes: str) -> None:
    assert result.status == "failed", result
    assert result.error is not None and result.error["code"] in codes, result.error
    assert result.error["message"] and result.error["where"] and result.error["hint"]


# ------------------------------------------------------------------ no space


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def filled(place: Path, leave: int) -> Path:
    """A file that takes all room of the disk but `leave` bytes."""
    ballast = place / "ballast"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    ballast.write_bytes(b"x" * max(0, free - leave))
    return ballast


@pytest.mark.parametrize("leave", [0, 40_000, 200_000, 400_000, 900_000, 1_800_000, 2_600_000])
def test_a_disk_that_fills_up_is_said_and_the_run_ends_well_once_there_is_room(small_disk: Path, leave: int) -> None:
    """With this much room it fills up in the journal, in the record of phases, in the stage or in the publish."""
    home = small_disk / "home"
    made(home)
    with Intendant(home) as app:
        ballast = filled(small_disk, leave)
        result = app.do(LOAD, wait=20)
        if result.status == "failed":
            loud(result, "disk_full")
            assert app.lake.snapshot("log").rows == 2
    ballast.unlink()
    with Intendant(home) as app:
        app.resume()
        assert all(r["status"] in ("succeeded", "failed") for r in app.runs())
        assert (r := app.do(LOAD)).status == "succeeded", r.error
        assert app.lake.snapshot("log").rows == 30_000
        for run in app.runs():
            kinds = [e.kind for e in app.journal.events(run["run_id"])]
            assert kinds.count("run.finished") == 1
        assert app.journal.verify()


def test_a_file_that_may_not_grow_stops_the_load_and_nothing_else(folder: Path) -> None:
    """RLIMIT_FSIZE, so that every write fails alike: of data, of the log, of SQLite."""
    program = (
        "import json, resource, signal, sys\n"
        "from intendant.app import Intendant\n"
        "app = Intendant(sys.argv[1]); app.catalog(); app.owner.acquire()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))\n"
        f"r = app.do({LOAD!r}, wait=20)\n"
        "print(json.dumps(r.as_dict(), default=str))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=100)
    assert '"status": "failed"' in done.stdout and '"disk_full"' in done.stdout, done.stdout + done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    with Intendant(folder) as app:
        app.resume()
        assert app.lake.snapshot("log").rows in (2, 30_000)
        assert (r := app.do(LOAD)).status == "succeeded", r.error
        assert app.lake.snapshot("log").rows == 30_000


# ------------------------------------------------------------------ damaged files


def cut(path: Path) -> None:
    """Takes the last half of a file away."""
    os.truncate(path, path.stat().st_size // 2)


def overwritten(path: Path) -> None:
    """Writes noise over the beginning of a file."""
    with path.open("r+b") as out:
        out.write(os.urandom(200))


def test_a_damaged_data_file_is_named_and_the_version_before_it_comes_back(folder: Path) -> None:
    with Intendant(folder) as app:
        assert (r := app.do(LOAD)).status == "succeeded", r.error
        cut(Path(app.lake.snapshot("log").files[0]))
        with pytest.raises(Damaged, match="missing or cut short") as caught:
            app.lake.snapshot("log")
        assert "version 0" in caught.value.hint
        assert app.lake.snapshot("log", 0).rows == 2
        loud(app.do("transform log derive m = n + 1"), "damaged")
        assert app.rollback("log", 0).status == "succeeded"
        assert app.lake.snapshot("log").rows == 2
        assert app.do("transform log derive m = n + 1").status == "succeeded"


def test_a_damaged_log_of_a_table_is_named_and_can_be_rolled_back(folder: Path) -> None:
    with Intendant(folder) as app:
        assert (r := app.do(LOAD)).status == "succeeded", r.error
        newest = sorted(app.workspace.lake.glob("main/log/_delta_log/*.json"))[-1]
        cut(newest)
        loud(app.do("transform log derive m = n + 1"), "damaged")
        assert app.lake.snapshot("log", 0).rows == 2
        result = app.rollback("log", 0)
        assert result.status == "succeeded", result
        assert app.lake.snapshot("log").rows == 2


@pytest.mark.parametrize("harm", [cut, overwritten])
def test_a_damaged_journal_is_said_and_the_tables_stay_readable(folder: Path, harm: Any) -> None:
    journal = folder / ".intendant" / "journal.sqlite"
    copy = folder / "journal.copy"
    with Intendant(folder) as app:
        app.journal.verify()
    for side in ("-wal", "-shm"):
        Path(f"{journal}{side}").unlink(missing_ok=True)
    shutil.copy(journal, copy)
    harm(journal)
    with Intendant(folder) as app:
        loud(app.do(LOAD, wait=20), "damaged")
        assert app.lake.snapshot("log").rows == 2
    for side in ("-wal", "-shm"):
        Path(f"{journal}{side}").unlink(missing_ok=True)
    shutil.copy(copy, journal)
    with Intendant(folder) as app:
        assert (r := app.do(LOAD)).status == "succeeded", r.error
        assert app.journal.verify()


def test_a_journal_in_which_a_fact_was_changed_is_told_apart(folder: Path) -> None:
    import sqlite3

    with sqlite3.connect(folder / ".intendant" / "journal.sqlite") as db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("UPDATE events SET data = '{}' WHERE seq = 2")
        db.execute("DROP TRIGGER no_update")
        db.execute("UPDATE events SET data = '{}' WHERE seq = 2")
    with Intendant(folder) as app, pytest.raises(Damaged, match="changed at fact 2"):
        app.journal.verify()


@pytest.mark.parametrize("harm", [cut, overwritten])
def test_a_damaged_file_of_runs_is_said_and_once_it_is_moved_away_the_run_ends(folder: Path, harm: Any) -> None:
    """What the run had published is not published again: the table knows the step."""
    with Zygote.start() as zygote:
        plan = f"{LOAD}\ntransform log derive m = n + 1"
        assert zygote.order(folder, do=plan, at="before:1.stage") == signal.SIGKILL
    runs = folder / ".intendant" / "runs.sqlite"
    for side in ("-wal", "-shm"):
        Path(f"{runs}{side}").unlink(missing_ok=True)
    harm(runs)
    with Intendant(folder) as app:
        assert app.lake.snapshot("log").rows == 30_000
        with pytest.raises(IntendantError) as caught:
            app.resume()
        assert caught.value.code == "damaged" and "Move it away" in caught.value.hint
        loud(app.do("query log top 1 by n"), "damaged")
        runs.rename(folder / "damaged")
        assert "the-run" in app.resume()
        assert [(s.version, s.step) for s in app.lake.history("log")] == [(2, "1"), (1, "0"), (0, "0")]
        assert app.result("the-run").status == "succeeded"
