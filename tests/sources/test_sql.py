"""SQL sources on a real SQLite file and a real PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from tests.servers.postgres import fresh_database

from intendant.errors import IntendantError, SourceDamaged, SourceRefused, SourceUnreachable
from intendant.sources import open_source
from intendant.types import ReadRequest


def read(url: str, root: Path, request: ReadRequest) -> pa.Table:
    source = open_source("db", {"kind": "sql", "url": url}, root)
    return pa.concat_tables(source.read(request, lambda kind, data: None), promote_options="permissive")


def sqlite_with(path: Path, *statements: str) -> str:
    con = sqlite3.connect(path / "a.db")
    con.executescript(";".join(statements))
    con.commit()
    con.close()
    return "sqlite:///a.db"


def test_loosely_typed_values_all_survive(tmp_path: Path) -> None:
    url = sqlite_with(tmp_path, "CREATE TABLE t (i INTEGER, at TEXT, day TEXT, ok BOOLEAN, big INTEGER, b BLOB)",
                      "INSERT INTO t VALUES (1, '2024-01-01 10:00:00', '2024-01-01', 1, 9007199254740993, x'00ff'),"
                      "('one', '2024-01-02T10:00:00Z', '2024-01-02', 0, 1.5, NULL), (NULL, NULL, NULL, NULL, 1, 'x')")
    table = read(url, tmp_path, ReadRequest("t"))
    assert table["i"].to_pylist() == ["1", "one", None]
    assert table["at"].to_pylist() == [datetime(2024, 1, 1, 10), datetime(2024, 1, 2, 10), None]
    assert table["day"].to_pylist() == [date(2024, 1, 1), date(2024, 1, 2), None]
    assert table["ok"].to_pylist() == [True, False, None]
    assert table["big"].to_pylist() == ["9007199254740993", "1.5", "1"]
    assert table["b"].to_pylist() == ["0x00ff", None, "x"]


def test_a_cursor_finds_moments_however_they_are_spelled(tmp_path: Path) -> None:
    url = sqlite_with(tmp_path, "CREATE TABLE t (id INTEGER, at TEXT)",
                      "INSERT INTO t VALUES (1, '2024-01-01 09:00:00'), (2, '2024-01-01 11:00:00'),"
                      "(3, '2024-01-01T11:00:00Z'), (4, 'soon')")
    table = read(url, tmp_path, ReadRequest("t", after=("at", "2024-01-01T10:00:00")))
    assert {2, 3} <= set(table["id"].to_pylist()) and 1 not in table["id"].to_pylist()


def test_a_broken_sqlite_file_and_a_missing_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceDamaged, match=r"'a.db' can't be read as SQLite"):
        read("sqlite:///a.db", tmp_path, ReadRequest("t"))
    with pytest.raises(SourceRefused, match=r"There is no SQLite file 'b.db'"):
        read("sqlite:///b.db", tmp_path, ReadRequest("t"))


def test_a_sqlite_source_is_never_written(tmp_path: Path) -> None:
    url = sqlite_with(tmp_path, "CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)")
    before = (tmp_path / "a.db").read_bytes()
    read(url, tmp_path, ReadRequest("t"))
    assert (tmp_path / "a.db").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.fixture(scope="module")
def postgres() -> str:
    url = fresh_database()
    with psycopg.connect(url) as con:
        con.execute('CREATE TABLE "Or""ders" (id int PRIMARY KEY, "select" text, price numeric(10, 2), free numeric, '
                    "at timestamptz, day date, j jsonb, u uuid, tags text[], span interval, ok boolean)")
        con.execute("INSERT INTO \"Or\"\"ders\" SELECT i, 'it''s ' || i, i * 1.25, i / 8.0, "
                    "timestamptz '2024-01-01 10:00+02' + i * interval '1 day', date '2024-01-01' + i, "
                    "'{\"a\": [1]}', '550e8400-e29b-41d4-a716-446655440000', ARRAY['a', 'b'], interval '1 day', true "
                    "FROM generate_series(0, 49) i")
        con.execute("CREATE SCHEMA other")
        con.execute("CREATE TABLE other.nothing (id int)")
    return url


def test_postgres_tables_are_described(postgres: str, tmp_path: Path) -> None:
    orders, nothing = open_source("db", {"kind": "sql", "url": postgres}, tmp_path).resources()
    assert (orders.name, orders.key, orders.timestamp) == ('Or"ders', "id", "at")
    assert [c.type for c in orders.columns[:3]] == ["INTEGER", "VARCHAR", "DECIMAL(10,2)"]
    assert nothing.name == "other.nothing"


def test_postgres_values_come_as_what_they_are(postgres: str, tmp_path: Path) -> None:
    row = read(postgres, tmp_path, ReadRequest('Or"ders')).to_pylist()[1]
    at = row.pop("at")
    assert at == datetime(2024, 1, 2, 8, tzinfo=UTC)
    assert row == {"id": 1, "select": "it's 1", "price": Decimal("1.25"), "free": Decimal("0.125"),
                   "day": date(2024, 1, 2), "j": '{"a": [1]}', "u": "550e8400-e29b-41d4-a716-446655440000",
                   "tags": ["a", "b"], "span": "1 day", "ok": True}


@pytest.mark.parametrize(("after", "first"), [(("id", 40), 41), (("at", "2024-02-01T00:00:00Z"), 31),
                                              (("day", date(2024, 2, 10)), 41)])
def test_postgres_takes_cursor_order_and_count(postgres: str, tmp_path: Path, after: Any, first: int) -> None:
    request = ReadRequest('Or"ders', after=after, count=3, order="oldest", by="id", columns=("id",))
    assert read(postgres, tmp_path, request).to_pylist() == [{"id": first + i} for i in range(3)]


def test_a_cursor_value_is_never_sql(postgres: str, tmp_path: Path) -> None:
    request = ReadRequest('Or"ders', after=("select", "x' OR '1'='1'; DROP TABLE other.nothing; --"))
    source = open_source("db", {"kind": "sql", "url": postgres}, tmp_path)
    assert sum(len(t) for t in source.read(request, lambda kind, data: None)) == 0
    assert len(source.resources()) == 2


@pytest.mark.parametrize(("change", "error", "text"), [
    (lambda url: "postgresql://u:hush@127.0.0.1:1/db", SourceUnreachable, "not reachable"),
    (lambda url: url.replace("postgres:", "nobody:hush"), SourceRefused, "PostgreSQL refused"),
])
def test_a_database_that_does_not_open_says_why_but_not_the_password(
        postgres: str, tmp_path: Path, change: Callable[[str], str], error: type[IntendantError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        open_source("db", {"kind": "sql", "url": change(postgres)}, tmp_path).resources()
    assert "hush" not in str(caught.value)
