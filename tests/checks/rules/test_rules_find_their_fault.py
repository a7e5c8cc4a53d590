"""Each declared rule finds its planted fault, is silent on clean data, says why, and offers a mend that parses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intendant.checks import audit
from intendant.checks.rules import kinds, rule_of, sentence_of
from intendant.engines.duckdb import DuckDB
from intendant.errors import IntendantError, TypeMismatch, UnknownName
from intendant.language import parse
from intendant.types import Rule, Snapshot

Make = Callable[..., Snapshot]
CLEAN = ("SELECT i AS id, i % 5 + 1 AS n, 'a' || i AS code, ['new', 'old'][1 + i % 2] AS status,"
         " TIMESTAMP '2024-01-01' + to_days(i::INTEGER) AS at, CURRENT_TIMESTAMP::TIMESTAMP AS seen"
         " FROM range(100) r(i)")
FAULTY = ("SELECT i AS id, CASE WHEN i = 7 THEN -3 WHEN i = 8 THEN NULL ELSE i % 5 + 1 END AS n,"
          " CASE WHEN i = 7 THEN 'oops!' WHEN i = 8 THEN NULL ELSE 'a' || i END AS code,"
          " CASE WHEN i = 7 THEN 'odd' WHEN i = 8 THEN NULL ELSE 'new' END AS status,"
          " TIMESTAMP '2024-01-01' + to_days(i::INTEGER) AS at, TIMESTAMP '2001-01-01' AS seen FROM range(100) r(i)"
          " UNION ALL SELECT 7, 1, 'a1', 'new', TIMESTAMP '2024-01-01', TIMESTAMP '2001-01-01'")
CASES = {
    "not_null": (Rule("not_null", column="n"), 1, "not null n"),
    "unique": (Rule("unique", column="id"), 1, "unique id"),
    "range": (Rule("range", column="n", min=0, max=10), 1, "-3"),
    "allowed_values": (Rule("allowed_values", column="status", values=("new", "old")), 1, "odd"),
    "pattern": (Rule("pattern", column="code", regex="a[0-9]+"), 1, "oops!"),
    "foreign_key": (Rule("foreign_key", column="status", ref="known.name"), 1, "odd"),
    "freshness": (Rule("freshness", column="seen", seconds=3600), 101, "2001-01-01"),
    "row_count": (Rule("row_count", max=100), 101, "101 rows"),
    "expression": (Rule("expression", expression="n > 0"), 1, "-3"),
}


def run(engine: DuckDB, table: Make, sql: str, *rules: Rule, name: str = "staging.t"):
    known = table("SELECT unnest(['new', 'old', NULL]) AS name", "known")
    return audit(engine, name, table(sql, name), rules, {"known": known})


def test_every_kind_of_rule_has_its_case():
    assert set(CASES) == set(kinds())


@pytest.mark.parametrize("kind", CASES)
def test_a_rule_finds_its_planted_fault_says_why_and_how_to_mend_it(kind: str, engine: DuckDB, table: Make):
    rule, rows, evidence = CASES[kind]
    found, = run(engine, table, FAULTY, rule)
    assert (found.check, found.table, found.rows, found.total) == (kind, "staging.t", rows, 101)
    assert evidence in found.evidence
    assert bool(found.where) == kinds()[kind].per_row
    if found.mend:
        parse(found.mend)
    else:
        assert not kinds()[kind].per_row


@pytest.mark.parametrize("kind", CASES)
def test_a_rule_is_silent_on_clean_data(kind: str, engine: DuckDB, table: Make):
    assert run(engine, table, CLEAN, CASES[kind][0]) == []


@pytest.mark.parametrize("kind", CASES)
def test_a_rule_survives_the_way_to_its_sentence_and_back(kind: str):
    rule = CASES[kind][0]
    plan = parse(f"check t for {sentence_of(rule)}")
    assert rule_of(plan.steps[0].args["rules"][0]) == rule


def test_rules_are_reported_in_the_order_they_are_declared(engine: DuckDB, table: Make):
    rules = [CASES[k][0] for k in ("unique", "expression", "row_count", "not_null")]
    assert [f.check for f in run(engine, table, FAULTY, *rules)] == ["unique", "expression", "row_count", "not_null"]


@pytest.mark.parametrize("rule", [
    Rule("range", column="n", min=0), Rule("pattern", column="code", regex="a.*"),
    Rule("allowed_values", column="status", values=("new", "odd")), Rule("expression", expression="n = n"),
    Rule("foreign_key", column="id", ref="t.id"), Rule("unique", column="code"),
])
def test_a_missing_value_breaks_only_not_null(rule: Rule, engine: DuckDB, table: Make):
    sql = "SELECT 1 AS id, NULL::INTEGER AS n, NULL::VARCHAR AS code, NULL::VARCHAR AS status UNION ALL" \
          " SELECT 2, NULL, NULL, NULL"
    assert run(engine, table, sql, rule, name="t") == []


def test_of_a_repeated_key_only_the_repeats_are_bad(engine: DuckDB, table: Make):
    found, = run(engine, table, "SELECT unnest([1, 1, 1, 2, 2, 3, NULL, NULL]) AS id", Rule("unique", column="id"))
    assert found.rows == 3


def test_a_key_of_two_columns_is_repeated_only_in_both(engine: DuckDB, table: Make):
    sql = "SELECT * FROM (VALUES (1, 1), (1, 2), (2, 1), (1, 2)) t(a, b)"
    found, = run(engine, table, sql, Rule("unique", columns=("a", "b")))
    assert (found.rows, found.column) == (1, None)


@pytest.mark.parametrize(("rule", "error", "hint"), [
    (Rule("not_null", column="statuss"), UnknownName, "Did you mean 'status'?"),
    (Rule("unique", columns=("id", "cod")), UnknownName, "Did you mean 'code'?"),
    (Rule("expression", expression="m > 0"), UnknownName, "There is:"),
    (Rule("foreign_key", column="id", ref="knwn.name"), UnknownName, "Did you mean 'known'?"),
    (Rule("foreign_key", column="id", ref="known.nam"), UnknownName, "Did you mean 'name'?"),
    (Rule("foreign_key", column="id", ref="known.name"), TypeMismatch, "Cast one"),
    (Rule("range", column="code", min=0), TypeMismatch, "Cast it first"),
    (Rule("range", column="n", min="zero"), TypeMismatch, "Quote text"),
    (Rule("range", column="at", min="soon"), TypeMismatch, "2025-12-31"),
    (Rule("allowed_values", column="n", values=("one",)), TypeMismatch, "Quote text"),
    (Rule("pattern", column="code", regex="a[0-9"), TypeMismatch, "Escape"),
    (Rule("pattern", column="code", regex="a(?=b)"), TypeMismatch, "looking ahead"),
    (Rule("freshness", column="n", seconds=1), TypeMismatch, "Cast it first"),
    (Rule("expression", expression="code"), TypeMismatch, "Compare"),
    (Rule("uniqe", column="id"), UnknownName, "Did you mean 'unique'?"),
])
def test_a_rule_that_does_not_fit_the_table_says_so_and_what_would(rule: Rule, error: type[IntendantError], hint: str,
                                                                   engine: DuckDB, table: Make):
    with pytest.raises(error) as e:
        run(engine, table, CLEAN, rule)
    assert hint in str(e.value)


def test_column_names_with_quotes_blanks_and_pictures_are_only_names(engine: DuckDB, table: Make):
    name = 'we"ird 😀 name; DROP TABLE t'
    quoted = '"' + name.replace('"', '""') + '"'
    sql = f"SELECT CASE WHEN i > 0 THEN i END AS {quoted} FROM range(10) r(i)"
    for rule in (Rule("not_null", column=name), Rule("range", column=name, min=100), Rule("unique", column=name)):
        for found in run(engine, table, sql, rule):
            assert found.column == name
            parse(found.mend)


def test_values_with_quotes_are_only_values(engine: DuckDB, table: Make):
    rule = Rule("allowed_values", column="v", values=("it's", "'); DROP TABLE t; --"))
    assert run(engine, table, "SELECT unnest(['it''s', '''); DROP TABLE t; --']) AS v", rule) == []


@pytest.mark.parametrize("kind", [k for k in CASES if k not in ("freshness", "row_count")])
def test_an_empty_table_breaks_no_rule_about_rows(kind: str, engine: DuckDB, table: Make):
    assert run(engine, table, f"{CLEAN} LIMIT 0", CASES[kind][0]) == []


def test_an_empty_table_is_not_fresh_and_has_too_few_rows(engine: DuckDB, table: Make):
    rules = Rule("freshness", column="seen", seconds=60), Rule("row_count", min=1)
    found = run(engine, table, f"{CLEAN} LIMIT 0", *rules)
    assert [f.check for f in found] == ["freshness", "row_count"]
    assert "no row has a seen" in found[0].evidence


def test_no_rules_are_no_findings(engine: DuckDB, table: Make):
    assert run(engine, table, CLEAN) == []


def test_nested_columns_can_be_checked_for_being_there(engine: DuckDB, table: Make):
    sql = "SELECT CASE WHEN i > 1 THEN [i] END AS l, {'k': i} AS s, MAP {'a': i} AS m FROM range(4) r(i)"
    assert [f.rows for f in run(engine, table, sql, Rule("not_null", column="l"), Rule("unique", column="s"))] == [2]
