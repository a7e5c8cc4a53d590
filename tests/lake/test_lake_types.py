"""Everything that DuckDB can produce can be stored, and reads back without loss."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.lake.schema import NULL, from_delta, storable, to_delta, unify
from intendant.types import Column, Stamp

CASES: list[tuple[str, str, object]] = [
    ("1::TINYINT", "TINYINT", 1), ("200::UTINYINT", "SMALLINT", 200), ("60000::USMALLINT", "INTEGER", 60000),
    ("4000000000::UINTEGER", "BIGINT", 4000000000), ("5::UBIGINT", "BIGINT", 5),
    ("18446744073709551615::UBIGINT", "DECIMAL(38,0)", Decimal(18446744073709551615)),
    ("7::HUGEINT", "BIGINT", 7), (f"{10**37}::HUGEINT", "DECIMAL(38,0)", Decimal(10**37)),
    ("170141183460469231731687303715884105727::HUGEINT", "VARCHAR", str(2**127 - 1)),
    ("340282366920938463463374607431768211455::UHUGEINT", "VARCHAR", str(2**128 - 1)),
    ("1.5::FLOAT", "FLOAT", 1.5), ("'inf'::DOUBLE", "DOUBLE", float("inf")),
    ("1.25::DECIMAL(10,2)", "DECIMAL(10,2)", Decimal("1.25")),
    ("TRUE", "BOOLEAN", True), ("'a\\0é'", "VARCHAR", "a\\0é"), ("'\\xAA'::BLOB", "BLOB", b"\xaa"),
    ("DATE '2024-02-29'", "DATE", dt.date(2024, 2, 29)), ("TIME '10:00:00.5'", "VARCHAR", "10:00:00.5"),
    ("TIMESTAMP '2024-01-01 00:00:00.123456'", "TIMESTAMP", dt.datetime(2024, 1, 1, 0, 0, 0, 123456)),
    ("TIMESTAMP_S '2024-01-01 00:00:01'", "TIMESTAMP", dt.datetime(2024, 1, 1, 0, 0, 1)),
    ("TIMESTAMP_NS '2024-01-01 00:00:00.123456'", "TIMESTAMP", dt.datetime(2024, 1, 1, 0, 0, 0, 123456)),
    ("TIMESTAMPTZ '2024-01-01 01:00:00+01'", "TIMESTAMP WITH TIME ZONE", dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
    ("INTERVAL 3 DAY", "VARCHAR", "3 days"), ("'101'::BIT", "VARCHAR", "101"), ("'b'::ENUM('a','b')", "VARCHAR", "b"),
    ("'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::UUID", "VARCHAR", "4ac7a9e9-607c-4c8a-84f3-843f0191e3fd"),
    ("'{\"a\":1}'::JSON", "VARCHAR", '{"a":1}'), ("[1, 2]", "INTEGER[]", [1, 2]),
    ("[1, 2]::INT[2]", "INTEGER[]", [1, 2]),
    ("{'a b': 1, 't': TIME '10:00:00'}", 'STRUCT("a b" INTEGER, t VARCHAR)', {"a b": 1, "t": "10:00:00"}),
    ("[{'x': [1]}]", "STRUCT(x INTEGER[])[]", [{"x": [1]}]), ("map {'k': 1}", "MAP(VARCHAR, INTEGER)", {"k": 1}),
    ("union_value(k := 1)", "VARCHAR", "1"), ("DATE 'infinity'", "DATE", None),
    ("0.1::DECIMAL(38,38)", "DECIMAL(38,38)", Decimal("0.1")),
]


@pytest.mark.parametrize(("sql", "kind", "value"), CASES)
def test_a_value_of_any_type_is_stored_and_read_back(sql: str, kind: str, value: object, lake: Lake,
                                                     engine: DuckDB) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    stage.add_sql(engine, f"SELECT {sql} AS v UNION ALL SELECT NULL", {})
    snapshot = lake.publish(stage, "replace")
    assert snapshot.columns == (Column("v", kind),)
    rows = engine.rows("SELECT v FROM t WHERE v IS NOT NULL", {"t": snapshot})[1]
    if value is not None:
        assert rows == [(value,)]
    assert engine.rows("SELECT count(*) FROM t", {"t": snapshot})[1] == [(2,)]
    if value is not None:
        theirs = pa.RecordBatchReader.from_stream(DeltaTable(lake.root / "main" / "t").scan()).read_all()
        assert theirs.num_rows == 2


@pytest.mark.parametrize("column", [
    pa.array(["a", "b"]).dictionary_encode(), pa.array(["a"], pa.large_string()), pa.array([1], pa.uint64()),
    pa.array([Decimal(10**50)], pa.decimal256(60, 0)), pa.array([1], pa.time64("ns")),
    pa.array([1], pa.duration("us")),
    pa.array([1], pa.timestamp("ns")), pa.array([1], pa.timestamp("ms", "Europe/Berlin")), pa.array([1], pa.date64()),
    pa.array([b"x"], pa.large_binary()), pa.array([[1]], pa.list_(pa.int8(), 1)), pa.nulls(1),
    pa.array([{"a": None}]), pa.array([1.0], pa.float16()), pa.array(["x"], pa.string_view()),
])
def test_any_arrow_column_is_stored(column: pa.Array, lake: Lake, engine: DuckDB) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    stage.add(pa.table({"v": column}))
    snapshot = lake.publish(stage, "replace")
    assert engine.rows("SELECT count(*) FROM t", {"t": snapshot})[1] == [(len(column),)]


@pytest.mark.parametrize(("a", "b", "both"), [
    ("INTEGER", "BIGINT", "BIGINT"), ("BIGINT", "DOUBLE", "DOUBLE"), ("TINYINT", "DECIMAL(10,2)", "DECIMAL(10,2)"),
    ("DECIMAL(38,0)", "DECIMAL(10,5)", "DOUBLE"), ("DATE", "TIMESTAMP", "TIMESTAMP"), ("FLOAT", "INTEGER", "DOUBLE"),
    ("BOOLEAN", "BIGINT", "VARCHAR"), ("DATE", "BIGINT", "VARCHAR"), ("BIGINT[]", "VARCHAR[]", "VARCHAR[]"),
    (NULL, "DATE", "DATE"), ("STRUCT(a BIGINT)", "VARCHAR", "VARCHAR"), ("BIGINT[]", "BIGINT", "VARCHAR"),
    ("MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, DOUBLE)", "MAP(VARCHAR, DOUBLE)"),
])
def test_two_types_meet_in_the_narrowest_that_holds_both(a: str, b: str, both: str) -> None:
    assert (unify(a, b), unify(b, a)) == (both, both)


@pytest.mark.parametrize("kind", [kind for _, kind, _ in CASES])
def test_a_stored_type_survives_the_log(kind: str) -> None:
    assert storable(kind) == kind
    assert from_delta(to_delta([Column("v", kind)]), "here") == (Column("v", kind),)
