"""A workspace with a source of every kind that needs no server of its own: files, SQLite, and a REST API in this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import CUSTOMERS, ORDERS
from tests.servers.rest import Collection, RestServer

from intendant.app import Intendant

__all__ = ["EVENTS", "World", "world"]

EVENTS: list[dict[str, Any]] = [
    {"id": i, "kind": "click" if i % 3 else "buy", "value": i / 2, "at": f"2025-01-{i % 28 + 1:02}T10:00:00"} for i in range(1, 61)
]
TOML = """
[sources.drops]
kind = "files"
path = "drops/"

[sources.crm]
kind = "sql"
url = "sqlite:///crm.db"

[sources.api]
kind = "rest"
url = "{url}"
auth = {{ bearer = "${{WORLD_TOKEN}}" }}

[sources.api.resources]
events = {{ path = "/events", key = "id", timestamp = "at" }}
changing = {{ path = "/changing", key = "id", timestamp = "at" }}
"""


class World:
    """`app` on `root`; `events` and `changing` are the REST collections' rows, which a test may change."""

    def __init__(self, root: Path, app: Intendant, api: RestServer) -> None:
        self.root, self.app, self.api = root, app, api

    @property
    def changing(self) -> Collection:
        return self.api.collections["/changing"]

    def file(self, name: str, text: str) -> None:
        (self.root / "drops" / name).write_text(text, encoding="utf-8")

    def rows(self, sql: str) -> list[list[Any]]:
        out: list[list[Any]] = self.app.sql(sql)["rows"]
        return out

    def done(self, text: str, **options: Any) -> Any:
        """The result of a plan that must succeed."""
        result = self.app.do(text, **options)
        assert result.status == "succeeded", (text, result.error, result.reason)
        return result


@contextmanager
def world(root: Path, token: str = "") -> Iterator[World]:
    """`orders`, `customers` and `bad_orders` are loaded; drops/orders.csv, crm.orders and the API's /events can be ingested."""
    (root / "drops").mkdir(parents=True)
    (root / "drops" / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (root / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    with sqlite3.connect(root / "crm.db") as con:
        con.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP)")
        con.executemany("INSERT INTO people VALUES (?, ?, ?)", [(i, f"p{i}", f"2025-01-0{i} 00:00:00") for i in range(1, 6)])
    con.close()
    collections = {
        "/events": Collection(EVENTS, "page", 25),
        "/changing": Collection(list(EVENTS[:10]), "page", 25),
    }
    with RestServer(collections, require=lambda r: not token or r.headers.get("Authorization") == f"Bearer {token}") as api:
        Intendant.init(root).close()
        (root / "intendant.toml").write_text(TOML.format(url=api.url), encoding="utf-8")
        with Intendant(root) as app:
            app.load(root / "drops" / "orders.csv", "orders")
            app.load(root / "customers.csv", "customers")
            (root / "bad.csv").write_text("order_id,region,amount\n1,north,lots\n", encoding="utf-8")
            app.load(root / "bad.csv", "bad_orders")
            yield World(root, app, api)
