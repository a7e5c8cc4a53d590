"""Exports and deliveries: whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from tests.servers import mysql
from tests.servers.postgres import fresh_database

from intendant.errors import EngineError, SourceRefused, UsageError
from intendant.sinks.files import FORMATS, export
from intendant.sinks.sql import Mode, deliver
from intendant.types import Stamp

QUERY = "SELECT i AS id, 'x' || i AS \"two words\" FROM range(1000) t(i)"
READERS = {".csv": "read_csv", ".tsv": "read_csv", ".json": "read_json", ".jsonl": "read_json",
           ".ndjson": "read_json", ".parquet": "read_parquet"}


@pytest.mark.parametrize("suffix", [*FORMATS, ".csv.gz", ".json.gz", ".csv.zst"])
def test_an_export_has_every_row(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new folder" / f"it's{suffix}"
    assert export(duckdb.connect(), QUERY, path) == 1000
    reader = READERS[f".{suffix.split('.')[1]}"]
    assert duckdb.execute(f"SELECT * FROM {reader}(?)", [str(path)]).fetchall() == duckdb.execute(QUERY).fetchall()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["a.xls", "a", "a.gz", "a.parquet.gz"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no suffix that tells a format"):
        export(duckdb.connect(), QUERY, tmp_path / name)


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(EngineError, match=r"'a.csv' could not be written"):
        export(duckdb.connect(), "SELECT CASE WHEN i > 900000 THEN error('no') END AS v FROM range(1000000) t(i)", path)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def rows(*ids: int, name: str = "n") -> pa.Table:
    return pa.table({
        "id": pa.array(ids, pa.int64()), 'quo"te': [name] * len(ids), "day": [date(2024, 1, 1)] * len(ids),
        "at": [datetime(2024, 1, 1, 10)] * len(ids),
        "price": pa.array([Decimal("1.25")] * len(ids), pa.decimal128(9, 2)),
        "nested": [{"a": [1]}] * len(ids), "ok": [True] * len(ids), "none": pa.nulls(len(ids)),
    })


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[str], list[Any]], Path]:
    if request.param == "sqlite":
        def ask(sql: str) -> list[Any]:
            with sqlite3.connect(tmp_path / "a.db") as con:
                found = con.execute(sql).fetchall()
            con.close()
            return found

        return "sqlite:///a.db", ask, tmp_path
    if request.param == "mysql":
        mysql_url = mysql.fresh_database()

        def answered(sql: str) -> list[Any]:
            with mysql.connect(mysql_url) as con, con.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode = 'ANSI_QUOTES'")
                cursor.execute(sql)
                return list(cursor.fetchall())

        return mysql_url, answered, tmp_path
    url = fresh_database()

    def asked(sql: str) -> list[Any]:
        with psycopg.connect(url) as con:
            return con.execute(sql).fetchall()

    return url, asked, tmp_path


Target = tuple[str, Callable[[str], list[Any]], Path]
IDS = 'SELECT id, "quo""te" FROM "my table" ORDER BY id, 2'


def test_replace_append_and_upsert(target: Target) -> None:
    url, ask, root = target
    assert deliver(url, "my table", [rows(1, 2), rows(3)], "replace", root=root) == 3
    assert deliver(url, "my table", [rows(3, 4, name="new")], "upsert", ["id"], root=root) == 2
    assert ask(IDS) == [(1, "n"), (2, "n"), (3, "new"), (4, "new")]
    assert deliver(url, "my table", [rows(4)], "append", root=root) == 1
    assert [i for i, _ in ask(IDS)] == [1, 2, 3, 4, 4]
    assert deliver(url, "my table", [rows(9)], "replace", root=root) == 1
    assert ask(IDS) == [(9, "n")]


def test_values_arrive_as_what_they_are(target: Target) -> None:
    url, ask, root = target
    deliver(url, "my table", [rows(1)], "replace", root=root)
    (row,) = ask('SELECT day, at, price, nested, ok, "none" FROM "my table"')
    sqlite_row = ("2024-01-01", "2024-01-01 10:00:00", 1.25, '{"a": [1]}', 1, None)
    if url.startswith("mysql"):
        assert row == (date(2024, 1, 1), datetime(2024, 1, 1, 10), Decimal("1.25"), '{"a": [1]}', 1, None)
        return
    other = (date(2024, 1, 1), datetime(2024, 1, 1, 10), Decimal("1.25"), {"a": [1]}, True, None)
    assert row == (sqlite_row if url.startswith("sqlite") else other)


def test_a_delivery_that_breaks_leaves_what_was_there(target: Target) -> None:
    url, ask, root = target
    deliver(url, "my table", [rows(1)], "replace", root=root)

    def broken() -> Iterator[pa.Table]:
        yield rows(2)
        raise RuntimeError("the source broke")

    with pytest.raises((RuntimeError, SourceRefused)):
        deliver(url, "my table", broken(), "replace", root=root)
    assert ask(IDS) == [(1, "n")]


LEDGER = "SELECT run, step, \"table\", \"rows\" FROM intendant_deliveries ORDER BY 1, 2"


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_a_delivery_repeated_with_its_stamp_is_made_once(target: Target, mode: Mode) -> None:
    url, ask, root = target
    deliver(url, "my table", [rows(1)], "replace", root=root)
    for _ in range(2):
        stamp = Stamp("run 1", "2")
        assert deliver(url, "my table", [rows(2), rows(3)], mode, ["id"], root=root, stamp=stamp) == 2
        assert [i for i, _ in ask(IDS)] == ([2, 3] if mode == "replace" else [1, 2, 3])
    assert ask(LEDGER) == [("run 1", "2", "my table", 2)]


def test_the_next_step_and_the_next_run_deliver_again(target: Target) -> None:
    url, ask, root = target
    for stamp in (Stamp("a", "1"), Stamp("a", "2"), Stamp("b", "1")):
        assert deliver(url, "my table", [rows(1)], "append", root=root, stamp=stamp) == 1
    assert [i for i, _ in ask(IDS)] == [1, 1, 1] and len(ask(LEDGER)) == 3


def test_a_delivery_that_breaks_is_not_noted(target: Target) -> None:
    url, ask, root = target
    stamp = Stamp("a", "1")

    def broken() -> Iterator[pa.Table]:
        yield rows(2)
        raise RuntimeError("the source broke")

    deliver(url, "my table", [rows(1)], "append", root=root, stamp=Stamp("a", "0"))
    with pytest.raises((RuntimeError, SourceRefused)):
        deliver(url, "my table", broken(), "append", root=root, stamp=stamp)
    assert [step for _, step, _, _ in ask(LEDGER)] == ["0"]
    assert deliver(url, "my table", [rows(2)], "append", root=root, stamp=stamp) == 1
    assert ask(IDS) == [(1, "n"), (2, "n")]


def test_a_named_schema_has_its_own_notes() -> None:
    url = fresh_database()
    with psycopg.connect(url) as con:
        con.execute('CREATE SCHEMA "my sales"')
    for _ in range(2):
        assert deliver(url, "my sales.orders", [rows(1)], "append", stamp=Stamp("a", "1")) == 1
    with psycopg.connect(url) as con:
        assert con.execute('SELECT count(*) FROM "my sales".orders').fetchall() == [(1,)]
        assert con.execute('SELECT "table" FROM "my sales".intendant_deliveries').fetchall() == [("my sales.orders",)]


def test_an_upsert_needs_its_keys(target: Target) -> None:
    url, _, root = target
    with pytest.raises(UsageError, match="needs the columns that identify a row"):
        deliver(url, "t", [rows(1)], "upsert", root=root)
    with pytest.raises(UsageError, match="no column 'idd'"):
        deliver(url, "t", [rows(1)], "upsert", ["idd"], root=root)


def test_another_database_is_refused() -> None:
    with pytest.raises(UsageError, match="SQLite, PostgreSQL or MySQL"):
        deliver("oracle://x", "t", [rows(1)], "append")
