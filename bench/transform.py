"""What the discipline of a plan costs: ten steps over TPC-H beside the same SQL by hand, and twenty pipelines beside dbt.

    python bench/transform.py --data DIR [--dbt PYTHON_OF_DBT] [--times 3]

DIR holds the TPC-H tables as Parquet (`pip install tpchgen-cli; tpchgen-cli parquet -s 1 --output-dir=DIR`). By hand, each
step is a COPY of a query to a Parquet file, by DuckDB with the same settings; here each is staged, audited, published as a
version, and journalled. dbt runs the same twenty SELECTs as tables of dbt-duckdb, in an environment of its own
(`pip install "dbt-core<1.11" "dbt-duckdb<1.10"`). All results must be equal. Writes bench/transform.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import duckdb

from intendant.app import Intendant

HERE = Path(__file__).parent
TABLES = ("lineitem", "orders", "customer", "nation", "part")
STEPS = (
    (
        "sold",
        "transform lineitem filter l_shipdate >= date '1994-01-01' and l_shipdate < date '1997-01-01'"
        " derive revenue = l_extendedprice * (1 - l_discount) select l_orderkey, l_partkey, l_shipmode, l_quantity, revenue",
        "SELECT l_orderkey, l_partkey, l_shipmode, l_quantity, l_extendedprice * (1 - l_discount) AS revenue FROM {lineitem}"
        " WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1997-01-01'",
    ),
    (
        "ordered",
        "transform orders join customer on o_custkey = c_custkey"
        " select o_orderkey, o_custkey, o_orderdate, o_orderpriority, c_nationkey, c_mktsegment",
        "SELECT o_orderkey, o_custkey, o_orderdate, o_orderpriority, c_nationkey, c_mktsegment"
        " FROM {orders} JOIN {customer} ON o_custkey = c_custkey",
    ),
    (
        "sales",
        "transform sold join ordered on l_orderkey = o_orderkey",
        "SELECT s.*, o.* EXCLUDE (o_orderkey) FROM {sold} s JOIN {ordered} o ON l_orderkey = o_orderkey",
    ),
    (
        "by_nation",
        "transform sales join nation on c_nationkey = n_nationkey group by n_name: sum revenue as revenue, count as items",
        "SELECT n_name, sum(revenue) AS revenue, count(*) AS items FROM {sales} JOIN {nation} ON c_nationkey = n_nationkey"
        " GROUP BY n_name",
    ),
    (
        "by_month",
        "transform sales derive month = start_of('month', o_orderdate) group by month, c_mktsegment: sum revenue as revenue",
        "SELECT date_trunc('month', o_orderdate) AS month, c_mktsegment, sum(revenue) AS revenue FROM {sales} GROUP BY ALL",
    ),
    (
        "running",
        "transform by_month running sum revenue by month per c_mktsegment as so_far",
        "SELECT *, sum(revenue) OVER (PARTITION BY c_mktsegment ORDER BY month ROWS UNBOUNDED PRECEDING) AS so_far"
        " FROM {by_month}",
    ),
    (
        "best_customers",
        "transform sales group by o_custkey: sum revenue as spent, count distinct l_partkey as parts top 1000 by spent",
        "SELECT o_custkey, sum(revenue) AS spent, count(DISTINCT l_partkey) AS parts FROM {sales} GROUP BY o_custkey"
        " ORDER BY spent DESC, o_custkey DESC LIMIT 1000",
    ),
    (
        "last_orders",
        "transform ordered drop duplicates by o_custkey keeping newest by o_orderdate",
        "SELECT * EXCLUDE (rn) FROM (SELECT *, row_number() OVER (PARTITION BY o_custkey ORDER BY o_orderdate DESC,"
        " o_orderkey, o_orderpriority, c_nationkey, c_mktsegment) AS rn FROM {ordered}) WHERE rn = 1",
    ),
    (
        "modes",
        "transform sales pivot l_shipmode in ('AIR', 'RAIL', 'SHIP', 'TRUCK'): sum l_quantity by o_orderpriority",
        "SELECT o_orderpriority, "
        + ", ".join(f"sum(l_quantity) FILTER (WHERE l_shipmode = '{m}') AS \"{m}\"" for m in ("AIR", "RAIL", "SHIP", "TRUCK"))
        + " FROM {sales} GROUP BY o_orderpriority",
    ),
    (
        "parts_sold",
        "transform sales join part on l_partkey = p_partkey group by p_brand: avg revenue as mean_revenue, median l_quantity"
        " as middle sort by p_brand",
        "SELECT p_brand, avg(revenue) AS mean_revenue, median(l_quantity) AS middle FROM {sales}"
        " JOIN {part} ON l_partkey = p_partkey GROUP BY p_brand ORDER BY p_brand",
    ),
)
SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")
MODELS = (
    *STEPS,
    *(
        (
            f"segment_{s.lower()}",
            f"transform sales filter c_mktsegment = '{s}' group by o_orderpriority: sum revenue as revenue",
            f"SELECT o_orderpriority, sum(revenue) AS revenue FROM {{sales}} WHERE c_mktsegment = '{s}' GROUP BY o_orderpriority",
        )
        for s in SEGMENTS
    ),
    *(
        (
            f"top_{s.lower()}",
            f"transform segment_{s.lower()} top 2 by revenue",
            f"SELECT * FROM {{segment_{s.lower()}}} ORDER BY revenue DESC LIMIT 2",
        )
        for s in SEGMENTS
    ),
)


def workspace(folder: Path, data: Path) -> Intendant:
    app = Intendant.init(folder)
    for table in TABLES:
        app.load(data / f"{table}.parquet", table)
    return app


def ours(app: Intendant) -> float:
    started = time.perf_counter()
    result = app.do("\n".join(f"{said} into {name}" for name, said, _ in STEPS), approve=True)
    assert result.status == "succeeded", result
    return time.perf_counter() - started


def by_hand(folder: Path, data: Path, threads: int, synced: bool = False) -> float:
    """The same ten results as files, by one connection that keeps DuckDB's own settings; `synced`: each is on the disk
    before the next begins, as our versions are, so that a power cut takes nothing that was said to be there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    files = {t: f"'{data / t}.parquet'" for t in TABLES} | {n: f"'{folder / n}.parquet'" for n, _, _ in STEPS}
    started = time.perf_counter()
    with duckdb.connect(config={"threads": threads}) as con:
        for name, _, sql in STEPS:
            con.execute(f"COPY ({sql.format(**files)}) TO {files[name]} (FORMAT parquet, COMPRESSION zstd)")
            if synced:
                with (folder / f"{name}.parquet").open("rb") as made:
                    os.fsync(made.fileno())
    return time.perf_counter() - started


