"""The demo from start to end: a workspace, two live sources, the sentences of a working day, and what came of them."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from intendant.app import Intendant
from intendant.demo import report
from intendant.demo.history import write_history
from intendant.demo.orders import revenue
from intendant.demo.sales_api import SalesApi
from intendant.demo.sensors import TOPIC, Sensors
from intendant.errors import UsageError
from intendant.types import Json

__all__ = ["tour"]

LATEST = 10_000
MARK = "# made by `intendant demo`; the next demo replaces this folder"
ORDERS = (
    "Pull the latest 10,000 rows from the sales API and store them in a temporary staging table.",
    "Analyze the staging table for data quality issues and suggest remediation steps.",
    "Add a calculated column for total revenue and rename the customer_id field to cust_id.",
    "Provision a new columnar store for the sales data and set up a nightly refresh.",
)
SLOW = "Find out why the daily revenue query is slow and fix it."
READINGS = (
    ("Load all readings from telemetry into a staging table.", "ingest telemetry.readings into staging.readings"),
    ("Check that temperature in staging.readings is between -40 and 60 and quarantine the bad rows.",
     "check staging.readings for temperature between -40 and 60 on failure quarantine"),
    ("Show the average temperature per device_id in staging.readings.",
     "query staging.readings group by device_id: avg temperature"),
)
"""Sentences, and the same in the intent language, for when the planner would rather ask."""
FILE = '''{mark}

[sources.sales_api]
kind = "rest"
url = "{url}"
auth = {{ bearer = "${{SALES_TOKEN}}" }}
resources = {{ orders = {{ path = "/orders", key = "order_id", timestamp = "created_at" }} }}

[sources.telemetry]
kind = "kafka"
brokers = "{brokers}"
topics = ["{topic}"]
resources = {{ {topic} = {{ timestamp = "recorded_at" }} }}

[queries.daily_revenue]
sql = """
SELECT CAST(created_at AS DATE) AS day, sum(price * quantity) AS revenue FROM sales_history
WHERE created_at >= TIMESTAMP '2026-05-01' AND created_at < TIMESTAMP '2026-05-08' GROUP BY day ORDER BY day
"""
runs_per_day = 24
'''
DESCRIBED: dict[str, Json] = {
    "sales analytics": {
        "id": "sales_pipeline",
        "source": {"type": "REST API", "volume": "10GB/day", "frequency": "real-time"},
        "quality_metrics": {"completeness": 87, "consistency": 92, "issues": 15},
        "infrastructure_metrics": {"cpu_usage": 78, "memory_usage": 82, "storage_used": 450, "storage_total": 1000,
                                   "query_latency": 250},
    },
    "IoT sensors": {
        "id": "iot_pipeline",
        "source": {"type": "Message Queue", "volume": "50GB/day", "frequency": "streaming"},
        "quality_metrics": {"completeness": 95, "consistency": 88, "issues": 7},
        "infrastructure_metrics": {"cpu_usage": 65, "memory_usage": 71, "storage_used": 780, "storage_total": 1000,
                                   "query_latency": 180},
    },
}


class Tour:
    """One demo on the way: says each sentence, remembers whether it did its job."""

    def __init__(self, app: Intendant, out: Console) -> None:
        self.app, self.out = app, out
        self.said = self.again = 0
        self.failed: list[str] = []

    def say(self, text: str, otherwise: str = "") -> None:
        """Says a sentence; one that the planner asks about is said again in the intent language, where it is given."""
        self.said += 1
        status = self.told(text)
        if status in ("needs_answer", "refused") and otherwise:
            self.out.print("  [dim]The planner would rather ask, so it is said in the intent language:[/]")
            status, self.again = self.told(otherwise), self.again + 1
        if status != "succeeded":
            self.failed.append(text)

    def told(self, text: str) -> str:
        started = time.perf_counter()
        result = self.app.do(text, approve=True, by="demo").as_dict()
        report.sentence(self.out, text, result, time.perf_counter() - started)
        return str(result["status"])

    def ask(self, sql: str) -> list[list[Json]]:
        rows: list[list[Json]] = self.app.sql(sql)["rows"]
        return rows

    def quarantined(self, table: str) -> None:
        """Rows set aside of a table, with their reasons."""
        if any(t["name"] == f"quarantine.{table}" for t in self.app.tables()):
            report.aside(self.out, table, self.app.sql(f'SELECT * FROM quarantine."{table}"'))

    def proof(self, api: SalesApi) -> None:
        """Whether the revenue in the lake, with that of the rows set aside, is the source's to the cent."""
        rows = self.ask("SELECT order_id, total_revenue FROM staging.orders")
        kept = {row[0] for row in rows}
        lake = sum((Decimal(str(round(row[1], 2))) for row in rows if row[1] is not None), Decimal(0))
        latest = api.orders[-LATEST:]
        aside = revenue(order for order in latest if order["order_id"] not in kept)
        source = revenue(latest)
        same = lake + aside == source and len(rows) <= LATEST
        verdict = "[green]the same to the cent[/]" if same else "[bold red]not the same[/]"
        self.out.print(f"\nThe source's latest {LATEST:,} orders bring [bold]{source:,.2f}[/]; in the lake are "
                       f"[bold]{lake:,.2f}[/] in {len(rows):,} rows, in quarantine {aside:,.2f} in "
                       f"{LATEST - len(rows):,} rows: {verdict}.")
        if not same:
            self.failed.append("the sum of total_revenue")


