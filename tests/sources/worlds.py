"""The same rows offered by every kind of source, for the contract that all must keep."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.kafka import KafkaServer
from tests.servers.rest import Collection, RestServer

__all__ = ["BAD_CONFIGS", "ROWS", "WORLDS"]

ROWS = [
    {"id": i, "Select": i % 7, "two words": f"text {i}", 'quo"te': i / 2, "code": f"{i:04d}",
     "created_at": f"2024-01-{i % 28 + 1:02d}T10:{i % 60:02d}:00"}
    for i in range(500)
]
World = Callable[[Path], Any]


@contextmanager
def rest(root: Path) -> Iterator[Mapping[str, Any]]:
    with RestServer({"/orders": Collection(ROWS, "page", 100, sort=True), "/nothing": Collection([], "page")},
                    root={"orders": "/orders", "nothing": "/nothing"}) as api:
        yield {"kind": "rest", "url": api.url}


@contextmanager
def files(root: Path) -> Iterator[Mapping[str, Any]]:
    (root / "drops").mkdir()
    with (root / "drops" / "orders.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)
    (root / "drops" / "nothing.csv").write_text("id,created_at\n")
    yield {"kind": "files", "path": "drops/"}


@contextmanager
def sql(root: Path) -> Iterator[Mapping[str, Any]]:
    con = sqlite3.connect(root / "shop.db")
    con.execute('CREATE TABLE orders (id INTEGER PRIMARY KEY, "Select" INTEGER, "two words" TEXT, "quo""te" REAL, '
                "code TEXT, created_at TIMESTAMP)")
    con.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", [tuple(row.values()) for row in ROWS])
    con.execute("CREATE TABLE \"nothing\" (id INTEGER)")
    con.commit()
    con.close()
    yield {"kind": "sql", "url": "sqlite:///shop.db"}


@contextmanager
def kafka(root: Path) -> Iterator[Mapping[str, Any]]:
    server = KafkaServer({"orders": [json.dumps(row).encode() for row in ROWS], "nothing": []})
    yield {"kind": "kafka", "brokers": server.brokers, "topics": ["orders", "nothing"]}


WORLDS: Mapping[str, World] = {"rest": rest, "files": files, "sql": sql, "kafka": kafka}
BAD_CONFIGS: Mapping[str, tuple[tuple[Mapping[str, Any], str], ...]] = {
    "rest": (({}, "needs a url"), ({"url": "ftp://x"}, "http or https"), ({"url": "http://x", "auht": 1}, "'auth'"),
             ({"url": "http://x", "auth": {"beerer": "t"}}, "'bearer'"),
             ({"url": "http://x", "auth": {"api_key": {"value": "v"}}}, "one of header or query"),
             ({"url": "http://x", "limits": {"requests_per_second": -1}}, "above 0"),
             ({"url": "http://x", "timeouts": {"conect": 1}}, "'connect'")),
    "files": (({}, "needs a path"), ({"path": "x", "pth": 1}, "'path'")),
    "sql": (({}, "needs a url"), ({"url": "oracle://x"}, "SQLite or PostgreSQL")),
    "kafka": (({}, "needs brokers"), ({"brokers": "x:1"}, "needs topics")),
}
