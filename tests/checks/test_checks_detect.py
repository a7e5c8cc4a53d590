"""Each detector finds its planted fault, is silent on clean data, says why, and offers a mend that parses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from intendant.checks import Settings, detect
from intendant.checks.battery import DETECTORS
from intendant.engines.duckdb import DuckDB
from intendant.errors import UnknownName
from intendant.language import parse
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
CLEAN = """
SELECT i AS order_id, 'C' || lpad((i % 90)::VARCHAR, 4, '0') AS customer,
       ['Berlin', 'Paris', 'Rome', 'Madrid', 'Warsaw'][1 + (i % 90) % 5] AS city,
       ['Germany', 'France', 'Italy', 'Spain', 'Poland'][1 + (i % 90) % 5] AS country,
       round(exp(3 + (hash(i) % 1000) / 400.0), 2) AS amount, 1 + (hash(i * 7) % 9)::INTEGER AS quantity,
       'user' || i || '@example.com' AS email, ['paid', 'open', 'sent'][1 + (hash(i * 3) % 3)::INTEGER] AS status,
       lpad(((hash(i * 5) % 90000) + 10000)::VARCHAR, 5, '0') AS plz,
       ((hash(i * 11) % 500) / 100.0)::VARCHAR AS weight, DATE '2024-01-01' + (hash(i * 13) % 700)::INTEGER AS day,
       ['north gate', 'main entrance', 'delivery yard', 'south gate'][1 + (hash(i * 17) % 4)::INTEGER] AS place
