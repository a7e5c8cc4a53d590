"""Workers on several machines: one is killed, paused, cut off from the database; nothing lost, nothing twice, nothing silent.

Two folders are two machines: each has its own `.intendant`, and they share a database and the lake.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.servers.postgres import fresh_database
from tests.servers.s3 import storage

from faults.harness import plain
from intendant.app import Intendant

LEASE = 4.0
"""Seconds; a machine that is busy with other tests must be able to hold it."""
ADD = "ingest drops.line append into log"
DOES = """
import sys
from intendant.app import Intendant
app = Intendant(sys.argv[1])
for text in sys.argv[2:]:
    print(app.do(text).status, flush=True)
"""


class Machines:
    """Folders that share a database and a lake, and the worker processes on them."""

    def __init__(self, base: Path, more: str = "") -> None:
        self.base, self.url, self.more, self.lease = base, fresh_database(), more, LEASE
        self.started: list[subprocess.Popen[str]] = []

    def folder(self, name: str) -> Path:
        """One more machine; the first one has the lake, others a link to it."""
        made = self.base / name
        if made.exists():
            return made
        first = next((p for p in sorted(self.base.iterdir()) if (p / "intendant.toml").exists()), None)
        Intendant.init(made).close()
        (made / "intendant.toml").write_text(
            f'[state]\nurl = "{self.url}"\nlease_seconds = {self.lease}\nwait_seconds = 20.0\n{self.more}'
            '[sources.drops]\nkind = "files"\npath = "drops/"\n'
        )
        (made / "drops").mkdir()
        (made / "drops" / "line.csv").write_text("n\n2\n")
        (made / "drops" / "orders.csv").write_text(
            "id,amount\n" + "".join(f"{i},{i if i % 7 else -i}\n" for i in range(1, 50))
        )
        (made / "one.csv").write_text("n\n1\n")
        if first is not None and "[lake]" not in self.more:
            (made / ".intendant" / "lake").symlink_to(first / ".intendant" / "lake")
        return made

    def worker(self, name: str, **env: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "intendant.faces.cli",
            "worker",
            "--workspace",
            str(self.folder(name)),
            "--name",
            name,
        ]
        log = (self.base / f"{name}.log").open("a")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **env})
        self.started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert json.loads(line or "{}").get("worker") == name, line + (self.base / f"{name}.log").read_text()
        return process

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    made = Machines(tmp_path)
    yield made
    made.close()


def until(true: Callable[[], Any], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def queue(app: Intendant, *texts: str) -> list[str]:
    """Runs as other processes queue them."""
    runs = [f"queued-{n:03}" for n in range(len(texts))]
    for run, text in zip(runs, texts, strict=True):
        plan = {"plan": text, "intent": text, "confidence": 1.0, "needs_approval": ""}
        facts = [("intent.received", "intent.received", {"text": text, "by": "test"}), ("plan.proposed", "plan.proposed", plan),
                 ("queued.0", "run.queued", {"start": 0, "part": 0})]  # fmt: skip
        app.journal.append_all(run, facts)
    return runs


def status(app: Intendant) -> dict[str, str]:
    return {r["run_id"]: r["status"] for r in app.runs(100)}


def all_ended(app: Intendant, runs: list[str]) -> bool:
    now = status(app)
    return all(now[r] != "running" for r in runs)


def ended_once(app: Intendant, runs: list[str], kinds: tuple[str, ...] = ("run.finished", "table.published")) -> None:
    """Each run succeeded, and each fact of it that counts an effect is there once; the chain is whole."""
    for run in runs:
        told = [e.kind for e in app.journal.events(run)]
        assert [told.count(k) for k in kinds] == [1] * len(kinds), (run, app.result(run).as_dict())
        assert app.result(run).status == "succeeded"
    assert app.journal.verify()


def rows(app: Intendant, table: str) -> list[str]:
    from intendant.operators.base import table_sql

    names, found = app.engine.rows(f"SELECT * FROM {table_sql(table).sql('duckdb')}", {table: app.lake.snapshot(table)})
    kept = [i for i, n in enumerate(names) if n != "_run"]
    return sorted(json.dumps([plain(r[i]) for i in kept], default=str) for r in found)


def begun(folder: Path) -> Intendant:
    """The app of a machine, with the one-row table `log`."""
    app = Intendant(folder)
    app.load(folder / "one.csv", "log")
    app.sources()
    return app


@pytest.mark.timeout(240)
def test_twenty_runs_on_two_workers_of_which_one_is_killed_end_as_with_one(machines: Machines, tmp_path: Path) -> None:
    here = machines.folder("a")
    each = [f"ingest drops.orders into staging.o{n}\ncheck staging.o{n} for amount at least 0 on failure quarantine\n"
            f"transform staging.o{n} derive twice = amount * 2 into o{n}" for n in range(5)]  # fmt: skip
    with begun(here) as app:
        runs = queue(app, *[ADD] * 15, *each)
        first, second = machines.worker("a"), machines.worker("b")
        until(lambda: len({w["name"] for w in app.workers() if w["serves"] and w["running"]}) == 2, 60)
        until(lambda: sum(s == "succeeded" for s in status(app).values()) >= 3)
        first.kill()
        until(lambda: all_ended(app, runs), 120)
        ended_once(app, runs[:15])
        ended_once(app, runs[15:], ("run.finished",))
        assert rows(app, "log") == ["[1]"] + ["[2]"] * 15 and len(app.lake.history("log")) == 16
        for n in range(5):
            assert len(app.lake.history(f"staging.o{n}")) == 2 and len(app.lake.history(f"o{n}")) == 1
            assert len(rows(app, f"quarantine.staging.o{n}")) == 7 and len(rows(app, f"o{n}")) == 42
        assert [w["name"] for w in app.workers() if w["serves"]] == ["b"]
        assert not list((here / ".intendant" / "lake").glob("*/*/_stage/*"))
    second.terminate()
    assert second.wait(60) == 0


@pytest.mark.timeout(200)
@pytest.mark.parametrize("boundary", ["recorded:0.stage", "between:0.publish", "after:0.publish"])
def test_a_dead_workers_run_is_gone_on_with_by_the_other_though_its_disk_is_gone(
    machines: Machines, boundary: str
) -> None:
    here = machines.folder("a")
    text = "ingest drops.orders into staging.o\ncheck staging.o for amount at least 0 on failure quarantine"
    with begun(here) as app:
        assert app.do("ingest drops.orders into staging.o").status == "succeeded"
        assert app.do("check staging.o for amount at least 0 on failure quarantine").status == "succeeded"
        app.owner.release()
        [run] = queue(app, text.partition("\n")[0])
        dying = machines.worker("a", INTENDANT_FAULT_AT=boundary)
        assert dying.wait(90) == -signal.SIGKILL
        for stage in (here / ".intendant" / "lake").glob("*/*/_stage"):
            shutil.rmtree(stage)
        machines.worker("b")
        until(lambda: all_ended(app, [run]))
        ended_once(app, [run])
        kinds = [e.kind for e in app.journal.events(run)]
        published = boundary == "after:0.publish"
        assert kinds.count("step.restaged") == (0 if published else 1), kinds
        assert len(app.lake.history("staging.o")) == 3 and len(rows(app, "staging.o")) == 42
        assert len(rows(app, "quarantine.staging.o")) == 14


@pytest.mark.timeout(200)
def test_a_paused_worker_that_comes_back_after_its_lease_changes_nothing(machines: Machines) -> None:
    """It stops right before its publish; the other one does its run; awake again it finds its lease gone."""
    here = machines.folder("a")
    with begun(here) as app:
        [run] = queue(app, ADD)
        pausing = machines.worker("a", INTENDANT_PAUSE_AT="between:0.publish")
        until(lambda: Path(f"/proc/{pausing.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        machines.worker("b")
        until(lambda: all_ended(app, [run]))
        pausing.send_signal(signal.SIGCONT)
        until(lambda: "lease_lost" in (machines.base / "a.log").read_text(), 60)
        ended_once(app, [run])
        assert rows(app, "log") == ["[1]", "[2]"] and len(app.lake.history("log")) == 2
        until(lambda: {w["name"] for w in app.workers() if w["serves"]} == {"a", "b"}, 30)
        assert app.do(ADD).status == "succeeded" and len(rows(app, "log")) == 3


@pytest.mark.timeout(200)
def test_one_table_two_machines_at_once_loses_no_row(machines: Machines) -> None:
    machines.lease = 60.0
    here, there = machines.folder("a"), machines.folder("b")
    with begun(here) as app:
        both = [subprocess.Popen([sys.executable, "-c", DOES, str(f), *[ADD] * 4], stdout=subprocess.PIPE, text=True)
                for f in (here, there)]  # fmt: skip
        assert [p.communicate(timeout=120)[0].split() for p in both] == [["succeeded"] * 4] * 2
        assert len(rows(app, "log")) == 9 and len(app.lake.history("log")) == 9
        ended_once(app, [r["run_id"] for r in app.runs()])
    with Intendant(there) as other:
        assert [t["rows"] for t in other.tables()] == [9]
        assert len(other.runs()) == 8 and next(other.follow()).seq == 1


@pytest.mark.timeout(200)
def test_an_approval_is_given_and_a_rollback_made_from_another_machine(machines: Machines) -> None:
    machines.lease = 60.0
    here, there = machines.folder("a"), machines.folder("b")
    with begun(here) as app:
        assert app.do(ADD).status == "succeeded"
        waiting = app.do("drop log")
        assert waiting.status == "waiting_approval"
    machines.worker("a")
    with Intendant(there) as other:
        [asked] = other.approvals()
        assert asked["run_id"] == waiting.run_id
        assert other.approve(asked["id"]).status == "succeeded"
        assert other.tables() == [] and other.approvals() == []
        assert other.rollback("log").status == "succeeded"
        assert len(rows(other, "log")) == 2
        assert not other.owner.owning


FIRES = """
import sys
from datetime import datetime
from intendant.app import Intendant
from intendant.run.schedules import fire_due
app = Intendant(sys.argv[1])
app.owner.serve()
assert app.owner.acquire()
print(len(fire_due(app, datetime.fromisoformat(sys.argv[2]))), flush=True)
app.close()
"""


@pytest.mark.timeout(200)
def test_a_due_schedule_fires_once_over_all_workers(machines: Machines) -> None:
    machines.lease = 60.0
    here, there = machines.folder("a"), machines.folder("b")
    with begun(here) as app:
        assert app.do("provision store from log").status == "succeeded"
        when = {"target": "store", "kind": "table", "when": "every minute", "cron": "* * * * *", "timezone": "UTC"}
        app.journal.append("by-hand", "s", "schedule.set", when)
        app.load(here / "drops" / "line.csv", "log")
        app.owner.release()
        now = (datetime.now(UTC) + timedelta(seconds=70)).isoformat()
        both = [
            subprocess.Popen([sys.executable, "-c", FIRES, str(f), now], stdout=subprocess.PIPE, text=True)
            for f in (here, there)
        ]
        assert sum(int(p.communicate(timeout=100)[0]) for p in both) == 1
        fired = app.journal.events(kinds=["schedule.fired"])
        by = [e.run for e in app.journal.events(kinds=["intent.received"]) if e.data["by"] == "schedule"]
        assert len(by) == len(fired) == 1 and len(app.lake.history("store")) == 2
        assert not app.journal.events(kinds=["schedule.failed"])


@pytest.mark.timeout(200)
def test_a_database_that_goes_away_in_the_middle_and_comes_back_loses_nothing(machines: Machines) -> None:
    """All connections are ended and no new one is let in for longer than a lease."""
    name = machines.url.partition("?")[0].rpartition("/")[2]
    server = machines.url.replace(f"/{name}?", "/postgres?")
    here = machines.folder("a")
    with begun(here) as app:
        runs = queue(app, *[ADD] * 10)
        machines.worker("a"), machines.worker("b")
        until(lambda: sum(s == "succeeded" for s in status(app).values()) >= 2)
        with psycopg.connect(server, autocommit=True) as con:
            con.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            con.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            time.sleep(LEASE + 2)
            con.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        until(lambda: all_ended(app, runs), 120)
        ended_once(app, runs)
        assert len(rows(app, "log")) == 11 and len(app.lake.history("log")) == 11


@pytest.mark.timeout(200)
def test_a_worker_dies_after_its_audit_and_the_lake_is_on_object_storage(tmp_path: Path) -> None:
    """Its stage was on its own disk: the step is read, staged and audited again on the other machine, and published once."""
    with storage() as s3:
        lake = (
            f'[lake]\nurl = "s3://{s3.bucket()}/team"\nendpoint = "{s3.endpoint}"\naccess_key = "a"\nsecret_key = "b"\n'
        )
        machines = Machines(tmp_path, lake)
        try:
            with begun(machines.folder("a")) as app:
                runs = queue(app, *[ADD] * 3, "ingest drops.orders into staging.o")
                dying = machines.worker("a", INTENDANT_FAULT_AT="recorded:0.audit")
                assert dying.wait(90) == -signal.SIGKILL
                machines.worker("b")
                until(lambda: all_ended(app, runs), 100)
                ended_once(app, runs)
                assert app.journal.events(kinds=["step.restaged"])
                assert rows(app, "log") == ["[1]"] + ["[2]"] * 3 and len(app.lake.history("log")) == 4
                assert len(rows(app, "staging.o")) == 49
        finally:
            machines.close()
