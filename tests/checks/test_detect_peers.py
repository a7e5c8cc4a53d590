"""Numbers far from those of their own group are found; levels that chance makes, and tails, are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intendant.checks import Settings, audit
from intendant.checks.detectors.missing import Missing
from intendant.checks.detectors.outlier import Outlier
from intendant.checks.detectors.peers import Peers
from intendant.checks.rules import rule_of
from intendant.checks.subject import examine
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
KIND = "['laptop', 'phone', 'book', 'pen'][1 + (hash(i * 3) % 4)::INTEGER]"
LEVEL = "[1000.0, 500, 20, 3][1 + (hash(i * 3) % 4)::INTEGER]"
PART = "((hash(i * 7) % 1000) / 1000.0)"
NORMAL = "sqrt(-2 * ln((1 + hash(i * 7) % 9999) / 10000.0)) * cos(2 * pi() * (hash(i * 11) % 9999) / 10000.0)"
CLEAN = f"""
SELECT i AS id, {KIND} AS category, ['north', 'south', 'east'][1 + (hash(i * 5) % 3)::INTEGER] AS region,
       round({LEVEL} * (0.8 + {PART} / 2), 2) AS price, hash(i * 13) % 40 AS quantity, {PART} * 9 AS rating
FROM range(2000) r(i)
"""


def found(engine: DuckDB, snapshot: Snapshot, settings: Settings = Settings(), name: str = "t") -> list[Finding]:
    with examine(engine, name, snapshot, settings) as subject:
        if subject.total:
            list(Missing().find(subject))
        return list(Peers().find(subject))


def priced(price: str) -> str:
    """The clean table with other prices; `i` is the row's number, `{book}` a condition for the first rows of books."""
    named = {kind: f"i IN (SELECT min(i) FROM range(2000) s(i) WHERE {KIND} = '{kind}')" for kind in ("laptop", "book")}
    return f"SELECT * EXCLUDE (i) REPLACE ({price.format(**named)} AS price) FROM (SELECT *, id AS i FROM ({CLEAN}))"


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
    "a comma too far right": ("CASE WHEN {book} THEN price * 100 ELSE price END", 1, "category is 'book'"),
    "a comma too far left": ("CASE WHEN {laptop} THEN price / 100 ELSE price END", 1, "category is 'laptop'"),
    "another group's price": ("CASE WHEN {book} THEN 512.5 ELSE price END", 1, "512.5 where category is 'book'"),
    "two groups": ("CASE WHEN {book} THEN 750 WHEN {laptop} THEN 7.5 ELSE price END", 2, "category is"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_with_evidence_and_a_mend(fault: str, engine: DuckDB, table: Make):
    price, rows, said = FAULTS[fault]
    snapshot = table(priced(price))
    (f,) = found(engine, snapshot)
    assert (f.check, f.column, f.rows, f.total) == ("peers", "price", rows, 2000)
    assert f.evidence.endswith(".") and f"{rows} of 2000 values of price " in f.evidence and said in f.evidence
    assert "otherwise " in f.evidence and 0.5 < f.confidence < 1 and len(f.samples) == rows
    mended(engine, snapshot, f)


def test_bounds_are_round_and_on_the_side_where_something_lies_beyond(engine: DuckDB, table: Make):
    snapshot = table(priced("CASE WHEN {book} THEN 512.5 ELSE price END"))
    (f,) = found(engine, snapshot)
    (step,) = parse(f.mend).steps
    said = step.args["rules"][0].args["expression"]
    assert said.startswith("case when category = 'book' then price <= ") and said.endswith(" else true end")
    bound = float(said.split("<= ")[1].split()[0])
    assert 26 < bound < 512 and bound == float(f"{bound:.1e}")


def test_the_finest_of_several_groupings_is_said_once(engine: DuckDB, table: Make):
    snapshot = table(
        f"SELECT *, CASE WHEN category IN ('laptop', 'phone') THEN 'device' ELSE 'other' END AS family"
        f" FROM ({priced('CASE WHEN {book} THEN 512.5 ELSE price END')})"
    )
    (f,) = found(engine, snapshot)
    assert "where category is 'book'" in f.evidence


def test_values_far_from_the_whole_column_are_left_to_range(engine: DuckDB, table: Make):
    snapshot = table(priced("CASE WHEN {book} THEN 1e15 ELSE price END"))
    with examine(engine, "t", snapshot) as subject:
        assert [f.rows for f in Outlier().find(subject) if f.column == "price"] == [1]
    assert found(engine, snapshot) == []


def test_levels_below_zero_and_numbered_groups_have_bounds_too(engine: DuckDB, table: Make):
    sql = (
        "SELECT i % 3 AS plant, CASE WHEN i = 300 THEN 21.5 ELSE [-18, 4, 21][1 + i % 3] + (hash(i) % 100) / 100.0 END"
        " AS degrees FROM range(900) r(i)"
    )
    snapshot = table(sql)
    (f,) = found(engine, snapshot)
    assert (f.column, f.rows) == ("degrees", 1) and "when plant = 0 then degrees <= -" in f.mend
    mended(engine, snapshot, f)


def test_numbers_that_stand_for_nothing_are_not_far(engine: DuckDB, table: Make):
    price = "CASE WHEN {book} THEN 512.5 WHEN hash(id * 17) % 20 = 0 THEN 999999 ELSE price END"
    snapshot = table(priced(price))
    (f,) = found(engine, snapshot)
    assert f.rows == 1 and "price in (" in f.mend
    mended(engine, snapshot, f)


def test_of_many_groups_no_rule_is_made(engine: DuckDB, table: Make):
    sql = (
        "SELECT 'g' || i % 60 AS g, round(exp(i % 60 / 6.0) * (CASE WHEN i < 30 THEN 100 ELSE 1 + (hash(i) % 100) / 500.0"
        " END), 3) AS x FROM range(6000) r(i)"
    )
    snapshot = table(sql)
    (f,) = found(engine, snapshot)
    assert f.mend == "" and 20 < f.rows <= 30
    assert engine.rows(f"SELECT count(*) FROM t WHERE {f.where}", {"t": snapshot})[1][0][0] == f.rows


T3 = f"({NORMAL}) / sqrt(greatest(1e-4, -ln((1 + hash(i * 17) % 9999) / 10000.0) * 2 / 3))"
SILENT = {
    "groups that explain nothing": f"SELECT 'g' || hash(i) % 9 AS g, exp({NORMAL}) AS x FROM range(3000) r(i)",
    "chance in many small groups": f"SELECT 'g' || hash(i) % 90 AS g, {NORMAL} AS x, 'h' || hash(i * 19) % 150 AS h"
    " FROM range(3500) r(i)",
    "normal within groups": f"SELECT 'g' || i % 5 AS g, 10 * (i % 5) + {NORMAL} AS x FROM range(9000) r(i)",
    "lognormal within groups": f"SELECT 'g' || i % 5 AS g, exp(2 * (i % 5) + {NORMAL}) AS x FROM range(9000) r(i)",
    "exponential within groups": "SELECT 'g' || i % 5 AS g, -ln((1 + hash(i) % 99999) / 100000.0) * exp(2 * (i % 5)) AS x"
    " FROM range(9000) r(i)",
    "heavy tails within groups": f"SELECT 'g' || i % 5 AS g, 100 * (i % 5) + 5 * {T3} AS x FROM range(9000) r(i)",
    "counts with zeros": "SELECT 'g' || i % 3 AS g, floor(-ln((1 + hash(i) % 999) / 1000.0) * [2, 60, 900][1 + i % 3])"
    " AS x FROM range(6000) r(i)",
    "a tenth that is elsewhere": "SELECT 'g' || i % 3 AS g, (hash(i) % 100) / 50.0 + CASE WHEN hash(i * 3) % 10 = 0 THEN"
    " 900 - 300 * (i % 3) ELSE 300 * (i % 3) END AS x FROM range(3000) r(i)",
    "one value in most rows": "SELECT 'g' || i % 3 AS g, CASE WHEN i % 400 = 3 THEN 55 ELSE 10 * (i % 3) END AS x,"
    " hash(i) % 30 AS y FROM range(3000) r(i)",
    "a reason in another column": "SELECT 'g' || i % 3 AS g, CASE WHEN i % 400 = 3 THEN 'gift' ELSE 'sale' END AS kind,"
    " CASE WHEN i % 400 = 3 THEN 900 - 300 * (i % 3) ELSE 300 * (i % 3) END + (hash(i) % 100) / 5.0 AS x"
    " FROM range(3000) r(i)",
    "rows counted in the order of their groups": "SELECT CASE WHEN i = 3 THEN 4 ELSE i // 500 END AS g, i AS nr"
    " FROM range(3000) r(i)",
    "few rows": "SELECT i % 2 AS g, CASE WHEN i = 3 THEN 5 ELSE 100 * (i % 2) + i END AS x FROM range(19) r(i)",
    "skewed groups": "SELECT CASE WHEN i < 30 THEN 'rare' ELSE 'usual' END AS g, (hash(i) % 1000) / 10.0 AS x"
    " FROM range(3000) r(i)",
}


@pytest.mark.parametrize("case", SILENT)
def test_what_chance_or_a_tail_or_another_reason_explains_is_no_fault(case: str, engine: DuckDB, table: Make):
    assert found(engine, table(SILENT[case])) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a, 'x' AS b WHERE false",
        "SELECT 1 AS a, 'x' AS b",
        "SELECT i AS a FROM range(100) r(i)",
        "SELECT NULL::VARCHAR AS a, NULL::INTEGER AS b, NULL::DOUBLE AS c FROM range(100)",
        "SELECT i % 2 AS g, 7 AS x FROM range(100) r(i)",
        "SELECT [i] AS l, {'k': i} AS s, i % 2 AS g FROM range(100) r(i)",
        "SELECT i % 2 AS g, CASE WHEN i % 7 = 1 THEN 'NaN'::DOUBLE WHEN i % 7 = 2 THEN 'inf'::DOUBLE ELSE i * i / 3 END"
        " AS x FROM range(200) r(i)",
        "SELECT i % 2 AS g, CASE WHEN i = 7 THEN 'NaN'::DOUBLE WHEN i = 9 THEN '-inf'::DOUBLE WHEN i = 11 THEN 60 ELSE"
        " 1000 * (i % 2) + (hash(i) % 99) / 7 + 50 END AS x FROM range(400) r(i)",
        "SELECT i % 2 AS g, 170141183460469231731687303715884105727::HUGEINT // (1 + (i % 2) * 1000) - hash(i) AS x"
        " FROM range(400) r(i)",
        "SELECT i % 2 AS g, (1e300 * (1 + i % 2) * 1000) * (hash(i) % 99) AS x, 1e-300 * (hash(i) % 99) AS y"
        " FROM range(400) r(i)",
        "SELECT i % 2 = 0 AS g, (CASE WHEN i = 4 THEN 9 ELSE 900 * (i % 2) + 5 + (hash(i) % 99) / 50 END)::DECIMAL(18, 3)"
        " AS x, (i % 250)::UTINYINT AS u FROM range(400) r(i)",
        "SELECT repeat('long ', 20000) || i % 2 AS a, 900 * (i % 2) + hash(i) % 99 AS x FROM range(100) r(i)",
        "SELECT 'a' || chr(0) || i % 2 AS a, 900 * (i % 2) + hash(i) % 99 AS x FROM range(100) r(i)",
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
        f"SELECT ['it''s \"x\" 🙂', '; DROP TABLE t; --'][1 + i % 2] AS {quoted},"
        ' CASE WHEN i = 6 THEN 930 ELSE 20 + 900 * (i % 2) + (hash(i) % 99) / 9 END AS "de""p 🙂" FROM range(300) r(i)'
    )
    snapshot = table(sql, 'odd "t"')
    (f,) = found(engine, snapshot, name='odd "t"')
    assert (f.column, f.rows) == ('de"p 🙂', 1)
    mended(engine, snapshot, f, 'odd "t"')


def test_a_large_table_is_mined_on_a_sample_and_counted_whole(engine: DuckDB, table: Make):
    price = "CASE WHEN id IN (3333, 4444, 5555) THEN 1010.5 - price ELSE price END"
    snapshot = table(f"SELECT * REPLACE ({price} AS price) FROM ({CLEAN.replace('range(2000)', 'range(30000)')})")
    hits = found(engine, snapshot, Settings(sample_rows=1500))
    wrong = engine.rows(
        "SELECT count(*) FROM t WHERE id IN (3333, 4444, 5555) AND category IN ('book', 'pen')", {"t": snapshot}
    )
    assert [f.rows for f in hits] == [wrong[1][0][0]] and hits[0].rows > 0
    mended(engine, snapshot, hits[0])
