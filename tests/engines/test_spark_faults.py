"""Spark dying or being starved: nothing is published, the error says what and the mend, and the next try works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.spark_bench import MISSING, asked_at_once, killed_while_writing, numbers_table

from intendant.app import Intendant
from intendant.engines import spark_session
from intendant.engines.spark import failure
from intendant.engines.spark_session import Settings
from intendant.errors import Damaged, DiskFull, EngineError

ROWS = 30_000
ENGINE = """[engine]
kind = "spark"
master = "local[2]"
driver_memory = "1g"
options = { "spark.sql.shuffle.partitions" = "2", "spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" }
"""
pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]
needs_spark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Intendant]:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(ENGINE, encoding="utf-8")
    with Intendant(tmp_path) as app:
        app.load(numbers_table(tmp_path, ROWS), "numbers")
        yield app


def java_process() -> int:
    from pyspark import SparkContext

    return int(SparkContext._gateway.proc.pid)


@needs_spark
def test_a_java_process_that_is_killed_in_a_step_publishes_nothing_and_the_next_try_works(shop: Intendant) -> None:
    before = shop.show("numbers")["version"]
    with killed_while_writing(shop.workspace.root, lambda: os.kill(java_process(), signal.SIGKILL)):
        failed = shop.do("transform numbers derive w = v * 2 sort by w descending", approve=True)
    assert failed.status == "failed"
    assert failed.error["message"] == "Spark's Java process has ended" and failed.error["where"].endswith("spark.log")
    assert "Run it again" in failed.error["hint"]
    assert shop.show("numbers")["version"] == before and "w" not in shop.show("numbers")["columns"]
    assert not list(shop.workspace.root.glob(".intendant/lake/**/*-work")), "nothing half written is left"
    again = shop.do("transform numbers derive w = v * 2 sort by w descending", approve=True)
    assert (again.status, again.error) == ("succeeded", None)
    assert shop.sql("SELECT count(*), sum(w) FROM numbers")["rows"] == [[ROWS, ROWS * (ROWS - 1)]]


@needs_spark
def test_steps_at_once_see_only_their_own_tables(shop: Intendant) -> None:
    asked_at_once(shop, ROWS)
    assert spark_session._Shared.users == 1


@needs_spark
def test_a_damaged_data_file_stops_the_step_and_is_named(shop: Intendant) -> None:
    snapshot, worker = shop.lake.snapshot("numbers"), shop.engine.worker
    file = Path(snapshot.files[0])
    kept = file.read_bytes()
    file.write_bytes(kept[:200] + bytes(len(kept) // 2) + kept[200 + len(kept) // 2 :])  # its footer is whole
    failed = shop.do("transform numbers derive w = v * 2 into doubled", approve=True)
    assert failed.status == "failed" and not shop.lake.exists("doubled")
    assert failed.error["code"] == Damaged.code and "'numbers'" in failed.error["message"]
    assert "intendant history numbers" in failed.error["hint"]
    for damage in (kept[: len(kept) // 2], b""):
        file.write_bytes(damage)
        with pytest.raises(Damaged) as e:
            worker.rows("SELECT max(v) AS m FROM main.numbers", {"numbers": snapshot})
        assert e.value.where == str(file)
    file.write_bytes(kept)
    assert shop.do("transform numbers derive w = v * 2 into doubled", approve=True).status == "succeeded"


STARVED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from intendant.app import Intendant
with Intendant(Path(sys.argv[1])) as app:
    for said in ("transform numbers group by g: list v as all into gathered", "transform numbers filter v < 10 into few"):
        done = app.do(said, approve=True)
        print(done.status, "|", (done.error or {}).get("message"), "|", (done.error or {}).get("hint"))
        if done.status == "failed":
            print(app.lake.exists("gathered"))
"""


@needs_spark
def test_a_step_that_needs_more_memory_than_there_is_says_so(tmp_path: Path) -> None:
    """In a process of its own, since memory is given to a JVM once."""
    Intendant.init(tmp_path).close()
    with Intendant(tmp_path) as app:
        app.load(numbers_table(tmp_path, 12_000_000, groups=1), "numbers")
    (tmp_path / "intendant.toml").write_text(ENGINE.replace('"1g"', '"480m"'), encoding="utf-8")
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "-c", STARVED, str(tmp_path), root], capture_output=True, text=True, timeout=560, check=False
    )
    lines = ran.stdout.strip().splitlines()
    assert len(lines) == 3, ran.stdout + ran.stderr
    assert lines[0].startswith("failed | Spark ran out of memory | Raise `driver_memory` in [engine]"), ran.stdout
    assert lines[1] == "False" and lines[2].startswith("succeeded"), ran.stdout


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("java.io.IOException: No space left on device", "No space is left on the disk", "Free some space"),
        ("java.lang.OutOfMemoryError: Java heap space", "Spark ran out of memory", "driver_memory"),
        (
            "[UNABLE_TO_ACQUIRE_MEMORY] Unable to acquire 65536 bytes of memory",
            "Spark ran out of memory",
            "executor.memory",
        ),
        ("Answer from Java side is empty", "Spark's Java process has ended", "Run it again"),
        ("Job aborted: ExecutorLostFailure (executor 1 exited)", "Spark lost its executors", "Raise `driver_memory`"),
    ],
)
def test_what_spark_says_becomes_what_and_the_mend(tmp_path: Path, said: str, message: str, hint: str) -> None:
    error = failure(RuntimeError(said), {}, Settings(folder=tmp_path))
    assert error.message.startswith(message) and hint.lower() in error.hint.lower()
    assert isinstance(error, DiskFull if "space" in said and "heap" not in said else EngineError)


def test_a_log_that_ends_with_a_lack_of_memory_explains_why_java_has_ended(tmp_path: Path) -> None:
    (tmp_path / "spark.log").write_text(
        "x" * 200_000 + "\njava.lang.OutOfMemoryError: Java heap space\n", encoding="utf-8"
    )
    error = failure(RuntimeError("Answer from Java side is empty"), {}, Settings(folder=tmp_path))
    assert error.message == "Spark ran out of memory" and error.where == str(tmp_path / "spark.log")


@needs_spark
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk is mounted, which root may")
def test_a_full_disk_for_what_spark_spills_fails_the_step_and_the_next_try_works(tmp_path: Path) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(ENGINE, encoding="utf-8")
    small = tmp_path / ".intendant" / "spark"
    small.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting isn't allowed here")
    try:
        with Intendant(tmp_path) as app:
            app.load(numbers_table(tmp_path, 1_000_000), "numbers")
            failed = app.do("transform numbers derive w = v * 2 sort by w descending into turned", approve=True)
            assert failed.status == "failed" and failed.error["code"] == "disk_full", failed.error
            assert "Free some space" in failed.error["hint"] and not app.lake.exists("turned")
            subprocess.run(["mount", "-o", "remount,size=300m", str(small)], check=True)
            again = app.do("transform numbers derive w = v * 2 sort by w descending into turned", approve=True)
            assert (again.status, again.error) == ("succeeded", None)
            assert app.show("turned")["rows"] == 1_000_000
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
