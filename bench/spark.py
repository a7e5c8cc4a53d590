"""What Intendant costs over plain PySpark: ten steps over TPC-H, by sentences on Spark and by the same SQL in PySpark.

    .venv-spark/bin/python bench/spark.py --data DIR [--times 2] [--cold]

DIR holds the TPC-H tables as Parquet (`pip install tpchgen-cli; tpchgen-cli parquet -s 1 --output-dir=DIR`). Both read
Parquet, compute each step and write it as Parquet (zstd), in one Spark of the same settings, in turn: `warm`. `cold` starts
both in processes of their own, Java's start included. Intendant stages, audits, publishes and journals each step besides.
All tables must be equal. Writes bench/spark.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from transform import STEPS, TABLES

from intendant.app import Intendant
from intendant.engines.spark_session import Settings, acquire, release

HERE = Path(__file__).parent
MEMORY = "4g"
ENGINE = f'[engine]\nkind = "spark"\nmaster = "local[*]"\ndriver_memory = "{MEMORY}"\n'


def for_spark(sql: str) -> str:
    """The SQL by hand as Spark writes it."""
    for mode in ("AIR", "RAIL", "SHIP", "TRUCK"):
        sql = sql.replace(f'"{mode}"', f"`{mode}`")
    return sql.replace("EXCLUDE", "EXCEPT")


def workspace(folder: Path, data: Path) -> None:
    """The tables are loaded by DuckDB, beforehand."""
    with Intendant.init(folder) as app:
        for table in TABLES:
            app.load(data / f"{table}.parquet", table)
    (folder / "intendant.toml").write_text(ENGINE, encoding="utf-8")


def ours(app: Intendant) -> float:
    started = time.perf_counter()
    result = app.do("\n".join(f"{said} into {name}" for name, said, _ in STEPS), approve=True)
    assert result.status == "succeeded", result.error
    return time.perf_counter() - started


def plain(session: Any, folder: Path, sources: dict[str, list[str]], times: dict[str, float]) -> float:
    """Plain PySpark: a view on each file, a statement and a write for each step."""
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    names = {}
    for table, files in sources.items():
        session.read.parquet(*files).createOrReplaceTempView(f"plain_{table}")
        names[table] = f"plain_{table}"
    for name, _, sql in STEPS:
        begun = time.perf_counter()
        session.sql(for_spark(sql).format(**names)).write.option("compression", "zstd").parquet(str(folder / name))
        session.read.parquet(str(folder / name)).createOrReplaceTempView(f"plain_{name}")
        names[name] = f"plain_{name}"
        times[name] = time.perf_counter() - begun
    return time.perf_counter() - started


def different(app: Intendant, folder: Path) -> list[str]:
    """The steps whose table isn't the one of plain PySpark, numbers to two digits."""
    out = []
    with duckdb.connect() as con:
        for name, _, _ in STEPS:
            con.execute(f"CREATE OR REPLACE VIEW ours AS {app.engine.scan(app.lake.snapshot(name))}")
            con.execute(f"CREATE OR REPLACE VIEW theirs AS FROM '{folder / name}/*.parquet'")
            described = con.execute("DESCRIBE ours").fetchall()
            shown = ", ".join(
                f'round("{c[0]}"::DOUBLE, 2)'
                if c[1] == "DOUBLE" or c[1].startswith("DECIMAL")
                else f'"{c[0]}"::{c[1]}::VARCHAR'
                for c in described
            )
            sql = f"SELECT count(*) FROM (SELECT {shown} FROM {{}} EXCEPT ALL SELECT {shown} FROM {{}})"
            if any(con.execute(sql.format(*p)).fetchone() != (0,) for p in (("ours", "theirs"), ("theirs", "ours"))):
                out.append(name)
    return out


