"""MySQL and MariaDB: every type, zero dates, one snapshot, long rows, and a server that goes away."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.servers.mysql import Server, connect, fresh_database, needs_mysql

from intendant.engines.mysql import check_url, connected
from intendant.errors import SourceDamaged, SourceError, SourceRefused, SourceUnreachable, UnknownName, WorkspaceError
from intendant.sources import open_source
from intendant.sources.wire import packets
from intendant.types import ReadRequest

Rejected = list[tuple[str, str]]
URL = "mysql://team@127.0.0.1:1/shop"


@pytest.fixture
def url() -> str:
    return fresh_database()


def run(url: str, *statements: str) -> None:
    with connect(url) as con, con.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def read(url: str, table: str, rejected: Rejected | None = None, tmp: Any = None, **request: Any) -> pa.Table:
    def notify(kind: str, data: Any) -> None:
        if kind == "source.row_rejected":
            assert rejected is not None, data
            rejected.append((data["reason"], data["raw"]))

    batches = list(open_source("shop", {"kind": "sql", "url": url}, tmp).read(ReadRequest(table, **request), notify))
    return pa.concat_tables(batches) if batches else pa.table({})


@needs_mysql
def test_every_type_comes_as_what_it_is(url: str) -> None:
    run(
        url,
        """CREATE TABLE t (id INT PRIMARY KEY, ti TINYINT(1), ub BIGINT UNSIGNED, um MEDIUMINT UNSIGNED, wide DECIMAL(65,30),
        money DECIMAL(20,4), f FLOAT, d DOUBLE, at DATETIME(6), ts TIMESTAMP(6) NULL, day DATE, tm TIME(3), y YEAR, b1 BIT(1), b20 BIT(20),
        e ENUM('a','ü'), s SET('x','y'), j JSON, bl BLOB, vb VARBINARY(4), l1 VARCHAR(20) CHARACTER SET latin1, u4 TEXT,
        twice BIGINT AS (id * 2) STORED)""",
        """INSERT INTO t (id,ti,ub,um,wide,money,f,d,at,ts,day,tm,y,b1,b20,e,s,j,bl,vb,l1,u4) VALUES
        (1, 2, 18446744073709551615, 16777215, -12345678901234567890123456789012345.000000000000000000000000000001, 1234.5,
         16777217, 0.1,
         '2024-02-29 23:59:59.123456', '2024-01-01 12:00:00.5', '2024-02-29', '838:59:58.5', 2024, b'1', b'10000000000000000001',
         'ü', 'x,y',
         '{"a": [1, null]}', 0x00ff, 0x0102, 'café', '🐘 ''quoted'' \\\\ back'),
        (2, NULL, 0, 0, 0, -0.0001, 0.1, -1e300, '1000-01-01', NULL, '9999-12-31', '-10:00:00', 0, b'0', b'0',
         NULL, '', NULL, '', NULL, '', '')""",
    )
    table = read(url, "t")
    one, two = table.to_pylist()
    assert one == {
        "id": 1,
        "ti": 2,
        "ub": 2**64 - 1,
        "um": 16777215,
        "wide": "-12345678901234567890123456789012345.000000000000000000000000000001",
        "money": Decimal("1234.5000"),
        "f": 16777216.0,
        "d": 0.1,
        "at": dt.datetime(2024, 2, 29, 23, 59, 59, 123456),
        "ts": dt.datetime(2024, 1, 1, 10, 0, 0, 500000, dt.UTC),
        "day": dt.date(2024, 2, 29),
        "tm": "838:59:58.500",
        "y": 2024,
        "b1": True,
        "b20": 2**19 + 1,
        "e": "ü",
        "s": "x,y",
        "j": '{"a": [1, null]}',
        "bl": b"\x00\xff",
        "vb": b"\x01\x02",
        "l1": "café",
        "u4": "🐘 'quoted' \\ back",
        "twice": 2,
    }
    assert (
        two["ti"] is None
        and two["f"] == pytest.approx(0.1, abs=1e-8)
        and two["d"] == -1e300
        and two["tm"] == "-10:00:00.000"
    )
    assert (
        two["y"] == 0
        and two["b1"] is False
        and two["s"] == two["u4"] == ""
        and two["bl"] == b""
        and two["day"] == dt.date(9999, 12, 31)
    )
    types = {c.name: c.type for c in open_source("s", {"kind": "sql", "url": url}, None).resources()[0].columns}
    assert (
        types["ub"] == "UBIGINT"
        and types["wide"] == "VARCHAR"
        and types["ts"] == "TIMESTAMP WITH TIME ZONE"
        and types["b1"] == "BOOLEAN"
    )
    assert table.schema.field("money").type == pa.decimal128(20, 4) and table.schema.field("f").type == pa.float32()


@needs_mysql
def test_zero_dates_are_rejected_with_their_row(url: str) -> None:
    run(
        url,
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE TABLE t (id INT PRIMARY KEY, day DATE, at DATETIME)",
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
    )
    with connect(url) as con, con.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute(
            "INSERT INTO t VALUES (1,'2024-01-02',NULL),(2,'0000-00-00',NULL),(3,'2024-00-10',NULL),"
            "(4,'2024-02-30',NULL),(5,NULL,'0000-00-00 00:00:00'),(6,NULL,'2024-01-02 03:04:05')"
        )
    rejected: Rejected = []
    table = read(url, "t", rejected)
    assert table["id"].to_pylist() == [1, 6] and table.schema.field("day").type == pa.date32()
    assert [r for r, _ in rejected] == [
        "day is '0000-00-00', which is no date",
        "day is '2024-00-10', which is no date",
        "day is '2024-02-30', which is no date",
        "at is '0000-00-00 00:00:00', which is no datetime",
    ]
    assert rejected[0][1] == '{"id": "2", "day": "0000-00-00", "at": null}'


@needs_mysql
def test_names_with_backticks_spaces_and_percents_and_views_are_read(url: str) -> None:
    run(
        url,
        "CREATE TABLE `a ``b%s` (`i``d` INT PRIMARY KEY, `x %d` TEXT)",
        "INSERT INTO `a ``b%s` VALUES (1, 'v')",
        "CREATE VIEW `v` AS SELECT `x %d` AS x FROM `a ``b%s`",
    )
    assert read(url, "a `b%s").to_pylist() == [{"i`d": 1, "x %d": "v"}] and read(url, "v").to_pylist() == [{"x": "v"}]
    assert {r.name: r.key for r in open_source("s", {"kind": "sql", "url": url}, None).resources()} == {
        "a `b%s": "i`d",
        "v": None,
    }
    with pytest.raises(UnknownName, match=r"There is: a `b%s, v|Did you mean"):
        read(url, "zzzz")


@needs_mysql
def test_columns_order_count_and_cursor_are_pushed_down(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(9), ts TIMESTAMP NULL, at DATETIME(6), n INT)",
        "SET SESSION time_zone = '+00:00'",
        "INSERT INTO t SELECT seq, elt(1 + seq % 4, 'a', 'B', 'b', 'A'), '2024-01-01 00:00:00' + INTERVAL seq HOUR, "
        "'2024-01-01' + INTERVAL seq MICROSECOND, IF(seq % 2, seq, NULL) FROM seq_1_to_100",
    )
    assert read(url, "t", columns=["id"], count=3, order="latest", by="id")["id"].to_pylist() == [100, 99, 98]
    assert read(url, "t", columns=["n"], count=2, order="oldest", by="n")["n"].to_pylist() == [1, 3]
    assert read(url, "t", columns=["id"], after=("at", "2024-01-01T00:00:00.000098"))["id"].to_pylist() == [99, 100]
    moments = read(url, "t")["ts"]
    assert (
        len(read(url, "t", after=("ts", moments[97].as_py())))
        == len(read(url, "t", after=("ts", moments[97].as_py().isoformat())))
        == 2
    )
    assert set(read(url, "t", after=("name", "B"))["name"].to_pylist()) == {"a", "b"}
    assert len(read(url, "t", count=7)) == 7
    hostile = "x' OR 1=1 -- \\' \0"
    assert read(url, "t", after=("name", hostile)).num_rows == 0
    with pytest.raises(SourceRefused, match=r"is no moment to go on from.*Write it as 2024-01-31"):
        read(url, "t", after=("at", "yesterday"))
    with pytest.raises(SourceRefused, match="cursor can't be a list"):
        read(url, "t", after=("id", [1]))


@needs_mysql
def test_rows_written_meanwhile_are_not_seen(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "MOST_ROWS", 10)
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, pad TEXT)",
        "INSERT INTO t SELECT seq, repeat('x', 3000) FROM seq_1_to_3000",
    )
    batches = iter(open_source("s", {"kind": "sql", "url": url}, None).read(ReadRequest("t"), lambda *_: None))
    first = next(batches)
    run(url, "DELETE FROM t WHERE id > 100", "INSERT INTO t VALUES (9999, 'new')")
    ids = pa.concat_tables([first, *batches])["id"].to_pylist()
    assert sorted(ids) == list(range(1, 3001))


@needs_mysql
def test_the_source_cannot_write(url: str) -> None:
    run(url, "CREATE TABLE t (id INT)")
    from intendant.sources.wire.mysql import MySql

    database = MySql("s", url, lambda *_: None)
    with pytest.raises(SourceDamaged, match="READ ONLY transaction"):
        database._rows("INSERT INTO t VALUES (1)")
    database.close()


@needs_mysql
@pytest.mark.parametrize("size", [250, 251, 65_535, 65_536, (1 << 24) - 20, (1 << 24) + 5])
def test_values_of_every_length_arrive_whole(size: int, url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT, w TEXT)",
        f"INSERT INTO t VALUES (1, NULL, 'a'), (2, repeat('xyz', {size // 3 + 1}), NULL), (3, '', 'c')",
    )
    rows = read(url, "t").to_pylist()
    assert (
        rows[1]["v"] == "xyz" * (size // 3 + 1)
        and rows[0] == {"id": 1, "v": None, "w": "a"}
        and rows[2] == {"id": 3, "v": "", "w": "c"}
    )


@pytest.fixture
def own() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@needs_mysql
def test_a_server_killed_while_it_sends_is_unreachable_and_no_short_table(own: Server) -> None:
    url = own.database()
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, pad TEXT)",
        "INSERT INTO t SELECT seq, repeat('x', 3000) FROM seq_1_to_20000",
    )
    batches = iter(open_source("s", {"kind": "sql", "url": url}, None).read(ReadRequest("t"), lambda *_: None))
    got = len(next(batches))
    threading.Timer(0.0, own.kill).start()
    time.sleep(0.3)
    with pytest.raises(SourceUnreachable, match=r"MySQL is not reachable.*Check host and port") as caught:
        for batch in batches:
            got += len(batch)
    assert got < 20_000 and caught.value.retry and "s3cret" not in str(caught.value)
    with pytest.raises(SourceUnreachable):
        open_source("s", {"kind": "sql", "url": url}, None).resources()
    own.start()
    assert len(read(url, "t")) == 20_000


@needs_mysql
def test_a_query_killed_by_an_operator_is_an_error(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, pad TEXT)",
        "INSERT INTO t SELECT seq, repeat('x', 3000) FROM seq_1_to_20000",
    )
    batches = iter(open_source("s", {"kind": "sql", "url": url}, None).read(ReadRequest("t"), lambda *_: None))
    next(batches)
    with connect(url) as con, con.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL QUERY {int(number)}")
    with pytest.raises(SourceError, match=r"interrupted|closed the connection"):
        list(batches)


@needs_mysql
def test_a_wrong_password_and_a_wrong_database_are_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(SourceRefused, match=r"MySQL refused: Access denied.*Check user, password") as caught:
        open_source("s", {"kind": "sql", "url": url.replace("s3cret", "hunter2")}, None).resources()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SourceRefused, match="Unknown database"):
        open_source("s", {"kind": "sql", "url": url + "nope"}, None).resources()


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(SourceUnreachable, match="Check host and port, and that it runs"):
        open_source("s", {"kind": "sql", "url": URL}, None).resources()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mysql://team@127.0.0.1", "names no host or no database.*Write url"),
        ("mysql://u:sec/ret@h/d", "can't be read.*%2F"),
        (URL + "?ssl_moed=x", "Did you mean 'ssl_mode'"),
        (URL + "?ssl_mode=maybe", "ssl_mode is one of"),
        (URL + "?ssl_ca=/nowhere.pem", "ssl_ca can't be read"),
    ],
)
def test_a_bad_url_is_named_and_never_shown(url: str, text: str) -> None:
    with pytest.raises(WorkspaceError, match=text) as caught:
        check_url(url, "[sources.s]")
    assert "ret" not in caught.value.message.replace("retry", "")


@needs_mysql
def test_encryption_that_the_server_lacks_is_asked_for_in_vain(url: str) -> None:
    connected(url + "?ssl_mode=disabled", "s").close()
    with pytest.raises(SourceError):
        connected(url + "?ssl_mode=required", "s")
