"""Peak memory of loads, transformations and checks on some rows and on ten times as many; work larger than a memory limit.

    python bench/memory.py --rows 1000000

Each command is a fresh process; its peak is that of its tree of processes, the servers that it reads from excluded.
`--rows` are those of the larger CSV file; the other sources have a share of it (SHARE).
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest import orders_csv, postgres
from peak import Peak, run, versions

TIMES = 10
BOUND = 1.2
SHARE = {"csv": 1.0, "sql": 0.5, "jsonl": 0.3, "rest": 0.3}
INTENDANT = str(Path(sys.executable).with_name("intendant"))
STEPS = (
    ("transform, row by row", "transform orders filter amount > 10 derive total = amount * 2 into paid"),
    ("transform, grouped", "transform orders group by customer_id: sum amount as revenue, count as orders into revenue"),
    ("check, declared rules", "check orders for not null order_id, amount between 0 and 1000"),
    ("check, automatic", "check orders"),
)
SPILLS = (
    ("join", "transform left join right on key = key into joined"),
    ("sort", "transform left sort by text descending into sorted"),
)
SPILL_ROWS, LIMIT = 6_000_000, "300MB"


def intendant(workspace: Path, *words: str) -> Peak:
    """One command of ours. Raises RuntimeError with what it printed when it fails."""
    done = run([INTENDANT, *words, "--workspace", str(workspace)])
    if done.code:
        raise RuntimeError(f"{' '.join(words)}: {done.out[-600:]}{done.err[-600:]}")
    return done


def workspace(folder: Path, sources: Mapping[str, str], engine: str = "") -> Path:
    folder.mkdir(parents=True)
    tables = "".join(f"[sources.{name}]\n{text}\n\n" for name, text in sources.items())
    (folder / "intendant.toml").write_text(tables + (f"[engine]\n{engine}\n" if engine else ""))
    return folder


@contextmanager
def source(kind: str, rows: int, folder: Path) -> Iterator[tuple[str, str, Path | None]]:
    """A source with so many rows: its settings, the resource's name, and its file where it is one."""
    folder.mkdir(parents=True)
    if kind == "sql":
        orders_csv(folder / "orders.csv", rows)
        stop, url = postgres(str(folder / "pg"), folder / "orders.csv")
        try:
            yield f'kind = "sql"\nurl = "{url}"', "orders", None
        finally:
            stop()
    elif kind == "rest":
        server = subprocess.Popen([sys.executable, str(Path(__file__).with_name("ingest.py")), "--serve", str(rows)],
                                  stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            yield f'kind = "rest"\nurl = "{url}"\nresources = {{ flat = {{ path = "/flat" }} }}', "flat", None
        finally:
            server.kill()
    else:
        file = folder / f"orders.{kind}"
        orders_csv(file, rows, "csv" if kind == "csv" else "json")
        yield f'kind = "files"\npath = "{folder}"', "orders", file


def measured(kind: str, rows: int, folder: Path) -> dict[str, Peak]:
    """Each command's peak for one source and size."""
    found: dict[str, Peak] = {}
    with source(kind, rows, folder / "data") as (settings, resource, file):
        place = workspace(folder / "work", {"shop": settings})
        found["ingest"] = intendant(place, "do", f"ingest shop.{resource} into orders", "--yes")
        if file is not None:
            found["load"] = intendant(place, "load", str(file), "loaded")
        for title, text in STEPS if kind == "csv" else ():
            found[title] = intendant(place, "do", text, "--yes")
    return found


def growth(kinds: list[str], rows: int, folder: Path) -> list[str]:
    lines = []
    for kind in kinds:
        large = int(rows * SHARE[kind])
        sizes = {}
        for size in (large // TIMES, large):
            sizes[size] = measured(kind, size, folder / f"{kind}-{size}")
            shutil.rmtree(folder / f"{kind}-{size}")
        few, many = sizes[large // TIMES], sizes[large]
        for title in many:
            times = many[title].mib / few[title].mib
            lines.append(f"| {kind} | {title} | {large // TIMES:,} -> {large:,} | {few[title].mib:,.0f} | {many[title].mib:,.0f} | "
                         f"{times:.2f}{'' if times < BOUND else ' **over**'} | {few[title].cpu:.1f} -> {many[title].cpu:.1f} |")
            print(lines[-1], flush=True)
    return lines


def spills(rows: int, folder: Path) -> list[str]:
    """A join and a sort with and without a limit: the same rows, and what they took."""
    import duckdb

    data = folder / "tables"
    data.mkdir()
    columns = "md5(i::VARCHAR) || md5((i + 1)::VARCHAR) || md5((i + 2)::VARCHAR)"
    for name, order in (("left", "hash(i)"), ("right", "hash(i + 7)")):
        duckdb.execute(f"COPY (SELECT i AS key, {columns} AS text, i % 1000 AS {name}_number, {columns} AS {name}_more "
                       f"FROM range({rows}) t(i) ORDER BY {order}) TO '{data / name}.parquet' (FORMAT parquet)")
    lines = []
    for limit in (LIMIT, ""):
        place = workspace(folder / f"spill-{limit or 'free'}", {}, f'memory_limit = "{limit}"' if limit else "")
        for name in ("left", "right"):
            intendant(place, "load", str(data / f"{name}.parquet"), name)
        for title, text in SPILLS:
            done = intendant(place, "do", text, "--yes")
            target = text.rpartition(" ")[2]
            asked = f"SELECT count(*) AS n, sum(hash(key, text) % 1000000) AS s FROM {target}"
            rows_ = json.loads(intendant(place, "sql", asked, "--json").out)["rows"]
            left = sum(f.stat().st_size for f in (place / ".intendant" / "spill").rglob("*") if f.is_file())
            lines.append(f"| {title} | {limit or 'none'} | {done.mib:,.0f} | {done.cpu:.1f} | {rows_[0]} | {left} |")
            print(lines[-1], flush=True)
        shutil.rmtree(place)
    return lines


def main(rows: int, kinds: list[str], spill_rows: int, out: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-memory-"))
    try:
        grown = growth([k for k in kinds if k in SHARE], rows, folder)
        spilled = spills(spill_rows, folder) if "spill" in kinds else []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text: list[Any] = [
        "# Memory", "",
        f"Peak memory of each command with ten times the rows, against a goal of less than {BOUND} times.", "",
        "| source | command | rows | MiB | MiB with 10 times the rows | times | CPU s |", "|---|---|---|---|---|---|---|", *grown, "",
        f"A join and a sort of tables of {spill_rows:,} rows (about {spill_rows * 400 / 2**30:.1f} GiB in memory), with a limit and "
        "without; the third figure of a row is a checksum, the last one the bytes left in `.intendant/spill`.", "",
        "| work | memory_limit | peak MiB | CPU s | rows, checksum | left |", "|---|---|---|---|---|---|", *spilled, "",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}. "
        f"{versions(sys.executable, ['duckdb', 'pyarrow', 'adbc-driver-postgresql'])}.", "",
        f"`python bench/memory.py --rows {rows} --spill-rows {spill_rows}` on {time.strftime('%Y-%m-%d', time.gmtime())}", ""]
    out.write_text("\n".join(text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--spill-rows", type=int, default=SPILL_ROWS)
    parser.add_argument("--only", default="csv,sql,jsonl,rest,spill", help="with commas")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    given = parser.parse_args()
    main(given.rows, given.only.split(","), given.spill_rows, given.out)
