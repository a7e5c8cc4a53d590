"""SQL from people reads catalogued tables and nothing else, whatever it tries."""

from __future__ import annotations

import pyarrow as pa
import pytest

from intendant.engines.duckdb import DuckDB
from intendant.engines.readonly import checked, query
from intendant.errors import EngineError, SqlRefused
from intendant.lake import Lake
from intendant.types import Stamp

CANARY = "canary-5f1c"

ESCAPES = """
COPY orders TO '{out}'
COPY (SELECT 1) TO '{out}'
COPY orders FROM '{canary}'
ATTACH '{out}' AS x
DETACH memory
SELECT * FROM read_csv('{canary}')
SELECT * FROM read_text('{canary}')
SELECT * FROM read_blob('{canary}')
SELECT * FROM read_json('{canary}')
SELECT * FROM read_parquet('{canary}')
SELECT * FROM parquet_metadata('{canary}')
SELECT * FROM parquet_schema('{canary}')
SELECT * FROM '/etc/passwd'
SELECT * FROM '{canary}'
SELECT * FROM "{canary}"
SELECT * FROM 'https://example.com/x.csv'
SELECT * FROM 's3://bucket/x.parquet'
PRAGMA database_list
PRAGMA version
SET memory_limit = '1GB'
RESET memory_limit
SET lock_configuration = false
CHECKPOINT
FORCE CHECKPOINT
SELECT 1; DROP TABLE orders
SELECT 1; SELECT 2
WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
WITH d AS (INSERT INTO orders VALUES (1) RETURNING *) SELECT * FROM d
EXPLAIN ANALYZE DELETE FROM orders
EXPLAIN SELECT 1
DELETE FROM orders
UPDATE orders SET a = 1
INSERT INTO orders VALUES (1)
MERGE INTO orders USING orders AS s ON true WHEN MATCHED THEN DELETE
TRUNCATE orders
DROP VIEW orders
CREATE TABLE x AS SELECT 1
CREATE OR REPLACE MACRO sum(x) AS 1
ALTER TABLE orders RENAME TO x
CALL pragma_version()
INSTALL httpfs
LOAD httpfs
EXPORT DATABASE '{out}'
IMPORT DATABASE '{out}'
VACUUM
USE memory
BEGIN TRANSACTION
PREPARE p AS SELECT 1
EXECUTE p
SHOW TABLES
DESCRIBE orders
SUMMARIZE orders
SELECT getenv('HOME')
SELECT current_setting('temp_directory')
SELECT getvariable('x')
SELECT nextval('s')
SELECT pg_sleep(10)
SELECT sleep_ms(10)
SELECT write_log('x')
SELECT json_serialize_plan('SELECT 1')
SELECT * FROM query('SELECT 1')
SELECT * FROM query_table('orders')
SELECT * FROM json_execute_serialized_sql('x')
SELECT * FROM glob('/etc/*')
SELECT * FROM sniff_csv('{canary}')
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_settings()
SELECT * FROM which_secret('x', 's3')
SELECT * FROM pragma_table_info('orders')
SELECT * FROM histogram('orders', a)
SELECT * FROM duckdb_logs
SELECT * FROM pg_catalog.pg_class
SELECT * FROM information_schema.tables
SELECT * FROM sqlite_master
SELECT * FROM memory.main.orders
SELECT * FROM system.main.duckdb_tables
SELECT * FROM staging.nope
SELECT (SELECT content FROM read_text('{canary}'))
SELECT * FROM orders WHERE a IN (SELECT length(content) FROM read_text('{canary}'))
SELECT * FROM orders UNION ALL SELECT 1 FROM read_text('{canary}')
SELECT * FROM orders, LATERAL (SELECT * FROM read_text('{canary}'))
WITH x AS (SELECT * FROM read_text('{canary}')) SELECT * FROM x
SELECT * FROM (FROM read_text('{canary}'))
FROM read_text('{canary}')
SELECT list_transform([1], lambda x: getenv('HOME'))
SELECT count(*) FILTER (WHERE getenv('HOME') = '') FROM orders
SELECT sum(a) OVER (ORDER BY getenv('HOME')) FROM orders
SELECT * FROM orders ORDER BY getenv('HOME')
SELECT * FROM orders LIMIT (SELECT length(getenv('HOME')))
SELECT a INTO x FROM orders
TABLE "/etc/passwd"
PIVOT orders ON a USING count(*)
""".strip().splitlines()

