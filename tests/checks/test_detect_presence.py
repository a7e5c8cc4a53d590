"""Columns that are filled exactly where others say so: the rows that break it are found, and nothing else is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intendant.checks import Settings, audit
from intendant.checks.detectors.missing import Missing
from intendant.checks.detectors.presence import Presence
from intendant.checks.rules import rule_of
from intendant.checks.subject import examine
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
STATUS = "['open', 'sent', 'delivered', 'returned'][1 + (hash(i * 3) % 4)::INTEGER]"
DELIVERED = "hash(i * 3) % 4 >= 2"
PLACED = "hash(i * 5) % 3 = 0"
CLEAN = f"""
SELECT i AS id, {STATUS} AS status, hash(i * 7) % 5 AS quantity,
       CASE WHEN {DELIVERED} THEN DATE '2024-01-01' + (i % 90)::INTEGER END AS delivered_at,
       CASE WHEN {PLACED} THEN 50 + i % 10 END AS lat, CASE WHEN {PLACED} THEN 8 + i % 13 END AS lon,
       CASE WHEN hash(i * 11) % 2 = 0 THEN 'note ' || i END AS remark, hash(i * 13) % 2 = 0 AS gift
FROM range(1000) r(i)
"""


def found(
    engine: DuckDB, snapshot: Snapshot, settings: Settings = Settings(), missing: bool = True, name: str = "t"
) -> list[Finding]:
    with examine(engine, name, snapshot, settings) as subject:
        if missing and subject.total:
            list(Missing().find(subject))
        return list(Presence().find(subject))


def some(condition: str, n: int) -> str:
    """The first rows of the clean table for which a condition is true."""
    return f"i IN (SELECT i FROM range(1000) s(i) WHERE {condition} ORDER BY i LIMIT {n})"


def replaced(column: str, value: str) -> str:
    """The clean table, one column computed anew; `i` is the row's number."""
    return f"SELECT * EXCLUDE (i) REPLACE ({value} AS {column}) FROM (SELECT *, id AS i FROM ({CLEAN}))"


def mended(engine: DuckDB, snapshot: Snapshot, f: Finding, name: str = "t") -> None:
    """The rule of the mend has exactly the finding's bad rows."""
    (step,) = parse(f.mend).steps
    assert (step.verb, step.args["on_failure"]) == ("check", "quarantine")
    broken = audit(engine, name, snapshot, [rule_of(s) for s in step.args["rules"]])
    assert [b.rows for b in broken] == [f.rows]
    quoted = '"' + name.replace('"', '""') + '"'
    differs = (
        f"SELECT count(*) FROM {quoted} WHERE coalesce(({broken[0].where}), false) != coalesce(({f.where}), false)"
    )
    assert engine.rows(differs, {name: snapshot})[1][0][0] == 0
    assert engine.rows(f"SELECT count(*) FROM {quoted} WHERE {f.where}", {name: snapshot})[1][0][0] == f.rows


def test_a_clean_table_has_no_findings(engine: DuckDB, table: Make):
    assert found(engine, table(CLEAN)) == []


