"""Deliveries into MySQL: in one transaction, without bending a value, and named when the database says no."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.servers.mysql import Server, connect, fresh_database, needs_mysql

from intendant.errors import SourceRefused, SourceUnreachable
from intendant.sinks.sql import deliver
from intendant.sources import open_source
from intendant.types import ReadRequest, Stamp

pytestmark = needs_mysql


@pytest.fixture
def url() -> str:
    return fresh_database()


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    with connect(url) as con, con.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def back(url: str, table: str) -> pa.Table:
    return pa.concat_tables(
        open_source("s", {"kind": "sql", "url": url}, None).read(ReadRequest(table), lambda *_: None)
    )


def test_values_come_back_as_they_were(url: str) -> None:
    table = pa.table(
        {
            "u": pa.array([2**64 - 1, None], pa.uint64()),
            "i": pa.array([-(2**63), 0], pa.int64()),
            "t": pa.array([-128, 127], pa.int8()),
            "d": pa.array([Decimal("-12345678901234567890.000001"), Decimal("1e-6")], pa.decimal128(38, 6)),
            "f": pa.array([0.1, -1e300], pa.float64()),
            "f4": pa.array([16777216.0, 0.1], pa.float32()),
            "day": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
            "at": pa.array([dt.datetime(2024, 2, 29, 1, 2, 3, 4), None]),
            "ts": pa.array([dt.datetime(2024, 2, 29, 1, 2, 3, 4), None], pa.timestamp("us", "Europe/Berlin")),
            "s": ["it's \\ \" 🐘 \n\0 %s", ""],
            "b": pa.array([b"\x00\xff'\\", b""]),
            "wide": pa.array(["x" * 70_000, "y"], pa.large_string()),
        }
    )
    assert deliver(url, "t", [table], "append") == 2
    got = back(url, "t")
    assert got.to_pylist() == table.set_column(8, "ts", table["ts"].cast(pa.timestamp("us", "UTC"))).to_pylist()
    assert got.schema.field("ts").type == pa.timestamp("us", "UTC") and got.schema.field("u").type == pa.uint64()


@pytest.mark.parametrize(
    ("type_", "values", "shown"),
    [
        ("BIGINT", [1.5], "1.5"),
        ("DECIMAL(10,2)", [1.255], "1.255"),
        ("DECIMAL(10,2)", [Decimal("1.255")], "1.255"),
        ("DATE", [dt.datetime(2024, 1, 1, 10)], "2024-01-01 10:00:00"),
        ("DATETIME", [dt.datetime(2024, 1, 1, 10, 0, 0, 5)], "10:00:00.000005"),
        ("DOUBLE", [2**53 + 1], "9007199254740993"),
        ("INT", ["1.5"], "1.5"),
        ("DATETIME", ["2024-01-01T10:00:00+02:00"], "+02:00"),
        ("CHAR(5)", ["a "], "a "),
        ("ENUM('a')", ["A"], "A"),
        ("TINYINT", [300], "Out of range value for column 'v'"),
        ("VARCHAR(2)", ["abc"], "Data too long for column 'v'"),
        ("INT", ["abc"], "Incorrect"),
        ("ENUM('a')", ["b"], "Data truncated for column 'v'"),
        ("VARCHAR(9) CHARACTER SET latin1", ["🐘"], "Incorrect string value"),
        ("TIMESTAMP", [dt.datetime(1960, 1, 1)], "Incorrect datetime value"),
        ("JSON", ["{"], "CONSTRAINT"),
        ("BINARY(3)", [b"a"], "'a'"),
    ],
)
def test_a_value_that_the_column_would_bend_is_refused_and_nothing_written(
    type_: str, values: list[Any], shown: str, url: str
) -> None:
    run(url, f"CREATE TABLE t (id INT PRIMARY KEY, v {type_} NULL)", "INSERT INTO t (id) VALUES (7)")
    with pytest.raises(SourceRefused) as caught:
        deliver(url, "t", [pa.table({"id": [1], "v": values})], "append")
    assert shown in str(caught.value) and "Nothing was written" in caught.value.hint and caught.value.where == "t"
    assert run(url, "SELECT id FROM t") == [(7,)]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("DECIMAL(10,2)", 1.25),
        ("INT", 5.0),
        ("DATE", dt.datetime(2024, 1, 1)),
        ("DATETIME", "2024-01-01 10:00:00"),
        ("INT", "12"),
        ("DECIMAL(5,3)", "1.5"),
        ("ENUM('a','b')", "a"),
        ("VARCHAR(9) CHARACTER SET latin1", "café"),
        ("FLOAT", 0.1),
        ("BIT(1)", True),
        ("JSON", '{"a": 1}'),
        ("TIME", "10:00:00"),
        ("YEAR", 2024),
        ("BIGINT UNSIGNED", 2**63 - 1),
        ("SET('x','y')", "x,y"),
        ("TEXT", dt.date(2024, 1, 1)),
    ],
)
def test_a_value_that_fits_goes_into_a_column_of_another_type(type_: str, value: Any, url: str) -> None:
    run(url, f"CREATE TABLE t (id INT PRIMARY KEY, v {type_} NULL)")
    assert deliver(url, "t", [pa.table({"id": [1, 2], "v": [value, None]})], "append") == 2
    assert run(url, "SELECT COUNT(v) FROM t") == [(1,)]


def test_nan_and_far_moments_are_refused(url: str) -> None:
    with pytest.raises(SourceRefused, match=r"'v' has NaN.*MySQL has no word.*Filter or replace"):
        deliver(url, "t", [pa.table({"v": [float("nan")]})], "append")
    with pytest.raises(SourceRefused, match=r"'v' has moments before the year 1"):
        deliver(url, "t", [pa.table({"v": pa.array([2**62], pa.timestamp("us"))})], "append")
    assert run(url, "SHOW TABLES") == []


def test_an_upsert_changes_rows_in_place_and_keeps_what_was_not_delivered(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, v INT, note TEXT)",
        "CREATE TABLE child (t VARCHAR(9), FOREIGN KEY (t) REFERENCES t (id))",
        "INSERT INTO t VALUES ('a', 1, 'kept'), ('b', 2, 'b')",
        "INSERT INTO child VALUES ('a')",
    )
    assert deliver(url, "t", [pa.table({"id": ["a", "c"], "v": [10, 30]})], "upsert", ["id"]) == 2
    assert run(url, "SELECT * FROM t ORDER BY id") == [("a", 10, "kept"), ("b", 2, "b"), ("c", 30, None)]
    with pytest.raises(SourceRefused, match=r"Two rows have the same key, id = 'a'.*Drop duplicates"):
        deliver(url, "t", [pa.table({"id": ["a", "a"], "v": [1, 2]})], "upsert", ["id"])


def test_an_upsert_by_other_columns_than_the_primary_key(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, code VARCHAR(9), v INT)",
        "INSERT INTO t VALUES (1, 'x', 1), (2, NULL, 2)",
    )
    assert deliver(url, "t", [pa.table({"id": [5, 6], "code": ["x", None], "v": [10, 20]})], "upsert", ["code"]) == 2
    assert run(url, "SELECT * FROM t ORDER BY id") == [(5, "x", 10), (6, None, 20)]


def test_a_broken_constraint_is_named_and_nothing_written(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, CONSTRAINT `v above 0` CHECK (v > 0), UNIQUE KEY `one v` (v))",
        "INSERT INTO t VALUES (1, 1)",
    )
    for rows, text in (
        ({"id": [1], "v": [5]}, "Duplicate entry '1' for key 'PRIMARY'"),
        ({"id": [2], "v": [1]}, "'one v'"),
        ({"id": [2], "v": [-1]}, "`v above 0`"),
        ({"id": [2], "v": [None]}, "'v' cannot be null"),
    ):
        with pytest.raises(SourceRefused, match="MySQL refused the rows") as caught:
            deliver(
                url,
                "t",
                [
                    pa.table({"id": [9], "v": [9]}),
                    pa.table(rows, schema=pa.schema({"id": pa.int64(), "v": pa.int64()})),
                ],
                "append",
                stamp=Stamp("r", "1"),
            )
        assert text in str(caught.value) and "Nothing was written" in caught.value.hint
    assert run(url, "SELECT * FROM t") == [(1, 1)] and run(url, "SELECT COUNT(*) FROM intendant_deliveries") == [(0,)]
    with pytest.raises(SourceRefused, match=r"no column 'w'.*It has: id, v"):
        deliver(url, "t", [pa.table({"w": [1]})], "append")


def test_replace_keeps_a_table_that_fits_and_makes_another_anew(url: str) -> None:
    run(url, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9) COMMENT 'keep me')", "INSERT INTO t VALUES (1, 'a')")
    assert deliver(url, "t", [pa.table({"id": [2], "v": ["b"]})], "replace", stamp=Stamp("r", "1")) == 1
    assert "keep me" in run(url, "SHOW CREATE TABLE t")[0][1] and run(url, "SELECT * FROM t") == [(2, "b")]
    for _ in range(2):
        assert deliver(url, "t", [pa.table({"id": ["x"], "w": [1]})], "replace", stamp=Stamp("r", "2")) == 1
    assert run(url, "SELECT * FROM t") == [("x", 1)]
    assert {name for (name,) in run(url, "SHOW TABLES")} == {"t", "intendant_deliveries"}


def test_a_replacement_that_breaks_leaves_the_old_table_and_nothing_beside_it(url: str) -> None:
    run(url, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1)")

    def broken() -> Iterator[pa.Table]:
        yield pa.table({"other": [1]})
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        deliver(url, "t", broken(), "replace", stamp=Stamp("r", "1"))
    assert run(url, "SELECT * FROM t") == [(1,)] and {n for (n,) in run(url, "SHOW TABLES")} == {
        "t",
        "intendant_deliveries",
    }


def test_a_table_without_transactions_is_refused(url: str) -> None:
    run(url, "CREATE TABLE t (id INT) ENGINE = MyISAM")
    with pytest.raises(SourceRefused, match=r"kept by MyISAM, which has no transactions.*ENGINE = InnoDB"):
        deliver(url, "t", [pa.table({"id": [1]})], "append")


def test_two_deliveries_of_one_stamp_at_once_write_once(url: str) -> None:
    run(url, "CREATE TABLE t (id INT)")
    deliver(url, "t", [pa.table({"id": [0]})], "append", stamp=Stamp("r", "0"))
    written: list[int] = []

    def once() -> None:
        written.append(
            deliver(url, "t", [pa.table({"id": [1]}), pa.table({"id": [2]})], "append", stamp=Stamp("r", "1"))
        )

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [2, 2, 2, 2] and run(url, "SELECT id FROM t ORDER BY id") == [(0,), (1,), (2,)]


def test_a_server_killed_meanwhile_keeps_nothing_and_a_repeat_writes_once() -> None:
    own = Server()
    try:
        url = own.database()
        run(url, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (0)")

        def cut() -> Iterator[pa.Table]:
            yield pa.table({"id": pa.array(range(1000), pa.int32())})
            own.kill()
            yield pa.table({"id": pa.array(range(1000), pa.int32())})

        with pytest.raises(SourceUnreachable):
            deliver(url, "t", cut(), "append", stamp=Stamp("r", "1"))
        own.start()
        assert run(url, "SELECT COUNT(*) FROM t") == [(1,)]
        for _ in range(2):
            assert (
                deliver(
                    url, "t", [pa.table({"id": pa.array(range(1000), pa.int32())})], "append", stamp=Stamp("r", "1")
                )
                == 1000
            )
        assert run(url, "SELECT COUNT(*) FROM t") == [(1001,)]
    finally:
        own.close()


def test_many_rows_go_in_statements_of_bounded_size(url: str) -> None:
    table = pa.table({"id": pa.array(range(60_000)), "s": ["some text of a row"] * 60_000})
    assert deliver(url, "t", [table.slice(0, 30_000), table.slice(30_000)], "append") == 60_000
    assert run(url, "SELECT COUNT(*), COUNT(DISTINCT id), MAX(id) FROM t") == [(60_000, 60_000, 59_999)]
    with pytest.raises(SourceRefused, match=r"Raise max_allowed_packet"):
        deliver(url, "t", [pa.table({"id": [1], "s": ["x" * (33 << 20)]})], "append")
