"""Names and values are the same after source, lake, transform and sink; what a target can't hold is refused, with the mend."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.postgres import fresh_database

from intendant.app import Intendant
from intendant.errors import SourceDamaged, SourceRefused
from intendant.sinks.sql import deliver
from intendant.sources import open_source
from intendant.types import ReadRequest

COLUMNS = {
    "id": "int", "Név 🙂": "text", 'quo"te': "text", "Select": "varchar(20)", "d38": "numeric(38,10)", "free": "numeric",
    "hugeint": "numeric(39,0)", "big": "bigint", "small": "smallint", "single": "real", "double": "double precision",
    "zoned": "timestamptz", "local": "timestamp", "whole": "timestamp(0)", "day": "date", "clock": "time", "clock_tz": "timetz",
    "span": "interval", "ok": "boolean", "bytes": "bytea", "doc": "json", "docb": "jsonb", "key": "uuid", "ints": "int[]",
    "texts": "text[]", "decimals": "numeric[]", "days": "date[]", "moments": "timestamptz[]", "square": "int[][]",
    "flags": "boolean[]", "keys": "uuid[]", "address": "inet", "letters": "char(5)", "bits": "bit(3)", "long": "text",
}
FULL = (
    "1", "'né 🙂'", "'it''s \"q\"'", "'x'", "1234567890123456789012345678.0123456789", "1.50",
    "170141183460469231731687303715884105727", "9223372036854775807", "-32768", "1.1", "0.1",
    "'1969-12-31 23:59:59.999999+02'", "'1900-01-01 00:00:00.000001'", "'2500-01-01 10:00:00'", "'2500-12-31'",
    "'23:59:59.999999'", "'10:00:00+05:30'", "'1 year 2 mons 3 days 04:05:06.789'", "true", "'\\x00ff10'",
    """'{"a": 1, "b":[1, 2.50]}'""", """'{"z": 1, "a": 12345678901234567890.123}'""",
    "'550e8400-e29b-41d4-a716-446655440000'", "ARRAY[1,NULL,3]", "ARRAY['a','b\"c',NULL,'']", "ARRAY[1.5,2.25]",
    "ARRAY['2024-01-01'::date]", "ARRAY['2024-01-01 00:00+01'::timestamptz]", "ARRAY[[1,2],[3,4]]", "ARRAY[true,false,NULL]",
    "ARRAY['550e8400-e29b-41d4-a716-446655440000'::uuid]", "'10.0.0.1/8'", "'ab'", "B'101'", "repeat('x🙂', 200000)",
)
ODD = {"id": "2", "Név 🙂": "''", "d38": "-0.0000000001", "free": "'NaN'", "hugeint": "-1", "big": "-9223372036854775808",
       "single": "'NaN'", "double": "'NaN'", "zoned": "'infinity'", "local": "'-infinity'", "day": "'infinity'",
       "clock": "'24:00:00'", "span": "'-1 day'", "ok": "false", "bytes": "''", "doc": "'null'", "docb": "'[]'",
       "ints": "'{}'", "texts": "'{}'"}
EDGE = {"id": "3", "free": "123.456", "single": "'Infinity'", "double": "'-Infinity'", "zoned": "'0001-01-01 00:00+00'",
        "local": "'9999-12-31 23:59:59.999999'", "day": "'-infinity'", "span": "'100 years'"}
NAMES = ", ".join('"' + name.replace('"', '""') + '"' for name in COLUMNS)
STEPS = "transform t\n  filter id > 0\n  derive id2 = id + 1\n  rename d38 to price\n  into t2"


def row(values: dict[str, str]) -> str:
    return ", ".join(values.get(name, "NULL") for name in COLUMNS)


def made(con: psycopg.Connection[Any], name: str, extra: str = "") -> None:
    columns = ", ".join(f"{quoted} {type_}" for quoted, type_ in zip(NAMES.split(", "), COLUMNS.values(), strict=True))
    con.execute(f"CREATE TABLE {name} ({columns}{extra})")  # type: ignore[call-overload]


def texts(url: str, table: str, columns: str = NAMES) -> list[tuple[Any, ...]]:
    """All values as PostgreSQL shows them."""
    shown = ", ".join(f"{column}::text" for column in columns.split(", "))
    with psycopg.connect(url) as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(f"SELECT {shown} FROM {table} ORDER BY id").fetchall()  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def postgres() -> str:
    url = fresh_database()
    with psycopg.connect(url) as con:
        made(con, "t")
        for values in (dict(zip(COLUMNS, FULL, strict=True)), ODD, EDGE):
            con.execute(f"INSERT INTO t VALUES ({row(values)})")  # type: ignore[call-overload]
        made(con, "same", ", id2 bigint")
        con.execute("ALTER TABLE same RENAME d38 TO price")
        con.execute("CREATE TABLE scales (id int, v numeric, pad text)")
        con.execute("INSERT INTO scales SELECT i, i + CASE WHEN i <= 9000 THEN 0.25 ELSE 0.123456789 END, repeat('x', 2000) "
                    "FROM generate_series(1, 18000) i")
    return url


@pytest.fixture(scope="module")
def lake(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intendant]:
    """The table `t` from PostgreSQL, and `t2` that a transformation made of it."""
    root = tmp_path_factory.mktemp("types")
    Intendant.init(root).close()
    with (root / "intendant.toml").open("a") as file:
        file.write(f'\n[sources.pg]\nkind = "sql"\nurl = "{postgres}"\n[sources.lite]\nkind = "sql"\nurl = "sqlite:///a.db"\n')
    with Intendant(root) as app:
        for plan in ("ingest pg.t into t", STEPS):
            assert app.do(plan, approve=True).status == "succeeded"
        yield app


def done(app: Intendant, plan: str) -> None:
    result = app.do(plan, approve=True)
    assert result.status == "succeeded", result.error


@pytest.mark.parametrize("mode", ["append", "replace", "upsert on id"])
def test_every_type_comes_back_into_a_table_of_its_types(lake: Intendant, postgres: str, mode: str) -> None:
    if mode == "append":
        with psycopg.connect(postgres) as con:
            con.execute("DELETE FROM same")
    done(lake, f"deliver t2 to pg.same {mode}")
    assert texts(postgres, "same", NAMES.replace('"d38"', "price")) == texts(postgres, "t")
    with psycopg.connect(postgres) as con:
        found = con.execute("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'same'::regclass "
                            "AND attnum > 0 ORDER BY attnum").fetchall()
    assert [t for (t,) in found][10:16] == ["double precision", "timestamp with time zone", "timestamp without time zone",
                                           "timestamp(0) without time zone", "date", "time without time zone"]


def test_every_value_comes_back_into_a_new_table(lake: Intendant, postgres: str) -> None:
    done(lake, "deliver t2 to pg.fresh replace")
    assert texts(postgres, "fresh", NAMES.replace('"d38"', "price")) == texts(postgres, "t")
    with psycopg.connect(postgres) as con:
        types = dict(con.execute("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                                 "WHERE attrelid = 'fresh'::regclass AND attnum > 0").fetchall())
    assert {n: types[n] for n in ("id", "price", "single", "small", "ints", "texts", "moments", "key")} == {
        "id": "integer", "price": "numeric(38,10)", "single": "real", "small": "smallint", "ints": "integer[]",
        "texts": "text[]", "moments": "timestamp with time zone[]", "key": "text"}


def test_parquet_holds_every_value_as_itself(lake: Intendant) -> None:
    done(lake, "export t2 to 'out/t.parquet'")
    one, two, three = pq.read_table(lake.workspace.root / "out/t.parquet").sort_by("id").select([
        "price", "big", "double", "ints", "bytes", "hugeint", "Név 🙂"]).to_pylist()
    assert one == {"price": Decimal("1234567890123456789012345678.0123456789"), "big": 2**63 - 1, "double": 0.1,
                   "ints": [1, None, 3], "bytes": b"\x00\xff\x10", "hugeint": str(2**127 - 1), "Név 🙂": "né 🙂"}
    assert two["price"] == Decimal("-0.0000000001") and two["double"] != two["double"] and two["Név 🙂"] == ""
    assert three["double"] == float("-inf") and three["price"] is None
    table = pq.read_table(lake.workspace.root / "out/t.parquet", columns=["zoned", "local"]).sort_by("zoned")
    assert table.schema.field("zoned").type == pa.timestamp("us", "UTC")
    assert datetime(1969, 12, 31, 21, 59, 59, 999999, tzinfo=UTC) in table["zoned"].slice(0, 2).to_pylist()
    assert table.schema.field("local").type == pa.timestamp("us")


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_json_keeps_every_digit_and_is_json(lake: Intendant, name: str) -> None:
    done(lake, f"export t2 to 'out/{name}'")
    raw = (lake.workspace.root / "out" / name).read_text(encoding="utf-8")

    def no_constant(text: str) -> Any:
        raise AssertionError(f"{text} is no JSON")

    loads = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant).decode
    rows = loads(raw) if name == "t.json" else [loads(line) for line in raw.splitlines()]
    one, two, three = sorted(rows, key=lambda r: r["id"])
    assert one["price"] == Decimal("1234567890123456789012345678.0123456789") and one["big"] == 2**63 - 1
    assert one["zoned"] == "1969-12-31 21:59:59.999999+00" and one["local"] == "1900-01-01 00:00:00.000001"
    assert one["ints"] == [1, None, 3] and one["texts"] == ["a", 'b"c', None, ""] and one['quo"te'] == 'it\'s "q"'
    assert one["long"] == "x🙂" * 200000 and one["doc"] == '{"a": 1, "b":[1, 2.50]}'
    assert two["double"] == "NaN" and three["double"] == "-Infinity" and two["single"] == "NaN" and two["price"] == Decimal("-1E-10")


def test_csv_keeps_every_digit_and_nested_values_as_json(lake: Intendant) -> None:
    done(lake, "export t2 to 'out/t.csv'")
    csv.field_size_limit(10_000_000)
    with (lake.workspace.root / "out/t.csv").open(newline="", encoding="utf-8") as file:
        one, two, three = sorted(csv.DictReader(file), key=lambda r: r["id"])
    assert one["price"] == "1234567890123456789012345678.0123456789" and one["big"] == str(2**63 - 1)
    assert one["double"] == "0.1" and one["day"] == "2500-12-31" and one["bytes"] == "\\x00\\xFF\\x10"
    assert json.loads(one["texts"]) == ["a", 'b"c', None, ""] and one['quo"te'] == 'it\'s "q"' and one["ok"] == "true"
    assert (two["double"], three["double"], two["zoned"], three["day"]) == ("nan", "-inf", "infinity", "-infinity")


def test_a_csv_is_read_back_with_every_digit(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("seventeen,shortest,long,code\n0.10000000000000001,0.30000000000000004,"
                                    "1234567890123456789012345678.0123456789,007\n1.5,2,-3,010\n")
    source = open_source("drops", {"kind": "files", "path": "a.csv"}, tmp_path)
    (table,) = source.read(ReadRequest("a"), lambda kind, data: None)
    assert table.schema.types == [pa.decimal128(18, 17), pa.float64(), pa.decimal128(38, 10), pa.string()]
    assert table.to_pylist()[0] == {"seventeen": Decimal("0.10000000000000001"), "shortest": 0.30000000000000004,
                                    "long": Decimal("1234567890123456789012345678.0123456789"), "code": "007"}


SQLITE = pa.table({
    "id": pa.array([1, 2], pa.int64()), "Név 🙂": ["né 🙂", ""], 'quo"te': ["007", None], "ID2": [2**63 - 1, -2**63],
    "price": pa.array([Decimal("12.50"), Decimal("-0.01")], pa.decimal128(10, 2)),
    "d38": pa.array([Decimal("1234567890123456789012345678.0123456789"), None], pa.decimal128(38, 10)),
    "double": [0.1 + 0.2, float("inf")], "ok": [True, None], "bytes": [b"\x00\xff", b""],
    "zoned": pa.array([datetime(1969, 12, 31, 21, 59, 59, 999999, tzinfo=UTC), datetime(2500, 1, 1, tzinfo=UTC)],
                      pa.timestamp("us", "UTC")),
    "local": pa.array([datetime(1900, 1, 1, 0, 0, 0, 1), datetime(9999, 12, 31)], pa.timestamp("us")),
    "day": [date(1, 1, 1), date(2500, 12, 31)], "long": ["x" * 300_000, "y"],
})


def sqlite_rows(root: Path, table: str) -> pa.Table:
    source = open_source("lite", {"kind": "sql", "url": "sqlite:///a.db"}, root)
    return pa.concat_tables(source.read(ReadRequest(table), lambda kind, data: None))


def test_sqlite_gives_back_what_was_delivered(tmp_path: Path) -> None:
    deliver("sqlite:///a.db", "t", [SQLITE], "replace", root=tmp_path)
    back = sqlite_rows(tmp_path, "t")
    assert back.to_pylist() == SQLITE.to_pylist()
    assert back.schema.types == SQLITE.schema.types


def test_sqlite_through_lake_and_transform_is_the_same(lake: Intendant) -> None:
    deliver("sqlite:///a.db", "t", [SQLITE], "replace", root=lake.workspace.root)
    done(lake, "ingest lite.t into lite_t")
    done(lake, "transform lite_t filter id > 0 derive id3 = id + 1 into lite_t2")
    done(lake, "deliver lite_t2 to lite.back replace")
    assert sqlite_rows(lake.workspace.root, "back").drop_columns("id3").to_pylist() == SQLITE.to_pylist()


def refused(url: str, root: Path, values: pa.Array, table: str = "t") -> str:
    with pytest.raises(SourceRefused) as caught:
        deliver(url, table, [pa.table({"v": values})], "append", root=root)
    assert "Nothing was written" in caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(("declared", "values", "says"), [
    ("REAL", pa.array([float("nan")]), "has no NaN"), ("REAL", pa.array([2**53 + 1]), "integer 9007199254740993 exactly"),
    ("INTEGER", pa.array(["007"]), "turn the text '007' into a number"),
    ("NUMERIC(38,10)", pa.array([Decimal("12345678901234567.25")]), "round the decimal 12345678901234567.25"),
])
def test_sqlite_refuses_what_its_column_would_bend(tmp_path: Path, declared: str, values: pa.Array, says: str) -> None:
    with sqlite3.connect(tmp_path / "a.db") as con:
        con.execute(f"CREATE TABLE t (v {declared})")
    con.close()
    assert says in refused("sqlite:///a.db", tmp_path, values)


@pytest.mark.parametrize(("declared", "values", "says"), [
    ("bigint", pa.array([1.5]), "would change '1.5'"), ("numeric(10,2)", pa.array([Decimal("1.255")]), "would change '1.255'"),
    ("numeric(10,2)", pa.array(["1.255"]), "would change '1.255'"), ("date", pa.array([datetime(2024, 1, 1, 10)]), "2024-01-01 10"),
    ("timestamp", pa.array(["2024-01-01 10:00+02"]), "2024-01-01 10:00+02"), ("time", pa.array(["10:00+02"]), "10:00+02"),
    ("double precision", pa.array([Decimal("12345678901234567.25")]), "would change"), ("smallint", pa.array([40000]), "smallint"),
    ("text", pa.array(["a\0b"]), "NUL character"), ("uuid", pa.array(["no key"]), "invalid input syntax for type uuid"),
    ("varchar(2)", pa.array(["abc"]), "too long"),
])
def test_postgres_refuses_what_its_column_would_bend(declared: str, values: pa.Array, says: str, postgres: str,
                                                     tmp_path: Path) -> None:
    with psycopg.connect(postgres) as con:
        con.execute("DROP TABLE IF EXISTS bent")
        con.execute(f"CREATE TABLE bent (v {declared})")  # type: ignore[call-overload]
    assert says in refused(postgres, tmp_path, values, "bent")


def test_an_array_of_undeclared_dimensions_is_not_flattened(tmp_path: Path) -> None:
    url = fresh_database()
    with psycopg.connect(url) as con:
        con.execute("CREATE TABLE t (v int[])")
        con.execute("INSERT INTO t VALUES (ARRAY[[1,2],[3,4]])")
    source = open_source("db", {"kind": "sql", "url": url}, tmp_path)
    with pytest.raises(SourceDamaged, match="several dimensions"):
        list(source.read(ReadRequest("t"), lambda kind, data: None))


def test_a_numeric_of_any_scale_stays_exact_over_batches(lake: Intendant) -> None:
    done(lake, "ingest pg.scales into scales")
    assert lake.sql("SELECT CAST(v AS TEXT) AS v FROM scales WHERE id IN (1, 18000) ORDER BY id")["rows"] == [
        ["1.250000000"], ["18000.123456789"]]


def test_nested_values_are_delivered_as_exact_json(tmp_path: Path, postgres: str) -> None:
    type_ = pa.struct({"d": pa.decimal128(38, 10), "n": pa.float64(), "b": pa.binary(), "at": pa.timestamp("us", "UTC"),
                       "in": pa.list_(pa.struct({"x": pa.int64()}))})
    value = {"d": Decimal("1234567890123456789012345678.0123456789"), "n": float("nan"), "b": b"\xff",
             "at": datetime(2024, 1, 1, tzinfo=UTC), "in": [{"x": 2**63 - 1}, None]}
    table = pa.table({"id": [1], "v": pa.array([value], type_), "m": pa.array([[(7, "x")]], pa.map_(pa.int64(), pa.string()))})
    deliver(postgres, "nested", [table], "replace")
    with psycopg.connect(postgres) as con:
        (v, m) = con.execute("SELECT v::text, m::text FROM nested").fetchall()[0]
    assert json.loads(v, parse_float=Decimal) == {
        "d": value["d"], "n": "NaN", "b": "\\xff", "at": "2024-01-01T00:00:00+00:00", "in": [{"x": 2**63 - 1}, None]}
    assert json.loads(m) == {"7": "x"}


def test_an_empty_table_empties_what_it_replaces(lake: Intendant, postgres: str) -> None:
    done(lake, "deliver t2 to pg.gone replace")
    done(lake, "transform t2 filter id > 99 into nothing_left")
    done(lake, "deliver nothing_left to pg.gone replace")
    with psycopg.connect(postgres) as con:
        assert con.execute("SELECT count(*) FROM gone").fetchall() == [(0,)]