FAULTS = {
    "missing": ("delivered_at", f"CASE WHEN {some(DELIVERED, 5)} THEN NULL ELSE delivered_at END", 5, "5 missing"),
    "too many": (
        "delivered_at",
        f"CASE WHEN {some(f'NOT ({DELIVERED})', 4)} THEN DATE '2024-05-05' ELSE delivered_at END",
        4,
        "4 too many, e.g. '2024-05-05' where status is",
    ),
    "both": (
        "delivered_at",
        f"CASE WHEN {some(DELIVERED, 2)} THEN NULL WHEN {some(f'NOT ({DELIVERED})', 3)} THEN DATE '2024-05-05'"
        " ELSE delivered_at END",
        5,
        "2 missing, e.g. where status is 'delivered'; 3 too many",
    ),
    "half a place": ("lon", f"CASE WHEN {some(PLACED, 3)} THEN NULL ELSE lon END", 3, "filled exactly where lat is"),
    "the other half": ("lat", f"CASE WHEN {some(f'NOT ({PLACED})', 2)} THEN 9 ELSE lat END", 2, "2 missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_with_evidence_and_a_mend(fault: str, engine: DuckDB, table: Make):
    column, value, rows, said = FAULTS[fault]
    snapshot = table(replaced(column, value))
    (f,) = found(engine, snapshot)
    assert (f.check, f.rows, f.total) == ("presence", rows, 1000)
    assert f.column == ("lon" if column == "lat" else column)
    assert f.evidence.endswith(".") and f"{rows} of 1000 values of {f.column} " in f.evidence and said in f.evidence
    assert 0.5 < f.confidence < 1 and f.samples
    mended(engine, snapshot, f)


def test_the_rule_names_the_fewer_values_of_the_condition(engine: DuckDB, table: Make):
    snapshot = table(replaced("delivered_at", f"CASE WHEN {some(DELIVERED, 2)} THEN NULL ELSE delivered_at END"))
    (f,) = found(engine, snapshot)
    assert f.mend == (
        "check t for that (status in ('delivered', 'returned')) = (delivered_at is not null) on failure quarantine"
    )
    kind = "['new', 'sold', 'lent', 'lost'][1 + (hash(i * 3) % 4)::INTEGER]"
    sql = (
        f"SELECT i AS id, {kind} AS kind, CASE WHEN hash(i * 3) % 4 > 0 AND i NOT IN (5, 7, 9, 11) THEN i END AS nr"
        " FROM range(500) r(i)"
    )
    (f,) = found(engine, table(sql))
    assert "missing exactly where kind is 'new'" in f.evidence
    assert "(kind = 'new') = (nr is null)" in f.mend


def test_rare_and_missing_values_of_the_condition_are_not_judged(engine: DuckDB, table: Make):
    sql = (
        f"SELECT i AS id, CASE WHEN i IN (1, 2) THEN 'odd' WHEN i % 50 = 4 THEN NULL ELSE {STATUS} END AS status,"
        f" CASE WHEN {DELIVERED} AND i NOT IN (SELECT i FROM range(1000) s(i) WHERE {DELIVERED} AND i > 300"
        " AND i % 50 != 4 LIMIT 6) THEN i END AS delivered_at FROM range(1000) r(i)"
    )
    snapshot = table(sql)
    (f,) = found(engine, snapshot)
    assert f.rows == 6 and "case when status in ('delivered', 'returned')" in f.mend
    mended(engine, snapshot, f)


def test_blanks_and_texts_that_stand_for_nothing_are_missing(engine: DuckDB, table: Make):
    sql = (
        "SELECT i AS id, ['company', 'person'][1 + (hash(i) % 2)::INTEGER] AS kind,"
        " CASE WHEN i IN (10, 20, 21, 22, 23) THEN 'VAT9' WHEN hash(i) % 2 = 1 THEN ['', 'N/A', NULL][1 + i % 3] ELSE 'VAT' || i END"
        " AS vat_id FROM range(600) r(i)"
    )
    snapshot = table(sql)
    hits = found(engine, snapshot)
    wrong = engine.rows("SELECT count(*) FROM t WHERE kind = 'person' AND vat_id LIKE 'VAT%'", {"t": snapshot})[1][0][0]
    assert [f.rows for f in hits] == [wrong] and wrong > 0
    mended(engine, snapshot, hits[0])


def test_numbers_that_stand_for_nothing_are_missing(engine: DuckDB, table: Make):
    weight = "CASE WHEN i IN (31, 32) THEN NULL WHEN i % 4 = 0 THEN 9999 ELSE 20 + hash(i) % 60 END"
    kind = "['mail', 'parcel', 'box', 'crate'][1 + i % 4]"
    snapshot = table(f"SELECT i AS id, {kind} AS kind, {weight} AS weight FROM range(600) r(i)")
    (f,) = found(engine, snapshot)
    assert (f.column, f.rows) == ("weight", 1) and "(kind = 'mail') = (not (weight is not null and" in f.mend
    mended(engine, snapshot, f)


def test_of_equivalent_laws_one_is_said(engine: DuckDB, table: Make):
    sql = (
        f"SELECT *, CASE status WHEN 'open' THEN 1 WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3 ELSE 4 END AS code,"
        f" CASE WHEN {DELIVERED} THEN 'driver ' || i % 7 END AS driver, lon * 2 AS accuracy FROM"
        f" (SELECT * REPLACE (CASE WHEN {some(DELIVERED, 4)} THEN NULL ELSE delivered_at END AS delivered_at),"
        f" id AS i FROM ({CLEAN.replace('AS id', 'AS id, i')}))"
    )
    assert [(f.column, f.rows) for f in found(engine, table(sql))] == [("delivered_at", 4)]


SILENT = {
    "independent columns": "SELECT hash(i) % 4 AS a, CASE WHEN hash(i * 3) % 3 = 0 THEN i END AS b,"
    " CASE WHEN hash(i * 7) % 3 = 0 THEN i END AS c FROM range(5000) r(i)",
    "both nearly always there": "SELECT CASE WHEN hash(i) % 17 > 0 THEN i END AS a,"
    " CASE WHEN hash(i * 3) % 17 > 0 THEN i END AS b, hash(i * 5) % 20 AS c FROM range(5000) r(i)",
    "both nearly never there": "SELECT CASE WHEN hash(i) % 17 = 0 THEN i END AS a,"
    " CASE WHEN hash(i * 3) % 17 = 0 THEN i END AS b, hash(i * 5) % 20 AS c FROM range(5000) r(i)",
    "a law that a tenth of the rows breaks": "SELECT hash(i) % 2 AS a,"
    " CASE WHEN (hash(i) % 2 = 0) != (hash(i * 3) % 10 = 0) THEN i END AS b FROM range(5000) r(i)",
    "a value that is neither": "SELECT i % 4 AS a, CASE WHEN i % 4 = 0 OR i % 8 = 1 THEN i END AS b"
    " FROM range(2000) r(i)",
    "few rows": "SELECT i % 2 AS a, CASE WHEN i % 2 = 0 AND i != 4 THEN i END AS b FROM range(19) r(i)",
    "shipped and not yet delivered": "SELECT CASE WHEN hash(i) % 3 > 0 THEN DATE '2024-01-01' + i::INTEGER END AS sent,"
    " CASE WHEN hash(i) % 3 > 0 AND i < 1995 THEN DATE '2024-01-09' + i::INTEGER END AS came FROM range(2000) r(i)",
    "one series begins later": "SELECT 1800 + i AS year, CASE WHEN i > 70 THEN i * 3 END AS debt,"
    " CASE WHEN i > 71 THEN i * 5 END AS price FROM range(220) r(i)",
    "many columns, each with gaps of its own": "SELECT "
    + ", ".join(f"CASE WHEN hash(i) % 3 > 0 AND hash(i * {k}) % 200 > 0 THEN i END AS m{k}" for k in (3, 5, 7, 11, 13))
    + " FROM range(3000) r(i)",
    "a reason in another column": "SELECT ['a', 'b'][1 + (hash(i) % 2)::INTEGER] AS kind, CASE WHEN i % 150 = 3 THEN"
    " 'old' ELSE 'new' END AS source, CASE WHEN hash(i) % 2 = 0 AND i % 150 != 3 THEN i END AS nr FROM range(3000) r(i)",
}


@pytest.mark.parametrize("case", SILENT)
def test_what_chance_or_another_reason_explains_is_no_fault(case: str, engine: DuckDB, table: Make):
    assert found(engine, table(SILENT[case])) == []


def test_many_columns_of_noise_hold_no_law(engine: DuckDB, table: Make):
    columns = [
        f"CASE WHEN hash(i * {2 * k + 1}) % 10 > 0 THEN hash(i * {2 * k + 3}) % {k + 2} END AS c{k}" for k in range(30)
    ]
    for rows in (60, 400):
        assert found(engine, table(f"SELECT {', '.join(columns)} FROM range({rows}) r(i)")) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a, 'x' AS b WHERE false",
        "SELECT 1 AS a, 'x' AS b",
        "SELECT i AS a FROM range(100) r(i)",
        "SELECT NULL::VARCHAR AS a, NULL::INTEGER AS b FROM range(100)",
        "SELECT 7 AS a, 'x' AS b, CASE WHEN i % 2 = 0 THEN 1 END AS c FROM range(100) r(i)",
        "SELECT CASE WHEN i % 2 = 0 THEN [i] END AS l, CASE WHEN i % 2 = 0 THEN {'k': i} END AS s FROM range(100) r(i)",
        "SELECT CASE WHEN i % 2 = 0 THEN 'NaN'::DOUBLE ELSE 'inf'::DOUBLE END AS d, CASE WHEN i % 2 = 0 THEN 1 END AS e"
        " FROM range(100) r(i)",
        "SELECT 170141183460469231731687303715884105727::HUGEINT - i % 2 AS h, CASE WHEN i % 2 = 0 AND i != 8 THEN TIME"
        " '10:00' END AS c FROM range(100) r(i)",
        "SELECT repeat('long ', 20000) || i % 2 AS a, CASE WHEN i % 2 = 0 AND i != 8 THEN i END AS b FROM range(100) r(i)",
        "SELECT 'a' || chr(0) || i % 2 AS a, CASE WHEN i % 2 = 0 AND i != 8 THEN i END AS b FROM range(100) r(i)",
        "SELECT i % 2 = 0 AS f, 0.1::FLOAT * (i % 2) AS g, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_days((i % 2)::INT)"
        " AS at, CASE WHEN i % 2 = 0 AND i != 8 THEN INTERVAL 1 DAY END AS b FROM range(100) r(i)",
        "SELECT uuid() AS u, ('{\"a\": ' || i % 2 || '}')::JSON AS j, CASE WHEN i % 2 = 0 AND i != 8 THEN i END AS b"
        " FROM range(100) r(i)",
    ],
)
def test_odd_tables_are_looked_at_without_failing(sql: str, engine: DuckDB, table: Make):
    snapshot = table(sql)
    for f in found(engine, snapshot):
        mended(engine, snapshot, f)


