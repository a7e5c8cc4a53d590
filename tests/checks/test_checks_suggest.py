"""Rules are offered for what a table keeps, and never for what a few rows keep by accident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from intendant.checks.rules import rule_of
from intendant.checks.suggest import Suggestion, suggest, sure
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.types import Rule, Snapshot

Make = Callable[..., Snapshot]

ORDERS = """SELECT i AS order_id, (hash(i) % 40 + 1)::INTEGER AS customer_id,
  ['paid', 'open', 'cancelled'][(hash(i * 7) % 3 + 1)::INTEGER] AS status,
  round((hash(i * 3) % 10000) / 100.0, 2) AS amount,
  'user' || (hash(i) % 200) || '@shop' || (i % 5) || '.org' AS email,
  printf('SKU-%04d', (hash(i * 5) % 300)::INTEGER) AS sku,
  (hash(i * 11) % 1000000007)::BIGINT AS noise,
  md5(i::VARCHAR) AS remark,
  CASE WHEN hash(i) % 3 = 0 THEN NULL ELSE (hash(i * 13) % 1000)::INTEGER END AS optional
  FROM range({low}, {high}) t(i)"""


def said(found: Sequence[Suggestion]) -> dict[str, Suggestion]:
    return {s.sentence: s for s in found}


def orders(table: Make, rows: int, name: str = "orders") -> Snapshot:
    return table(ORDERS.format(low=1, high=rows + 1), name)


def test_what_every_row_keeps_is_offered_and_what_says_nothing_is_not(engine: DuckDB, table: Make):
    customers = table("SELECT i AS customer_id, 'c' || i AS name FROM range(1, 61) t(i)", "customers")
    found = said(suggest(engine, "orders", orders(table, 600), others={"customers": customers}))
    whole = {"order_id", "customer_id", "status", "amount", "email", "sku", "noise", "remark"}
    assert {s.rule.column for s in found.values() if s.rule.type == "not_null"} == whole
    assert {k for k, s in found.items() if s.rule.type not in ("not_null", "range")} == {
        "unique order_id",
        "customer_id references customers.customer_id",
        "status in ('cancelled', 'open', 'paid')",
        r"email matches '[^@\s]+@[^@\s]+\.[^@\s]+'",
        r"sku matches '\pL+\-[0-9]{4}'",
    }
    assert {(s.rule.column, s.rule.min, s.rule.max) for s in found.values() if s.rule.type == "range"} >= {
        ("amount", 0, 150)
    }
    assert all(s.breaks == 0 and 0.97 <= s.confidence < 1 and s.support >= 300 for s in found.values())


def test_every_suggestion_is_a_sentence_of_the_language(engine: DuckDB, table: Make):
    for s in suggest(engine, "orders", orders(table, 600)):
        [step] = parse(f"check orders for {s.sentence}").steps
        assert [rule_of(r) for r in step.args["rules"]] == [s.rule]


@pytest.mark.parametrize("rows", [0, 1, 5, 40, 98])
def test_nothing_is_offered_from_a_few_rows(engine: DuckDB, table: Make, rows: int):
    assert suggest(engine, "orders", orders(table, rows)) == []


def test_the_bound_on_support_is_that_of_clopper_and_pearson():
    assert sure(98) < 0.97 < sure(99) and sure(0) == 0


def test_numbers_that_differ_by_chance_are_no_key(engine: DuckDB, table: Make):
    found = suggest(engine, "t", table("SELECT (hash(i) % 100000000007)::BIGINT AS reading FROM range(300) t(i)"))
    assert [s.rule.type for s in found if s.rule.type == "unique"] == []


def test_a_column_that_points_elsewhere_is_no_key_though_few_rows_repeat_it(engine: DuckDB, table: Make):
    customers = table("SELECT i * 1000 AS customer_id FROM range(1, 5000) t(i)", "customers")
    visits = table("SELECT i * 7000 AS customer_id, i % 3 AS x FROM range(1, 200) t(i)", "visits")
    found = [s.sentence for s in suggest(engine, "visits", visits, others={"customers": customers})]
    assert found == ["not null customer_id", "not null x", "customer_id references customers.customer_id",
                     "x at least 0"]  # fmt: skip


def test_two_columns_that_are_a_key_together_are_offered(engine: DuckDB, table: Make):
    sql = "SELECT s AS sensor_id, TIMESTAMP '2025-01-01' + INTERVAL (m) MINUTE AS seen_at FROM range(20) a(s), range(50) b(m)"
    assert "unique (sensor_id, seen_at)" in said(suggest(engine, "t", table(sql)))


def test_cells_that_are_at_fault_do_not_spoil_a_rule_and_are_counted(engine: DuckDB, table: Make):
    sql = f"""SELECT * REPLACE (CASE WHEN order_id = 7 THEN 'PAID' ELSE status END AS status,
        CASE WHEN order_id = 9 THEN 9000000 ELSE amount END AS amount,
        CASE WHEN order_id = 11 THEN NULL ELSE sku END AS sku) FROM ({ORDERS.format(low=1, high=1001)})"""
    found = said(suggest(engine, "orders", table(sql, "orders")))
    assert found["status in ('cancelled', 'open', 'paid')"].breaks == 1
    assert found["amount between 0 and 150"].breaks == 1
    assert found["not null sku"].breaks == 1


def test_a_column_full_of_stand_ins_is_not_offered_as_filled_nor_what_many_rows_break(engine: DuckDB, table: Make):
    sql = "SELECT i AS id, CASE WHEN i % 13 = 0 THEN 'N/A' ELSE 'left at door ' || (i % 7) END AS note FROM range(400) t(i)"
    assert [s.sentence for s in suggest(engine, "t", table(sql)) if s.rule.column == "note"] == []


def test_a_long_tail_has_no_upper_bound(engine: DuckDB, table: Make):
    sql = "SELECT exp(((hash(i) % 1000) / 1000.0 - 0.5) * 14) AS price FROM range(500) t(i)"
    assert [s.sentence for s in suggest(engine, "t", table(sql)) if s.rule.type == "range"] == ["price at least 0"]


def test_what_is_declared_is_not_offered_again(engine: DuckDB, table: Make):
    declared = [Rule("not_null", column="order_id"), Rule("range", column="amount", min=-1)]
    found = said(suggest(engine, "orders", orders(table, 600), declared=declared))
    kinds = [(s.rule.type, s.rule.column) for s in found.values()]
    assert ("not_null", "order_id") not in kinds and ("unique", "order_id") in kinds


def test_what_an_earlier_version_broke_is_not_offered(engine: DuckDB, table: Make):
    now, then = orders(table, 600), table(ORDERS.format(low=1, high=601).replace("'open'", "'new'"), "orders")
    found = said(suggest(engine, "orders", now, past=[then]))
    assert not any(s.rule.type == "allowed_values" for s in found.values())
    assert "held in 1 earlier version" in found["unique order_id"].evidence


def days(table: Make, ends: Sequence[float]) -> list[Snapshot]:
    """Versions made a day apart, each with rows up to so many days ago, newest first."""
    now = datetime.now(UTC).replace(tzinfo=None)
    out = []
    for n, ago in enumerate(ends):
        newest = now - timedelta(days=ago)
        sql = f"SELECT TIMESTAMP '{newest}' - INTERVAL (i) MINUTE AS created_at FROM range({400 + 10 * n}) t(i)"
        out.append(
            replace(table(sql, "orders"), version=len(ends) - n, at=(now - timedelta(days=n)).isoformat() + "+00:00")
        )
    return out


def test_rows_and_freshness_are_offered_once_versions_tell(engine: DuckDB, table: Make):
    now, *past = days(table, [0.5, 1.5, 2.5, 3.5])
    found = said(suggest(engine, "orders", now, past=past))
    assert {"row count at least 200", "fresh within 2 days by created_at"} <= set(found)
    assert found["row count at least 200"].confidence == 0.8


def test_rows_and_freshness_are_not_offered_from_one_version_nor_from_old_data(engine: DuckDB, table: Make):
    now, *past = days(table, [900, 901, 902, 903])
    assert not any(s.rule.type == "freshness" for s in suggest(engine, "orders", now, past=past))
    assert not any(s.rule.type in ("freshness", "row_count") for s in suggest(engine, "orders", now))