def tour(folder: Path, out: Console) -> bool:
    """Runs the demo in `folder` and prints its report; whether every sentence succeeded. Raises UsageError."""
    started = time.perf_counter()
    with sources(folder) as (api, sensors):
        write_workspace(folder, api, sensors)
        with Intendant(folder) as app:
            trip = Tour(app, out)
            report.opening(out, versions(folder, api, sensors))
            orders(trip, api)
            slow_query(trip, folder)
            readings(trip)
            report.title(out, "Two described pipelines: how bad, how urgent, what first")
            report.levels(out, [(name, app.advise(config)) for name, config in DESCRIBED.items()])
            out.print(f"[dim]The API answered {api.requests} requests, {api.throttled} of them with 429 (too many); "
                      f"{len(app.events()):,} facts are in the journal.[/]")
    report.closing(out, next_steps(folder))
    seconds = time.perf_counter() - started
    again = f", {trip.again} of them said again in the intent language" if trip.again else ""
    out.print(f"[bold]{trip.said - len(trip.failed)} of {trip.said} sentences did their job[/]{again}, in {seconds:.1f} s.")
    if out.record:
        out.save_html(str(folder / "report.html"))
    return not trip.failed


@contextmanager
def sources(folder: Path) -> Iterator[tuple[SalesApi, Sensors]]:
    """The two live sources, and the token in the environment that the workspace file refers to."""
    emptied(folder)
    with SalesApi() as api, Sensors() as sensors:
        before = os.environ.get("SALES_TOKEN")
        os.environ["SALES_TOKEN"] = api.token
        try:
            yield api, sensors
        finally:
            os.environ.pop("SALES_TOKEN") if before is None else os.environ.update(SALES_TOKEN=before)


def emptied(folder: Path) -> None:
    """Removes the workspace of an earlier demo; anything else is left alone. Raises UsageError."""
    file = folder / "intendant.toml"
    if file.is_file() and file.read_text(encoding="utf-8").startswith(MARK):
        shutil.rmtree(folder)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{str(folder)!r} holds something else", hint="Name a folder that is empty or not there yet.")


def write_workspace(folder: Path, api: SalesApi, sensors: Sensors) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = FILE.format(mark=MARK, url=api.url, brokers=sensors.brokers, topic=TOPIC)
    (folder / "intendant.toml").write_text(text, encoding="utf-8")
    Intendant.init(folder).close()


def versions(folder: Path, api: SalesApi, sensors: Sensors) -> list[tuple[str, str]]:
    return [
        ("workspace", str(folder.resolve())),
        ("sales API", f"{api.url}/orders, {len(api.orders):,} orders with the faults of real ones, rate limited"),
        ("sensors", f"Kafka topic {TOPIC} at {sensors.brokers}, {sensors.count:,} messages, some malformed"),
        ("versions", ", ".join(f"{name} {version(name)}" for name in ("intendant", "duckdb", "dbos", "xllamacpp"))
         + f", Python {platform.python_version()}"),
        ("machine", f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}; nothing leaves it"),
    ]


def orders(trip: Tour, api: SalesApi) -> None:
    report.title(trip.out, "From the sales API to a store, in four sentences")
    for text in ORDERS:
        trip.say(text)
    if trip.failed:
        return
    trip.quarantined("staging.orders")
    report.title(trip.out, "Where total_revenue came from")
    trip.out.print(report.origin_tree(trip.app.lineage("staging.orders.total_revenue")))
    trip.proof(api)


def slow_query(trip: Tour, folder: Path) -> None:
    report.title(trip.out, "A slow query over past orders, found out and fixed")
    write_history(folder / "drops" / "history.parquet")
    loaded = trip.app.load(folder / "drops" / "history.parquet", "sales_history")
    trip.out.print(f"[dim]loaded {loaded.get('rows', 0):,} past orders from a file into sales_history[/]")
    trip.say(SLOW)


def readings(trip: Tour) -> None:
    report.title(trip.out, "A stream of IoT readings")
    for text, otherwise in READINGS:
        trip.say(text, otherwise)
    trip.quarantined("staging.readings")


def next_steps(folder: Path) -> list[tuple[str, str]]:
    """Commands to try, each with what it shows."""
    own = Path(sys.executable).parent / "intendant"
    command = "intendant" if shutil.which("intendant") else os.path.relpath(own) if own.exists() else "intendant"
    tried = (
        ("do 'Total revenue by status in staging.orders'", "another sentence"),
        ("history staging.orders", "what happened to it, and by which sentence"),
        ("rollback staging.orders", "takes the last change back"),
        ("sql 'SELECT * FROM quarantine.\"staging.orders\"'", "rows set aside, with their reasons"),
    )
    return [*((f"{command} {rest} -w {folder}", shows) for rest, shows in tried),
            (str(folder / "report.html"), "this report, to keep")]