@pytest.mark.parametrize("name", ['a"b', " ", "🙂", "order", "x'); --"])
def test_hostile_names_and_values_are_only_names_and_values(name: str, engine: DuckDB, table: Make):
    quoted = '"' + name.replace('"', '""') + '"'
    sql = (
        f"SELECT i AS id, ['it''s \"x\" 🙂', '; DROP TABLE t; --'][1 + (hash(i) % 2)::INTEGER] AS {quoted},"
        f" CASE WHEN hash(i) % 2 = 0 AND i NOT IN (SELECT i FROM range(300) s(i) WHERE hash(i) % 2 = 0 LIMIT 3) THEN i END"
        ' AS "de""p 🙂" FROM range(300) r(i)'
    )
    snapshot = table(sql, 'odd "t"')
    (f,) = found(engine, snapshot, name='odd "t"')
    assert (f.column, f.rows) == ('de"p 🙂', 3)
    mended(engine, snapshot, f, 'odd "t"')


def test_a_large_table_is_mined_on_a_sample_and_counted_whole(engine: DuckDB, table: Make):
    changed = (
        f"CASE WHEN id IN (SELECT i FROM range(1000) s(i) WHERE {DELIVERED} LIMIT 3) THEN NULL ELSE delivered_at END"
    )
    clean = CLEAN.replace("range(1000)", "range(20000)")
    snapshot = table(f"SELECT * REPLACE ({changed} AS delivered_at) FROM ({clean})")
    (f,) = found(engine, snapshot, Settings(sample_rows=800))
    assert (f.column, f.rows, f.total) == ("delivered_at", 3, 20000)
    mended(engine, snapshot, f)