FROM range(1000) r(i)
"""
PLANTED = {
    "gap": ("* REPLACE (CASE WHEN order_id IN (3, 5) THEN NULL ELSE status END AS status)", "not_null", "status", 2),
    "blank": ("* REPLACE (CASE WHEN order_id IN (3, 5) THEN '  ' ELSE status END AS status)", "not_null", "status", 2),
    "token": ("* REPLACE (CASE WHEN order_id % 3 = 0 THEN 'N/A' ELSE plz END AS plz)", "missing_value", "plz", 334),
    "nines": ("* REPLACE (CASE WHEN order_id % 4 = 0 THEN 9999 ELSE quantity END AS quantity)", "missing_value",
              "quantity", 250),
    "minus one": ("* REPLACE (CASE WHEN order_id % 2 = 0 THEN -1 ELSE amount END AS amount)", "missing_value", "amount",
                  500),
    "epoch": ("* REPLACE (CASE WHEN order_id % 4 = 0 THEN DATE '1900-01-01' ELSE day END AS day)", "missing_value",
              "day", 250),
    "few nines": ("* REPLACE (CASE WHEN order_id < 4 THEN 999 ELSE quantity END AS quantity)", "missing_value",
                  "quantity", 4),
    "few epochs": ("* REPLACE (CASE WHEN order_id < 4 THEN '1900-01-01' ELSE day::VARCHAR END AS day)",
                   "missing_value", "day", 4),
    "no number": ("* REPLACE (CASE WHEN order_id = 9 THEN '4,x' ELSE weight END AS weight)", "type", "weight", 1),
    "other format": ("* REPLACE (CASE WHEN order_id % 5 = 0 THEN weight || '%' ELSE weight END AS weight)", "type",
                     "weight", 200),
    "mixed dates": ("* EXCLUDE (day), CASE WHEN order_id % 9 = 0 THEN strftime(day, '%d/%m/%Y') ELSE day::VARCHAR END"
                    " AS day", "type", "day", 112),
    "mixed units": ("* REPLACE (weight || [' kg', ' KG', 'kgs'][1 + order_id % 3] AS weight)", "type", "weight", 1000),
    "repeated key": ("* REPLACE (CASE WHEN order_id = 9 THEN 8 ELSE order_id END AS order_id)", "unique",
                     "order_id", 1),
    "negative": ("* REPLACE (CASE WHEN order_id = 9 THEN -2 ELSE quantity END AS quantity)", "range", "quantity", 1),
    "far away": ("* REPLACE (CASE WHEN order_id = 9 THEN 1e12 ELSE amount END AS amount)", "range", "amount", 1),
    "blanks around": ("* REPLACE (CASE WHEN order_id = 9 THEN ' paid' ELSE status END AS status)", "text_normalise",
                      "status", 1),
    "other case": ("* REPLACE (CASE WHEN order_id % 90 = 4 THEN 'SENT' ELSE status END AS status)", "text_normalise",
                   "status", 12),
    "other shape": ("* REPLACE (CASE WHEN order_id = 9 THEN 'x-' || customer ELSE customer END AS customer)", "pattern",
                    "customer", 1),
    "other length": ("* REPLACE (CASE WHEN order_id = 9 THEN '123' ELSE plz END AS plz)", "pattern", "plz", 1),
    "misspelling": ("* REPLACE (CASE WHEN order_id = 9 THEN 'Germny' ELSE country END AS country)", "typo", "country",
                    1),
    "misspelt word": ("* REPLACE (CASE WHEN order_id = 9 THEN 'main entrnace' ELSE place END AS place)", "typo",
                      "place", 1),
    "wrong city": ("* REPLACE (CASE WHEN order_id = 9 THEN 'Paris' ELSE city END AS city)", "dependency", "city", 1),
    "gap that others fill": ("* REPLACE (CASE WHEN order_id % 6 = 0 THEN NULL ELSE city END AS city)", "dependency",
                             "city", 167),
    "misplaced": ("* REPLACE (CASE WHEN order_id < 6 THEN place || ' ' || status ELSE place END AS place,"
                  " CASE WHEN order_id < 6 THEN NULL ELSE status END AS status)", "misplaced", "place", 6),
}


def found(engine: DuckDB, table: Make, select: str) -> list[Finding]:
    snapshot = table(f"SELECT {select} FROM ({CLEAN}) ORDER BY order_id", "staging.orders")
    return detect(engine, "staging.orders", snapshot)


def test_a_clean_table_has_no_findings(engine: DuckDB, table: Make):
    assert found(engine, table, "*") == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_with_evidence_and_a_mend_that_parses(fault: str, engine: DuckDB, table: Make):
    select, check, column, rows = PLANTED[fault]
    findings = found(engine, table, select)
    hits = [f for f in findings if (f.check, f.column) == (check, column)]
    assert [f.rows for f in hits] == [rows], findings
    assert hits[0].total == 1000
    assert hits[0].evidence.endswith(".")
    assert column in hits[0].evidence
    for f in findings:
        assert 0 < f.confidence <= 1
        parse(f.mend)
    # what else is said is said of the same cells, not of other columns
    assert {f.column for f in findings} <= {column, "status" if fault == "misplaced" else column}


def test_rows_that_are_there_already_are_found(engine: DuckDB, table: Make):
    snapshot = table("SELECT i % 7 AS a, i // 7 AS b FROM range(49) r(i) UNION ALL SELECT 3, 3", "t")
    hit, = [f for f in detect(engine, "t", snapshot) if f.check == "duplicate_row"]
    assert (hit.rows, hit.column, hit.mend) == (1, None, "transform t drop duplicates")


def test_sources_that_disagree_about_the_same_thing_are_put_to_a_vote(engine: DuckDB, table: Make):
    told = "CASE WHEN (hash(f * 31 + s) % 4) = 0 THEN 'late ' || s || 'x' || f ELSE 'on ' || f * 7 END"
    snapshot = table(f"SELECT 's' || s AS source, 'f' || f AS flight, {told} AS left_at,"
                     f" {told.replace('31', '37')} AS came_at FROM range(12) a(s), range(40) b(f)")
    hits = {f.column: f for f in detect(engine, "t", snapshot) if f.check == "conflict"}
    assert set(hits) == {"left_at", "came_at"}
    wrong = engine.rows("SELECT count(*) FROM t WHERE left_at LIKE 'late%'", {"t": snapshot})[1][0][0]
    assert hits["left_at"].rows == wrong
    assert engine.rows(f"SELECT count(*) FROM t WHERE {hits['left_at'].where} AND left_at LIKE 'late%'",
                       {"t": snapshot})[1][0][0] == wrong


def test_a_declared_key_is_checked_and_its_gaps_are_grave(engine: DuckDB, table: Make):
    snapshot = table("SELECT CASE WHEN i % 4 = 0 THEN NULL ELSE i // 2 END AS nr FROM range(100) r(i)")
    hits = {f.check: f for f in detect(engine, "t", snapshot, key=["nr"])}
    assert (hits["not_null"].rows, hits["not_null"].severity, hits["not_null"].confidence) == (25, "HIGH", 1.0)
    assert hits["unique"].rows == 25
    with pytest.raises(UnknownName, match="Did you mean 'nr'"):
        detect(engine, "t", snapshot, key=["nrr"])


def test_a_dissent_that_another_column_explains_is_no_error(engine: DuckDB, table: Make):
    sql = ("SELECT 'c' || i % 30 AS code, CASE WHEN i % 40 = 0 THEN 'AK' ELSE 'AL' END AS state,"
           " CASE WHEN i % 40 = 0 THEN 'ak_' ELSE 'al_' END || 'c' || i % 30 AS average FROM range(1200) r(i)")
    assert [f for f in detect(engine, "t", table(sql)) if f.check == "dependency"] == []


def test_namibia_is_not_missing(engine: DuckDB, table: Make):
    sql = "SELECT ['DE', 'FR', 'NA', 'US'][1 + i % 4] AS country FROM range(100) r(i)"
    assert [f for f in detect(engine, "t", table(sql)) if f.check == "missing_value"] == []


def test_a_frequent_word_among_numbers_is_a_category(engine: DuckDB, table: Make):
    sql = "SELECT CASE WHEN i % 9 = 0 THEN 'exempt' ELSE (i % 13)::VARCHAR END AS tax FROM range(200) r(i)"
    assert detect(engine, "t", table(f"SELECT i AS id, * FROM ({sql}) POSITIONAL JOIN range(200) r(i)")) == []


def test_one_uniform_unit_is_a_convention(engine: DuckDB, table: Make):
    sql = "SELECT i AS id, (i * 7 % 50) || ' kg' AS weight FROM range(200) r(i)"
    assert detect(engine, "t", table(sql)) == []


def test_words_that_are_real_are_no_misspellings_of_each_other(engine: DuckDB, table: Make):
    sql = ("SELECT i AS id, CASE WHEN i < 3 THEN 'American Dark Wheat Ale' WHEN i < 8 THEN 'Dark Lager ' || i"
           " ELSE 'American Pale Wheat Ale' END AS style FROM range(200) r(i)")
    assert [f for f in detect(engine, "t", table(sql)) if f.check == "typo"] == []


def test_a_large_column_is_judged_by_a_sample_of_its_values_and_counted_whole(engine: DuckDB, table: Make):
    sql = ("SELECT CASE WHEN i = 77 THEN ' ' ELSE '' END ||"
           " CASE WHEN i % 50 = 0 THEN 'x' || i ELSE i || '-' || i % 7 END AS part FROM range(4000) r(i)")
    hits = [f for f in detect(engine, "t", table(sql), settings=Settings(max_distinct=500)) if f.check == "pattern"]
    assert [f.rows for f in hits] == [80]


@pytest.mark.parametrize("sql", [
    "SELECT 1 AS a WHERE false", "SELECT 1 AS a, 'x' AS b", "SELECT NULL::VARCHAR AS a, NULL::INTEGER AS b",
    "SELECT NULL::VARCHAR AS a, NULL::DATE AS b, NULL::DOUBLE AS c FROM range(50)",
    "SELECT [i] AS l, {'k': i, 'v': [i]} AS s, MAP {'a': i} AS m FROM range(50) r(i)",
    "SELECT i % 2 = 0 AS flag, TIME '10:00' AS clock, INTERVAL 1 DAY AS span, 'a'::BLOB AS raw FROM range(50) r(i)",
    "SELECT CASE WHEN i = 1 THEN 'NaN'::DOUBLE WHEN i = 2 THEN 'Infinity'::DOUBLE ELSE i END AS d FROM range(90) r(i)",
    "SELECT i::DECIMAL(18, 3) AS d, (i * 10)::HUGEINT::DOUBLE AS h, i::UTINYINT AS u FROM range(90) r(i)",
    "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_days(i::INTEGER) AS at FROM range(90) r(i)",
    "SELECT chr(128512 + (i % 9)::INTEGER) || '''\"; --' AS a, repeat('long ', 5000) || i AS b FROM range(60) r(i)",
])
def test_odd_tables_are_looked_at_without_failing(sql: str, engine: DuckDB, table: Make):
    for f in detect(engine, "staging.odd", table(sql, "staging.odd")):
        parse(f.mend)


def test_names_with_quotes_blanks_and_pictures_are_only_names(engine: DuckDB, table: Make):
    name = 'co"l 😀; DROP TABLE t; --'
    quoted = '"' + name.replace('"', '""') + '"'
    value = "CASE WHEN i = 3 THEN NULL WHEN i = 4 THEN '?' ELSE 'v' || i % 4 END"
    sql = f"SELECT i AS id, {value} AS {quoted} FROM range(99) r(i)"
    hits = detect(engine, 'odd "t"', table(sql, 'odd "t"'))
    assert {f.check for f in hits} >= {"not_null", "missing_value"}
    for f in hits:
        assert f.column == name
        parse(f.mend)


def test_texts_in_the_data_are_never_read_as_sql(engine: DuckDB, table: Make):
    sql = "SELECT i AS id, CASE WHEN i = 3 THEN 'Germn''y OR 1=1' ELSE 'Germ''any OR 1=1' END AS c FROM range(99) r(i)"
    hit, = [f for f in detect(engine, "t", table(sql)) if f.check == "typo"]
    assert hit.rows == 1
    parse(hit.mend)


def test_every_detector_is_told_of_on_the_page_of_quality():
    page = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    assert [d.name for d in DETECTORS if f"`{d.name}`" not in page or d.summary not in page] == []
    assert [s for s in Settings.__dataclass_fields__ if f"`{s}`" not in page] == []


def test_facts_that_change_from_year_to_year_are_no_conflict(engine: DuckDB, table: Make):
    snapshot = table("SELECT 2000 + y AS year, 'country ' || chr(65 + c::INTEGER) AS country,"
                     " 'head ' || c * 9 + y // 6 AS head, 'party ' || c * 5 + y // 7 AS party"
                     " FROM range(12) a(y), range(25) b(c)")
    assert [f for f in detect(engine, "t", snapshot) if f.check == "conflict"] == []