HARMLESS = """
SELECT * FROM orders
select count(*), sum(a) from ORDERS where b like 'x%'
FROM orders
SELECT a, row_number() OVER (PARTITION BY b ORDER BY a) FROM orders QUALIFY row_number() OVER (ORDER BY a) = 1
WITH t AS (SELECT a FROM orders) SELECT max(a) FROM t
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n
SELECT * FROM staging.orders UNION ALL SELECT * FROM main.orders
SELECT date_trunc('month', now()), extract(year FROM now()), current_date, INTERVAL 3 DAY + DATE '2020-01-01'
SELECT CASE WHEN a > 1 THEN 'x' ELSE b END, coalesce(b, ''), a::VARCHAR || '!', try_cast(b AS INT) FROM orders
SELECT b, list(a ORDER BY a), string_agg(b, ','), count(DISTINCT a), quantile_cont(a, 0.5) FROM orders GROUP BY b
SELECT * EXCLUDE (a) FROM orders
SELECT unnest([1, 2, 3])
SELECT * FROM range(3)
SELECT regexp_extract(b, '[a-z]'), upper(b), b.lower(), substring(b, 1, 2), trim(b), replace(b, 'x', 'y') FROM orders
SELECT o.a FROM orders o LEFT JOIN staging.orders s USING (a) WHERE EXISTS (SELECT 1 FROM orders WHERE a = o.a)
SELECT [x * 2 FOR x IN [1, 2] IF x > 1], {'k': 1}.k, map {'a': 1}['a']
SELECT * FROM "Odd name, with 'quotes'"
VALUES (1), (2)
SELECT TIMESTAMPTZ '2020-01-01 00:00:00+00'
(SELECT 1) ORDER BY 1
SELECT json_extract('{"a": 1}', '$.a'), '{"a": 1}'->>'a'
SELECT a, sum(a) FROM orders GROUP BY ROLLUP (a)
""".strip().splitlines()


@pytest.fixture(scope="module")
def engine() -> DuckDB:
    return DuckDB(threads=1)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, engine: DuckDB) -> Lake:
    root = tmp_path_factory.mktemp("work space [1]") / "lake"
    lake = Lake(root, engine)
    for name in ("orders", "staging.orders", "Odd name, with 'quotes'"):
        stage = lake.stage(name, Stamp("run", "1"))
        stage.add(pa.table({"a": [1, 2], "b": ["x", "y"]}))
        lake.publish(stage, "replace")
    return lake


@pytest.mark.parametrize("sql", ESCAPES)
def test_a_statement_that_reaches_past_the_tables_is_refused(sql: str, lake: Lake, engine: DuckDB) -> None:
    canary, out = lake.root.parent / "canary.txt", lake.root.parent / "out"
    canary.write_text(CANARY)
    with pytest.raises(SqlRefused) as refused:
        query(lake, engine, sql.replace("{canary}", str(canary)).replace("{out}", str(out)))
    assert CANARY not in str(refused.value)
    assert refused.value.hint
    assert not out.exists()
    assert lake.snapshot("orders").rows == 2


@pytest.mark.parametrize("sql", HARMLESS)
def test_a_query_on_catalogued_tables_runs(sql: str, lake: Lake, engine: DuckDB) -> None:
    columns, rows = query(lake, engine, sql)
    assert columns
    assert rows


def test_even_past_both_parsers_the_engine_opens_nothing_outside_the_lake(lake: Lake, engine: DuckDB) -> None:
    from intendant.engines.failures import translated
    from intendant.engines.readonly import confine

    secret = lake.root.parent / "secret.txt"
    secret.write_text(CANARY)
    with engine.connect() as con:
        confine(con, lake.root.absolute())
        for sql in (f"SELECT * FROM read_text('{secret}')", f"SELECT * FROM '{secret}'",
                    f"COPY (SELECT 1) TO '{secret}'",
                    f"SELECT * FROM read_text('{lake.root}/../secret.txt')", "SET enable_external_access = true",
                    "SET allowed_directories = ['/']", f"ATTACH '{secret}.db' AS x", "LOAD httpfs", "INSTALL httpfs"):
            with pytest.raises(EngineError), translated({}):
                con.execute(sql).fetchall()
    assert secret.read_text() == CANARY


def test_python_variables_are_no_tables(engine: DuckDB) -> None:
    frame = pa.table({"a": [1]})
    with pytest.raises(EngineError):
        engine.rows("SELECT * FROM frame", {})
    assert frame.num_rows == 1


def test_a_query_beyond_its_time_is_stopped(lake: Lake, engine: DuckDB) -> None:
    with pytest.raises(EngineError, match="longer than"):
        query(lake, engine, "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range % 7 > b.range",
              seconds=0.2)


def test_at_most_limit_rows_are_given(lake: Lake, engine: DuckDB) -> None:
    assert query(lake, engine, "SELECT * FROM range(100)", limit=3)[1] == [(0,), (1,), (2,)]
    zoned = query(lake, engine, "SELECT to_timestamp(range) FROM range(100)", limit=3)[1]
    assert len(zoned) == 3


def test_the_used_tables_are_told_as_they_are_spelled() -> None:
    assert checked("SELECT * FROM ORDERS JOIN Staging.x USING (a)", ["orders", "staging.x", "y"])[1] == (
        "orders", "staging.x")


def test_an_unknown_table_comes_with_the_nearest_name() -> None:
    with pytest.raises(SqlRefused, match="Did you mean 'orders'"):
        checked("SELECT * FROM ordres", ["orders"])


def test_a_deeply_nested_statement_is_refused_not_crashed() -> None:
    with pytest.raises(SqlRefused):
        checked("SELECT " + "(" * 40_000 + "1" + ")" * 40_000, [])