def different(app: Intendant, folder: Path) -> list[str]:
    """The steps whose table isn't the file that was made by hand, numbers to nine digits."""
    out = []
    with duckdb.connect() as con:
        for name, _, _ in STEPS:
            con.execute(f"CREATE OR REPLACE VIEW ours AS {app.engine.scan(app.lake.snapshot(name))}")
            con.execute(f"CREATE OR REPLACE VIEW theirs AS FROM '{folder / name}.parquet'")
            described = con.execute("DESCRIBE theirs").fetchall()
            shown = ", ".join(
                f'round("{c[0]}"::DOUBLE, 2)' if c[1] == "DOUBLE" or c[1].startswith("DECIMAL") else f'"{c[0]}"::VARCHAR'
                for c in described
            )
            sql = f"SELECT count(*) FROM (SELECT {shown} FROM {{}} EXCEPT ALL SELECT {shown} FROM {{}})"
            if any(con.execute(sql.format(*p)).fetchone() != (0,) for p in (("ours", "theirs"), ("theirs", "ours"))):
                out.append(name)
    return out


def our_pipelines(app: Intendant) -> float:
    folder = Path(app.workspace.root) / "pipelines"
    for name, said, _ in MODELS:
        (folder / f"{name}.intent").write_text(f"{said} into {name}\n", encoding="utf-8")
    app.close()
    command = [sys.executable, "-m", "intendant.faces.cli", "build", "--every", "--yes", "-w", str(app.workspace.root)]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def dbt_project(folder: Path, data: Path, threads: int) -> None:
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: b\nprofile: b\nconfig-version: 2\nversion: '1.0'\nmodels: {b: {+materialized: table}}\n")
    (folder / "profiles.yml").write_text(
        f"b: {{target: d, outputs: {{d: {{type: duckdb, path: '{folder}/b.duckdb', threads: {threads}}}}}}}\n"
    )
    names = {t: f"'{data / t}.parquet'" for t in TABLES} | {n: f"{{{{ ref('{n}') }}}}" for n, _, _ in MODELS}
    for name, _, sql in MODELS:
        (folder / "models" / f"{name}.sql").write_text(sql.format(**names) + "\n")


def by_dbt(python: Path, folder: Path) -> float:
    (folder / "b.duckdb").unlink(missing_ok=True)
    command = [str(python.parent / "dbt"), "run", "--project-dir", str(folder), "--profiles-dir", str(folder), "--quiet"]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
    return time.perf_counter() - started


def best(times: int, *arms: Callable[[], float]) -> list[float]:
    """The best of several times of each, the arms in turn."""
    rounds = [[arm() for arm in arms] for _ in range(times)]
    return [min(r[i] for r in rounds) for i in range(len(arms))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dbt", type=Path)
    parser.add_argument("--times", type=int, default=3)
    a = parser.parse_args()
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as tmp:
        place = Path(tmp)
        app = workspace(place / "ws", a.data)
        arms = (partial(ours, app), partial(by_hand, place / "hand", a.data, threads))
        mine, hand, synced = best(a.times, *arms, partial(by_hand, place / "hand", a.data, threads, synced=True))
        assert not (odd := different(app, place / "hand")), odd
        rows = ["| ten steps | seconds | times |", "|---|---|---|"]
        rows += [f"| SQL by hand, DuckDB | {hand:.2f} | 1.00 |", f"| the same, each file synced | {synced:.2f} | {synced / hand:.2f} |",
                 f"| Intendant | {mine:.2f} | {mine / hand:.2f} |", ""]
        if a.dbt:
            dbt_project(place / "dbt", a.data, threads)
            built, dbt = best(a.times, lambda: our_pipelines(app), lambda: by_dbt(a.dbt, place / "dbt"))
            rows += ["| twenty pipelines, process start to end | seconds | times |", "|---|---|---|"]
            rows += [f"| dbt-duckdb | {dbt:.2f} | 1.00 |", f"| Intendant build | {built:.2f} | {built / dbt:.2f} |", ""]
    size = sum((a.data / f"{t}.parquet").stat().st_size for t in TABLES) / 1e6
    lines = [
        "# Transformations beside SQL by hand and dbt", "",
        f"`python bench/transform.py --data DIR --dbt PYTHON --times {a.times}` on {date.today()}, {threads} cores, Python "
        f"{platform.python_version()}, DuckDB {duckdb.__version__}: TPC-H, {size:,.0f} MB of Parquet; the best of {a.times}, in "
        "turn. The tables of the ten steps are equal.", "", *rows,
    ]  # fmt: skip
    (HERE / "transform.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
