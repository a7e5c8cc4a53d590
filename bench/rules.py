"""The same declared rules over the same file, beside Great Expectations, pandera (Polars) and pointblank, in one run.

    python bench/rules.py --peers-python .venv-bench/bin/python [--rows 5000000] [--times 3]

Six rules on a Parquet file of eight columns: not null, unique, range, allowed values, pattern, row count; one broken row in a
hundred thousand. Each program runs in a process of its own and times itself from opening the file to its verdict, imports
left out; the best of several times counts. All must find the same broken rows. Writes bench/rules.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
ROWS_SQL = """
SELECT i AS id, (hash(i) % 3000000)::BIGINT AS customer_id,
       CASE WHEN i % 100000 = 7 THEN -1 ELSE round((hash(i + 1) % 100000) / 100.0, 2) END AS price,
       (hash(i + 2) % 9 + 1)::INTEGER AS quantity,
       CASE WHEN i % 100000 = 8 THEN 'lost' ELSE ['paid', 'open', 'cancelled'][(hash(i + 3) % 3 + 1)::INTEGER] END AS status,
       CASE WHEN i % 100000 = 9 THEN 'X1' ELSE 'C' || lpad((hash(i + 4) % 90000)::VARCHAR, 5, '0') END AS code,
       'city ' || (hash(i + 5) % 500)::VARCHAR AS city, TIMESTAMP '2025-01-01' + INTERVAL (i % 31536000) SECOND AS created_at
FROM range({rows}) t(i)"""

OURS = """
import json, sys, time
from intendant import checks
from intendant.checks.rules import rule_of
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.types import Column, Snapshot
file, rows = sys.argv[1], int(sys.argv[2])
text = ("check t for not null id, unique id, price between 0 and 1000, status in ('paid', 'open', 'cancelled'),"
        " code matches 'C[0-9]{5}', row count at least " + str(rows))
engine = DuckDB(threads=2)
declared = [rule_of(s) for s in parse(text).steps[0].args["rules"]]
started = time.perf_counter()
with engine.connect() as con:
    columns = tuple(Column(r[0], r[1]) for r in con.execute(f"DESCRIBE FROM '{file}'").fetchall())
snapshot = Snapshot("t", 1, "", rows, 0, columns, (file,))
found = checks.audit(engine, "t", snapshot, declared)
print(json.dumps([time.perf_counter() - started, sum(f.rows for f in found)]))
"""
GREAT = """
import json, sys, time, warnings, logging
warnings.filterwarnings("ignore"); logging.disable(logging.CRITICAL)
import great_expectations as gx, great_expectations.expectations as gxe, pandas as pd
file, rows = sys.argv[1], int(sys.argv[2])
context = gx.get_context(mode="ephemeral"); context.variables.progress_bars = {"globally": False}
started = time.perf_counter()
batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
suite = context.suites.add(gx.ExpectationSuite("s", expectations=[
    gxe.ExpectColumnValuesToNotBeNull(column="id"), gxe.ExpectColumnValuesToBeUnique(column="id"),
    gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=1000),
    gxe.ExpectColumnValuesToBeInSet(column="status", value_set=["paid", "open", "cancelled"]),
    gxe.ExpectColumnValuesToMatchRegex(column="code", regex="^C[0-9]{5}$"),
    gxe.ExpectTableRowCountToBeBetween(min_value=rows)]))
result = batch.get_batch({"dataframe": pd.read_parquet(file)}).validate(suite)
print(json.dumps([time.perf_counter() - started, sum(r.result.get("unexpected_count", 0) for r in result.results)]))
"""
PANDERA = """
import json, sys, time
import pandera.polars as pa, polars as pl
file, rows = sys.argv[1], int(sys.argv[2])
started = time.perf_counter()
schema = pa.DataFrameSchema({
    "id": pa.Column(pl.Int64, nullable=False, unique=True), "price": pa.Column(pl.Float64, pa.Check.in_range(0, 1000)),
    "status": pa.Column(pl.String, pa.Check.isin(["paid", "open", "cancelled"])),
    "code": pa.Column(pl.String, pa.Check.str_matches("^C[0-9]{5}$"))})
frame = pl.read_parquet(file)
bad = 0
try:
    schema.validate(frame, lazy=True)
except pa.errors.SchemaErrors as e:
    bad = sum(len(x.failure_cases) for x in e.schema_errors if hasattr(x.failure_cases, "__len__"))
assert frame.height >= rows
print(json.dumps([time.perf_counter() - started, bad]))
"""
POINTBLANK = """
import json, sys, time
import pointblank as pb, polars as pl
file, rows = sys.argv[1], int(sys.argv[2])
started = time.perf_counter()
v = (pb.Validate(data=pl.read_parquet(file)).col_vals_not_null(columns="id").rows_distinct(columns_subset=["id"])
     .col_vals_between(columns="price", left=0, right=1000)
     .col_vals_in_set(columns="status", set=["paid", "open", "cancelled"])
     .col_vals_regex(columns="code", pattern="^C[0-9]{5}$").row_count_match(count=rows).interrogate())
print(json.dumps([time.perf_counter() - started, int(sum(v.n_failed().values()))]))
"""


def best(python: str, script: str, file: Path, rows: int, times: int) -> tuple[float, int, str]:
    """The least seconds of several runs, the broken values found, and "" or why it did not end."""
    found: list[tuple[float, int]] = []
    for _ in range(times):
        done = subprocess.run([python, "-c", script, str(file), str(rows)], capture_output=True, text=True, check=False)
        if done.returncode:
            return 0.0, 0, (done.stderr.strip().splitlines() or ["?"])[-1][:160]
        seconds, bad = json.loads(done.stdout.strip().splitlines()[-1])
        found.append((seconds, bad))
    return *min(found), ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers-python", default=sys.executable)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--times", type=int, default=3)
    a = parser.parse_args()
    import duckdb

    with tempfile.TemporaryDirectory() as tmp:
        file = Path(tmp) / "t.parquet"
        duckdb.sql(f"COPY ({ROWS_SQL.format(rows=a.rows)}) TO '{file}' (FORMAT parquet)")
        rows = [
            (name, *best(python, script, file, a.rows, a.times))
            for name, python, script in (
                ("Intendant", sys.executable, OURS), ("Great Expectations (pandas)", a.peers_python, GREAT),
                ("pandera (Polars)", a.peers_python, PANDERA), ("pointblank (Polars)", a.peers_python, POINTBLANK),
            )
        ]  # fmt: skip
    own = rows[0][1]
    lines = [
        "# Declared rules beside other tools", "",
        f"`python bench/rules.py --rows {a.rows} --times {a.times}` on {date.today()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}: six rules over {a.rows:,} rows x 8 columns of Parquet, from opening the file to the "
        "verdict, imports left out, the best of several times.", "",
        "| tool | seconds | times slower | broken values found |", "|---|---|---|---|",
        *(f"| {n} | {s:.2f} | {s / own:.1f} | {b} |" if not why else f"| {n} | did not run: {why} | | |" for n, s, b, why in rows), "",
    ]  # fmt: skip
    (HERE / "rules.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
