"""Several processes on one workspace: one executes, the others queue and take over; no step runs twice, no run is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intendant.app import Intendant

SLOW = """
import sys
from intendant.app import Intendant
app = Intendant(sys.argv[1])
for text in sys.argv[2:]:
    print(app.do(text).status, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with the one-row table `log`, to which every run adds one."""
    (tmp_path / "one.csv").write_text("n\n1\n")
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text('[sources.drops]\nkind = "files"\npath = "drops/"\n')
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "line.csv").write_text("n\n2\n")
    with Intendant(tmp_path) as app:
        app.load(tmp_path / "one.csv", "log")
        app.catalog()
        assert app.do("ingest drops.line append into log").status == "succeeded"
    return tmp_path


def process(folder: Path, *texts: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW, str(folder), *texts]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **env})


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def queue(app: Intendant, count: int, text: str = "query log top 1 by n") -> list[str]:
    """Runs as other processes queue them."""
    runs = [f"queued-{n:04}" for n in range(count)]
    for run in runs:
        app.journal.append_all(
            run,
            [
                ("intent.received", "intent.received", {"text": text, "by": "test"}),
                ("plan.proposed", "plan.proposed", {"plan": text, "intent": text, "confidence": 1.0, "needs_approval": ""}),
                ("queued.0", "run.queued", {"start": 0, "part": 0}),
            ],
        )
    return runs


def ended_once(app: Intendant, runs: list[str]) -> None:
    """Each of the runs succeeded, and every fact of it is there once."""
    for run in runs:
        kinds = [e.kind for e in app.journal.events(run)]
        assert kinds.count("run.finished") == 1 and app.result(run).status == "succeeded", (run, kinds)
        assert kinds.count("step.done") + kinds.count("table.published") == 1
    assert app.journal.verify()


def test_processes_that_come_at_once_all_finish_and_run_no_step_twice(folder: Path) -> None:
    each = ["ingest drops.line append into log"] * 3
    started = [process(folder, *each) for _ in range(4)]
    for p in started:
        out = p.communicate(timeout=110)[0]
        assert out.split() == ["succeeded"] * 3, out
    with Intendant(folder) as app:
        assert app.lake.snapshot("log").rows == 2 + 12
        assert len(app.lake.history("log")) == 2 + 12
        runs = [r["run_id"] for r in app.runs()]
        assert len(runs) == 13
        ended_once(app, runs)


def test_the_run_of_a_killed_owner_is_finished_by_the_next(folder: Path) -> None:
    owner = process(folder, "ingest drops.line append into log", INTENDANT_FAULT_AT="after:0.publish")
    assert owner.wait(60) == -signal.SIGKILL
    with Intendant(folder) as app:
        assert app.do("query log top 1 by n").status == "succeeded"
        killed = app.runs()[1]["run_id"]
        until(lambda: app.result(killed).status == "succeeded", 20)
        assert app.lake.snapshot("log").rows == 3
        ended_once(app, [killed])


def test_a_paused_owner_keeps_its_run_and_nobody_else_does_it(folder: Path) -> None:
    """What it holds is a lock of the kernel: it is never lost by waiting, so no step is done by two."""
    owner = process(folder, "query log top 1 by n", "ingest drops.line append into log")
    lock = folder / ".intendant" / "owner.lock"
    until(lambda: lock.exists() and lock.read_text() == str(owner.pid))
    os.kill(owner.pid, signal.SIGSTOP)
    second = process(folder, "ingest drops.line append into log")
    with Intendant(folder) as app:
        until(lambda: len(app.runs()) >= 3 or second.poll() is not None)
        time.sleep(1)
        assert second.poll() is None
        os.kill(owner.pid, signal.SIGCONT)
        assert owner.communicate(timeout=60)[0].split() == ["succeeded"] * 2
        assert second.communicate(timeout=60)[0].split() == ["succeeded"]
        assert app.lake.snapshot("log").rows == 4
        ended_once(app, [r["run_id"] for r in app.runs()])


def test_an_owner_that_idles_takes_up_what_others_queue(folder: Path) -> None:
    with Intendant(folder) as app:
        assert app.do("query log top 1 by n").status == "succeeded"
        other = process(folder, "ingest drops.line append into log")
        assert other.communicate(timeout=60)[0].split() == ["succeeded"]
        assert app.owner.owning
        assert app.lake.snapshot("log").rows == 3


def test_two_hundred_queued_runs_end_once_each(folder: Path) -> None:
    with Intendant(folder) as app:
        runs = queue(app, 200)
        assert sorted(app.resume()) == runs
        ended_once(app, runs)


# ------------------------------------------------------------------ serve


@pytest.fixture
def serving(folder: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts `intendant serve` processes, which end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "intendant.faces.cli", "serve", "--workspace", str(folder), "--port", "0"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        assert started[-1].stdout is not None
        line = started[-1].stdout.readline()
        assert json.loads(line)["serving"], line
        return started[-1]

    yield start
    for p in started:
        p.kill()
        p.wait()


def test_serve_takes_queued_runs_survives_a_kill_and_goes_on(
    folder: Path, serving: Callable[[], subprocess.Popen[str]]
) -> None:
    with Intendant(folder) as app:
        runs = queue(app, 30)
        first = serving()
        until(lambda: app.result(runs[3]).status == "succeeded")
        first.kill()
        first.wait()
        serving()
        until(lambda: all(app.result(r).status == "succeeded" for r in runs), 100)
        ended_once(app, runs)


def test_two_serves_fire_a_due_schedule_once(folder: Path, serving: Callable[[], subprocess.Popen[str]]) -> None:
    with Intendant(folder) as app:
        assert app.do("provision store from log").status == "succeeded"
        when = {"target": "store", "kind": "table", "when": "every minute", "cron": "* * * * *", "timezone": "UTC"}
        app.journal.append("by-hand", "s", "schedule.set", when)
    with Intendant(folder) as app:
        first = serving()
        serving()
        until(lambda: app.journal.events(kinds=["schedule.fired"]), 90)
        first.kill()
        first.wait()
        time.sleep(2)
        fired = app.journal.events(kinds=["schedule.fired"])
        assert len({e.key for e in fired}) == len(fired)
        by = [e.run for e in app.journal.events(kinds=["intent.received"]) if e.data["by"] == "schedule"]
        assert len(by) == len(fired) == len(app.lake.history("store")) - 1
        assert app.result(by[0]).status == "succeeded"
