"""A workspace worth breaking, and what is left of it afterwards, without what differs from run to run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.servers.rest import Collection, RestServer

from intendant.app import Intendant

RUN = "the-run"
PLAN = """ingest shop.orders into staging.orders
check staging.orders for not null customer, amount between 0 and 1000 on failure quarantine
transform staging.orders derive total = amount * quantity
transform staging.orders group by customer: sum total as revenue sort by customer into revenue
ingest drops.prices upsert on sku into prices
ingest shop.visits new rows by at into visits
provision mart from staging.orders sort by customer
schedule refresh of mart daily at 00:00
export revenue to 'out/revenue.csv'"""
TEMPORAL = ("ms", "bytes", "at", "timing_ms", "seconds")


def orders(n: int) -> list[dict[str, Any]]:
    """Orders of which one has a text for a number, one no customer, one an amount out of range."""
    rows = [{"id": i, "customer": f"c{i % 5}", "amount": 10.5 + i, "quantity": 1 + i % 3} for i in range(n)]
    return [
        {**r, "amount": "n/a"} if r["id"] == 27 else {**r, "customer": None} if r["id"] == 11 else
        {**r, "amount": 5000.0} if r["id"] == 13 else r
        for r in rows
    ]


def visits(n: int) -> list[dict[str, Any]]:
    return [{"id": i, "at": f"2025-01-{1 + i // 24:02}T{i % 24:02}:00:00", "page": f"/p{i % 4}"} for i in range(n)]


def shop() -> RestServer:
    """The shop's API: orders and visits in pages."""
    return RestServer({"/orders": Collection(orders(40), size=15), "/visits": Collection(visits(30), size=25)})


def settings(url: str, more: str = "") -> str:
    return f"""
[policy]
on_failure = "warn"
{more}
[sources.shop]
kind = "rest"
url = "{url}"
resources = {{ orders = {{ path = "/orders", key = "id" }}, visits = {{ path = "/visits", key = "id" }} }}
[sources.drops]
kind = "files"
path = "drops/"
"""


def template(folder: Path, api: RestServer) -> None:
    """A workspace with a history: prices to be upserted, visits to be continued, orders with a rule and a quarantine."""
    Intendant.init(folder).close()
    (folder / "intendant.toml").write_text(settings(api.url))
    (folder / "drops").mkdir()
    prices = folder / "drops" / "prices.csv"
    prices.write_text("sku,price\na,1.0\nb,2.0\nc,3.0\n")
    now = dict(api.collections)
    api.collections["/orders"] = Collection(orders(20), size=15)
    api.collections["/visits"] = Collection(visits(18), size=25)
    with Intendant(folder) as app:
        for text in (
            "ingest drops.prices into prices",
            "ingest shop.visits new rows by at into visits",
            "ingest shop.orders into staging.orders",
            "check staging.orders for quantity at least 1 on failure quarantine",
        ):
            result = app.do(text)
            assert result.status == "succeeded", result
    api.collections.update(now)
    prices.write_text("sku,price\nb,2.5\nd,4.0\n")


def left(folder: Path, run: str = RUN) -> dict[str, Any]:
    """Tables (rows, versions, settings), the run's facts in order, exported files, stages that remain."""
    app = Intendant(folder)
    try:
        app.journal.verify()
        facts = [[e.key, e.kind, plain(dict(e.data))] for e in app.journal.events(run)]
        tables = {name: table(app, name, run) for name in app.lake.names()}
        schedules = [[s["target"], s["plan"], s["cron"]] for s in app.schedules()]
    finally:
        app.close()
    out = {p.name: p.read_text() for p in (folder / "out").glob("*")}
    stages = [str(p.relative_to(folder)) for p in (folder / ".intendant" / "lake").glob("*/*/_stage/*")]
    return {"facts": facts, "tables": tables, "schedules": schedules, "files": out, "stages": stages}


def table(app: Intendant, name: str, run: str) -> dict[str, Any]:
    from intendant.operators.base import table_sql

    names, rows = app.engine.rows(f"SELECT * FROM {table_sql(name).sql('duckdb')}", {name: app.lake.snapshot(name)})
    kept = [i for i, n in enumerate(names) if n != "_run"]
    return {
        "columns": [names[i] for i in kept],
        "rows": sorted(json.dumps([r[i] for i in kept], default=str) for r in rows),
        "versions": [[s.version, s.rows, s.operation, s.run == run, s.step] for s in app.lake.history(name)],
        "settings": app.lake.settings(name),
    }


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in TEMPORAL}
    return [plain(v) for v in value] if isinstance(value, list) else value


@dataclass
class Zygote:
    """Runs orders in children that are killed where asked; see zygote.py."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Zygote:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        program = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        return cls(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env))

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def order(self, workspace: Path, *, do: str = "", **more: Any) -> int:
        """The wait status of a child that did `do` (or resumed, and did PLAN when nothing was known of it)."""
        assert self.process.stdin is not None and self.process.stdout is not None
        given = {"workspace": str(workspace), "do": do, "plan": PLAN, "run_id": RUN, "out": str(workspace / "result")}
        print(json.dumps({**given, **more}), file=self.process.stdin, flush=True)
        return int(json.loads(self.process.stdout.readline())["status"])


def copy(workspace: Path, to: Path) -> Path:
    shutil.copytree(workspace, to)
    return to
