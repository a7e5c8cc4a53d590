"""The gate on streams of weekly loads: how many broken ones it catches, how many good ones it calls broken.

    python bench/gate.py --seeds 101-108 [--whole]

A stream is 62 weekly loads of one table (yearly season, trend, noise; three shapes of table). 52 are good; the ten
others, at any place from the ninth on, are broken, each in another way. A broken load that the gate only warns of is
published, as it would be, and is then part of the past. Loads pass the functions that the loop calls; `--whole`
runs the whole gate, with the detectors, which count for nothing here. Writes bench/gate.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import exp, pi, sin
from pathlib import Path
from typing import Any

import pyarrow as pa

from intendant.actions.base import Staged
from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.run.drifting import drifted, remember, waiting
from intendant.run.gate import Gate
from intendant.types import Stamp, Step
from intendant.workspace import Workspace

HERE = Path(__file__).parent
WEEKS = 62
FIRST_BROKEN = 8
START = datetime(2024, 1, 1, tzinfo=UTC)
Rows = dict[str, list[Any]]


# the tables

def season(week: int, phase: float) -> float:
    return sin(2 * pi * (week / 52 + phase))


def some(r: random.Random, share: float, make: Callable[[], Any]) -> Any:
    """A value, or None with a chance of `share`."""
    return None if r.random() < share else make()


def times(r: random.Random, week: int, n: int) -> list[datetime]:
    return sorted(START + timedelta(weeks=week, seconds=r.randrange(7 * 86_400)) for _ in range(n))


def orders(r: random.Random, week: int, world: dict[str, float]) -> Rows:
    n = round(1200 * 1.004**week * (1 + 0.15 * season(week, world["phase"])) * exp(r.gauss(0, 0.06)))
    level, missing = 3.6 + 0.002 * week + r.gauss(0, 0.03), max(0.0, r.gauss(0.04, 0.01))
    mix = [0.62 + 0.05 * season(week, 0.2) + r.gauss(0, 0.015), 0.2, 0.12, 0.05]
    return {
        "order_id": [week * 10_000 + i for i in range(n)],
        "customer": [f"C{r.randrange(5000):05d}" for _ in range(n)],
        "created_at": times(r, week, n),
        "amount": [round(exp(r.gauss(level, 0.8)), 2) for _ in range(n)],
        "quantity": [1 + min(8, int(r.expovariate(0.9))) for _ in range(n)],
        "status": r.choices(["paid", "open", "cancelled", "refunded"], mix, k=n),
        "country": r.choices(["NO", "SE", "DK", "FI", "IS"], [40, 30, 18, 10, 2], k=n),
        "email": [some(r, missing, lambda: f"u{r.randrange(10**6)}@example.com") for _ in range(n)],
    }


def readings(r: random.Random, week: int, world: dict[str, float]) -> Rows:
    n = round(2500 * exp(r.gauss(0, 0.02)))
    warm, lost = 9 + 11 * season(week, world["phase"]) + r.gauss(0, 1.5), max(0.0, r.gauss(0.01, 0.004))
    return {
        "device": [f"dev-{r.randrange(40):03d}" for _ in range(n)],
        "at": times(r, week, n),
        "temperature": [some(r, lost, lambda: round(r.gauss(warm, 4), 1)) for _ in range(n)],
        "humidity": [round(min(100.0, max(5.0, r.gauss(62 - 0.6 * warm, 9))), 1) for _ in range(n)],
        "battery": [some(r, lost, lambda: r.randrange(20, 101)) for _ in range(n)],
        "state": r.choices(["ok", "warn", "fail"], [0.95, 0.04, 0.01], k=n),
        "firmware": r.choices(["1.4", "1.5", "1.6"], [max(0.05, 0.6 - week * 0.01), 0.35, 0.05 + week * 0.01], k=n),
    }


def signups(r: random.Random, week: int, world: dict[str, float]) -> Rows:
    n = round(220 * 1.008**week * (1 + 0.1 * season(week, world["phase"])) * exp(r.gauss(0, 0.12)))
    silent = min(0.6, max(0.1, r.gauss(0.3, 0.04)))
    places = ["search", "friend", "ad", "blog", *(f"campaign {i}" for i in range(1, 2 + week // 6))]
    return {
        "user_id": [f"{week:03d}{i:05d}" for i in range(n)],
        "joined": times(r, week, n),
        "plan": r.choices(["free", "pro", "team"], [70, 22, 8], k=n),
        "age": [some(r, silent, lambda: min(90, max(16, round(r.gauss(37, 11))))) for _ in range(n)],
        "source": r.choices(places, [30, 25, 20, 15, *(3 for _ in places[4:])], k=n),
        "price": [round(max(0.0, r.gauss(29, 6)), 2) for _ in range(n)],
        "newsletter": [r.random() < 0.4 for _ in range(n)],
    }


SHAPES: dict[str, Callable[[random.Random, int, dict[str, float]], Rows]] = {
    "orders": orders, "readings": readings, "signups": signups,
}
NUMBER = {"orders": "amount", "readings": "temperature", "signups": "price"}
CATEGORY = {"orders": "status", "readings": "state", "signups": "plan"}
FULL = {"orders": "customer", "readings": "humidity", "signups": "source"}


# what goes wrong

def picked(rows: Rows, keep: list[int]) -> Rows:
    return {c: [v[i] for i in keep] for c, v in rows.items()}


def size(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def fewer(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return picked(rows, sorted(r.sample(range(size(rows)), round(0.4 * size(rows)))))


def more(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return {c: last[c] + v for c, v in rows.items()}


def lost(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return {c: v for c, v in rows.items() if c != FULL[shape]}


def retyped(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return {**rows, NUMBER[shape]: [None if v is None else f"{v} units" for v in rows[NUMBER[shape]]]}


def rescaled(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return {**rows, NUMBER[shape]: [None if v is None else round(v * 100, 2) for v in rows[NUMBER[shape]]]}


def shifted(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    there = [v for v in rows[NUMBER[shape]] if v is not None]
    mean = sum(there) / len(there)
    spread = (sum((v - mean) ** 2 for v in there) / len(there)) ** 0.5
    return {**rows, NUMBER[shape]: [None if v is None else round(v + spread, 2) for v in rows[NUMBER[shape]]]}


def unknown(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return {**rows, CATEGORY[shape]: ["unknown" if r.random() < 0.2 else v for v in rows[CATEGORY[shape]]]}


def gaps(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return {**rows, FULL[shape]: [None if r.random() < 0.2 else v for v in rows[FULL[shape]]]}


def doubled(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    n = size(rows)
    return picked(rows, sorted([*range(n), *r.sample(range(n), round(0.15 * n))]))


def stale(r: random.Random, rows: Rows, last: Rows, shape: str) -> Rows:
    return last


FAULTS: dict[str, tuple[str, Callable[[random.Random, Rows, Rows, str], Rows]]] = {
    "fewer": ("volume: 60% of the rows are gone", fewer),
    "more": ("volume: last week's rows come again with this week's", more),
    "lost": ("schema: a column is gone", lost),
    "retyped": ("schema: a number comes as text with its unit", retyped),
    "rescaled": ("distribution: a number is 100 times larger", rescaled),
    "shifted": ("distribution: a number is one standard deviation higher", shifted),
    "unknown": ("distribution: a category is 'unknown' in 20% of the rows", unknown),
    "gaps": ("nulls: 20% of a full column are missing", gaps),
    "doubled": ("duplicates: 15% of the rows come twice", doubled),
    "stale": ("stale: last week's load comes again", stale),
}


# the gate

@dataclass
class Stream:
    """One table from its first load on; what the gate said of each."""

    shape: str
    seed: int
    whole: bool
    stopped: int = 0
    warned: int = 0
    false: list[str] = field(default_factory=list)
    caught: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self, folder: Path) -> Stream:
        (folder / "intendant.toml").write_text('[policy]\non_drift = "rollback"\n')
        engine = DuckDB(threads=1, temp=folder / "spill")
        workspace, lake = Workspace.open(folder), Lake(folder / "lake", engine)
        r = random.Random(f"{self.shape} {self.seed}")
        world = {"phase": r.random()}
        broken = dict(zip(r.sample(range(FIRST_BROKEN, WEEKS), len(FAULTS)), r.sample(list(FAULTS), len(FAULTS)),
                          strict=True))
        last: Rows = {}
        for week in range(WEEKS):
            rows = SHAPES[self.shape](r, week, world)
            if week in broken:
                bad = FAULTS[broken[week]][1](r, rows, last, self.shape)
                self.caught[broken[week]] = self.load(workspace, lake, engine, bad, str(week))
                last = rows
                continue
            stops, why = self.load(workspace, lake, engine, rows, str(week))
            self.stopped, self.warned = self.stopped + (stops == "stopped"), self.warned + (stops == "warned")
            if why:
                self.false.append(f"{self.shape}, week {week}: {why}")
            if stops == "stopped":  # a person accepts it: it was a good one
                self.load(workspace, lake, engine, rows, f"{week}a", accepted=True)
            last = rows
        engine.close()
        return self

    def load(self, workspace: Workspace, lake: Lake, engine: DuckDB, rows: Rows, run: str, *,
             accepted: bool = False) -> tuple[str, str]:
        """("stopped", "warned" or "", what was found)."""
        step = Step("ingest", {"resource": f"drops.{self.shape}", "mode": "replace", "target": self.shape})
        stage = lake.stage(self.shape, Stamp(run, "0"))
        stage.add(pa.table(rows))
        stage.save()
        staged, started = Staged(self.shape, "replace"), time.perf_counter()
        if self.whole:
            verdict = Gate(workspace, lake, engine).audit(stage, staged, step)
            found, breaks = [f for f in verdict.findings if f.check.startswith("drift")], not verdict.passed
        else:
            moved = drifted(workspace, lake, engine, stage, staged, step)
            found, breaks = [d.finding for d in moved], any(d.breaks for d in moved)
        self.seconds += time.perf_counter() - started
        if breaks and not accepted:
            stage.discard()
        else:
            profile = waiting(stage)
            remember(lake, profile, lake.publish(stage, "replace", operation="ingest"))
        state = "stopped" if breaks else "warned" if found else ""
        return state, "; ".join(f"{f.check} ({f.severity}): {f.evidence}" for f in found)


def written(streams: list[Stream], seeds: str) -> str:
    loads, good = len(streams) * WEEKS, WEEKS - len(FAULTS)
    lines = [
        "# The gate and a table's past", "",
        f"`python bench/gate.py --seeds {seeds}` on {date.today()}, {os.cpu_count()} cores, Python"
        f" {platform.python_version()}: {len(streams)} streams, each of {good} good weekly loads and {len(FAULTS)}"
        " broken ones, default thresholds, `on_drift = \"rollback\"`. Stopped loads weren't published; all others"
        " were, broken ones too. The constants of the checks were chosen before, the seeds of this table are none"
        " of those that were looked at.", "",
        "| table | streams | broken caught (of 10) | stopped of them | good stopped (of 52) | good warned of (of 52) |",
        "|---|---|---|---|---|---|",
    ]
    for shape in [*dict.fromkeys(s.shape for s in streams), ""]:
        of = [s for s in streams if s.shape == shape or not shape]
        caught = [sum(bool(state) for state, _ in s.caught.values()) for s in of]
        stopped = [sum(state == "stopped" for state, _ in s.caught.values()) for s in of]
        n = len(of)
        lines.append(
            f"| {shape or 'all'} | {n} | {sum(caught) / n:.2f} (worst {min(caught)}) | {sum(stopped) / n:.2f}"
            f" | {sum(s.stopped for s in of) / n:.2f} (worst {max(s.stopped for s in of)})"
            f" | {sum(s.warned for s in of) / n:.2f} (worst {max(s.warned for s in of)}) |")
    lines += ["", "| fault | caught | stopped | found by |", "|---|---|---|---|"]
    for name, (what, _) in FAULTS.items():
        got = [s.caught[name] for s in streams]
        by = Counter(part.partition(" ")[0] for _, why in got for part in why.split("; ") if part.startswith("drift_"))
        lines.append(f"| {what} | {sum(bool(s) for s, _ in got)} of {len(got)}"
                     f" | {sum(s == 'stopped' for s, _ in got)} | {', '.join(k for k, _ in by.most_common(3))} |")
    took = sum(s.seconds for s in streams) / loads
    lines += ["", f"{1000 * took:.0f} ms a load for profile and comparison, on a machine that was busy with other work.",
              "", "Good loads that were called changed:", ""]
    lines += [f"- {f}" for s in streams for f in s.false] or ["none"]
    return "\n".join(lines) + "\n"


def run(stream: Stream) -> Stream:
    with tempfile.TemporaryDirectory() as tmp:
        return stream.run(Path(tmp))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="101-104")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE / "gate.md")
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    wanted = [Stream(shape, seed, given.whole) for seed in range(int(first), int(last or first) + 1)
              for shape in given.shapes.split(",")]
    streams = []
    with ProcessPoolExecutor(given.jobs) as pool:
        for s in pool.map(run, wanted):
            streams.append(s)
            missed = [f for f, (state, _) in s.caught.items() if not state]
            print(s.shape, s.seed, "missed", missed, "false", s.false, round(s.seconds, 1), "s", flush=True)
    given.out.write_text(written(streams, given.seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
