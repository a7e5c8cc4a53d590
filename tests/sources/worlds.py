"""The same rows offered by every kind of source, for the contract that all must keep."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.servers.kafka import KafkaServer
from tests.servers.mysql import connect, fresh_database
from tests.servers.rest import Collection, RestServer
from tests.sources.workbooks import xlsx

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
def excel(root: Path) -> Iterator[Mapping[str, Any]]:
    (root / "drops").mkdir()
    rows = [[*list(row.values())[:-1], datetime.fromisoformat(row["created_at"])] for row in ROWS]
    xlsx(root / "drops" / "orders.xlsx", {"Orders": [["The orders"], [], list(ROWS[0]), *rows]})
    xlsx(root / "drops" / "nothing.xlsx", {"Nothing": [["id", "created_at"]]})
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
def mysql(root: Path) -> Iterator[Mapping[str, Any]]:
    url = fresh_database()
    with connect(url) as con, con.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, `Select` INT, `two words` TEXT, `quo\"te` DOUBLE, code VARCHAR(9), "
                       "created_at DATETIME(6))")
        cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s)", [tuple(row.values()) for row in ROWS])
        cursor.execute("CREATE TABLE nothing (id INT)")
    yield {"kind": "sql", "url": url}


@contextmanager
def kafka(root: Path) -> Iterator[Mapping[str, Any]]:
    server = KafkaServer({"orders": [json.dumps(row).encode() for row in ROWS], "nothing": []})
    yield {"kind": "kafka", "brokers": server.brokers, "topics": ["orders", "nothing"]}


@contextmanager
def dlt(root: Path) -> Iterator[Mapping[str, Any]]:
    pytest.importorskip("dlt", reason="needs the extra dlt")
    with RestServer({"/orders": Collection(ROWS, "next_url", 100), "/nothing": Collection([], "next_url")}) as api:
        client = {"base_url": api.url, "paginator": {"type": "json_link", "next_url_path": "next"}}
        resources = [{"name": name, "endpoint": {"path": name, "data_selector": "data"}} for name in ("orders", "nothing")]
        args = {"config": {"client": client, "resources": resources}}
        yield {"kind": "dlt", "source": "dlt.sources.rest_api:rest_api_source", "args": args}


WORLDS: Mapping[str, World] = {"rest": rest, "files": files, "sql": sql, "kafka": kafka, "excel": excel, "mysql": mysql, "dlt": dlt}
"""A world for each kind, and more for kinds that speak several formats."""
BAD_CONFIGS: Mapping[str, tuple[tuple[Mapping[str, Any], str], ...]] = {
    "rest": (({}, "needs a url"), ({"url": "ftp://x"}, "http or https"), ({"url": "http://x", "auht": 1}, "'auth'"),
             ({"url": "http://x", "auth": {"beerer": "t"}}, "'bearer'"),
             ({"url": "http://x", "auth": {"api_key": {"value": "v"}}}, "one of header or query"),
             ({"url": "http://x", "limits": {"requests_per_second": -1}}, "above 0"),
             ({"url": "http://x", "timeouts": {"conect": 1}}, "'connect'")),
    "files": (({}, "needs a path"), ({"path": "x", "pth": 1}, "'path'")),
    "sql": (({}, "needs a url"), ({"url": "oracle://x"}, "SQLite, PostgreSQL or MySQL"),
            ({"url": "mysql://u@h"}, "names no host or no database"), ({"url": "mysql://u:a/b@h/d"}, "url of MySQL can't be read"),
            ({"url": "mysql://u@h/d?ssl_mod=x"}, "'ssl_mode'"), ({"url": "mysql://u@h/d?ssl_mode=on"}, "ssl_mode is one of")),
    "dlt": (({}, "needs a source"), ({"source": "os"}, "module:function"), ({"source": "a:b", "args": 1}, "args must be a table"),
            ({"source": "a:b", "arg": {}}, "'args'"),
            ({"source": "a:b", "resources": {"x": {"kei": 1}}}, "'key'")),
    "kafka": (({}, "needs brokers"), ({"brokers": "x:1"}, "needs topics")),
}