@contextmanager
def timed(owner: Any, method: str, times: dict[str, float], key: str) -> Any:
    """Sums the seconds spent in a method."""
    was = getattr(owner, method)

    def wrapped(*args: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return was(*args, **named)
        finally:
            times[key] = times.get(key, 0.0) + time.perf_counter() - begun

    setattr(owner, method, wrapped)
    try:
        yield
    finally:
        setattr(owner, method, was)


def watched(app: Intendant, work: Callable[[], float], times: dict[str, float]) -> float:
    """`work`, and where its time goes."""
    from pyspark.sql.readwriter import DataFrameWriter

    from intendant.engines.spark import Spark
    from intendant.lake import Lake, stage
    from intendant.run.gate import Gate

    with (
        timed(Spark, "parts", times, "Spark's steps"),
        timed(DataFrameWriter, "parquet", times, "of which Spark itself"),
        timed(stage, "taken", times, "taking the files, with their statistics"),
        timed(Gate, "audit", times, "the gate"),
        timed(Lake, "publish", times, "publishing"),
    ):
        return work()


def sources(app: Intendant) -> dict[str, list[str]]:
    """The files that both read: the lake's."""
    return {t: list(app.lake.snapshot(t).files) for t in TABLES}


def cpu() -> float:
    """Seconds of processor time that this process and the JVM have used."""
    from pyspark import SparkContext

    fields = Path(f"/proc/{SparkContext._gateway.proc.pid}/stat").read_text().rpartition(")")[2].split()
    used = os.times()
    return used.user + used.system + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Arm:
    """One way of doing the ten steps, and the seconds that its runs took."""

    run: Callable[[], float]
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def again(self) -> None:
        before = cpu()
        self.wall.append(self.run())
        self.processor.append(cpu() - before)
        print(f"{self.wall[-1]:.1f} s, {self.processor[-1]:.1f} s of processor", file=sys.stderr, flush=True)


def warm(place: Path, times: int) -> tuple[Arm, Arm, dict[str, float]]:
    spent: dict[str, float] = {}
    with Intendant(place / "ws") as app:
        session = acquire(app.engine.worker.settings)  # type: ignore[union-attr]
        files = sources(app)
        hand = Arm(lambda: plain(session, place / "plain", files, {}))
        mine = Arm(lambda: watched(app, lambda: ours(app), spent))
        hand.run()  # the JVM gets warm
        for at in range(times):
            spent.clear()
            for arm in (mine, hand) if at % 2 == 0 else (hand, mine):
                arm.again()
        assert not (odd := different(app, place / "plain")), odd
        release()
    return mine, hand, spent


def arm_alone(kind: str, place: Path) -> None:
    """What the child process of a cold run does."""
    with Intendant(place / "ws") as app:
        if kind == "ours":
            ours(app)
            return
        settings: Settings = app.engine.worker.settings  # type: ignore[union-attr]
        plain(acquire(settings), place / "plain", sources(app), {})
        release()


def cold(place: Path) -> tuple[float, float]:
    """Seconds from the start of a process to its end: plain PySpark, ours."""
    out = []
    for kind in ("plain", "ours"):
        started = time.perf_counter()
        subprocess.run([sys.executable, __file__, "--arm", kind, "--place", str(place)], check=True)
        out.append(time.perf_counter() - started)
    return out[0], out[1]


def busy() -> str:
    """How much else the machine had to do, since seconds mean little beside others' work."""
    return f"with a load of {os.getloadavg()[2]:.1f} at the end."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--arm", choices=("plain", "ours"))
    parser.add_argument("--place", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "spark.md")
    a = parser.parse_args()
    if a.arm:
        arm_alone(a.arm, a.place)
        return
    with tempfile.TemporaryDirectory() as tmp:
        place = Path(tmp)
        workspace(place / "ws", a.data)
        mine, hand, spent = warm(place, a.times)
        alone = cold(place) if a.cold else None
    from pyspark import __version__

    rows = ["| ten steps | seconds, each run | best | times | processor, best | times |", "|---|---|---|---|---|---|"]
    for name, arm in (("plain PySpark", hand), ("Intendant on Spark", mine)):
        each = ", ".join(f"{s:.1f}" for s in arm.wall)
        best = [(min(m), min(m) / min(h)) for m, h in ((arm.wall, hand.wall), (arm.processor, hand.processor))]
        shown = " | ".join(f"{seconds:.1f} | {ratio:.2f}" for seconds, ratio in best)
        rows.append(f"| {name}, warm | {each} | {shown} |")
    if alone:
        rows += [f"| plain PySpark, cold, process start to end | {alone[0]:.1f} | {alone[0]:.1f} | 1.00 | | |",
                 f"| Intendant on Spark, cold | {alone[1]:.1f} | {alone[1]:.1f} | {alone[1] / alone[0]:.2f} | | |"]  # fmt: skip
    rows += ["", "| where the last warm run of Intendant's spent its time | seconds |", "|---|---|"]
    rows += [f"| {k} | {v:.2f} |" for k, v in spent.items()]
    size = sum((a.data / f"{t}.parquet").stat().st_size for t in TABLES) / 1e6
    lines = [
        "# Intendant on Spark beside plain PySpark", "",
        f"`python bench/spark.py --data DIR --times {a.times}{' --cold' if a.cold else ''}` on {date.today()}, {os.cpu_count()} "
        f"cores, Python {platform.python_version()}, Spark {__version__} in local mode with {MEMORY}: TPC-H, {size:,.0f} MB of "
        f"Parquet, in turn in one session after a first run of plain PySpark that isn't counted, {busy()} All ten tables are equal. "
        "Processor time is that of the process and its JVM.", "",
        *rows, "",
    ]  # fmt: skip
    a.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines), json.dumps(spent), sep="\n")


if __name__ == "__main__":
    main()
