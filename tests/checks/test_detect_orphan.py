"""Values that point to a row that isn't there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from intendant.checks import audit, detect, parents
from intendant.checks.rules import rule_of
from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged
from intendant.language import parse
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
ORDERS = "SELECT i AS order_id, {} AS customer_id, (hash(i) % 900) / 10.0 AS amount FROM range(1000) r(i)"
KNOWN = "1 + (hash(i * 3) % 90)::INTEGER"


def orphans(engine: DuckDB, snapshot: Snapshot, others: dict[str, Snapshot]) -> list[Finding]:
    near = parents(snapshot, others, others.__getitem__)
    return [f for f in detect(engine, snapshot.table, snapshot, others=near) if f.check == "orphan"]


@pytest.fixture
def customers(table: Make) -> Snapshot:
    return table("SELECT i AS id, 'c' || i AS name FROM range(1, 91) r(i)", "customers")


def test_orders_of_a_customer_that_nobody_knows_are_found_and_can_be_set_aside(
    engine: DuckDB, table: Make, customers: Snapshot
) -> None:
    orders = table(ORDERS.format(f"CASE WHEN i < 4 THEN 500 + i ELSE {KNOWN} END"), "orders")
    (hit,) = orphans(engine, orders, {"customers": customers})
    assert (hit.column, hit.rows, hit.total) == ("customer_id", 4, 1000)
    assert hit.evidence == "4 of 1000 values of customer_id have no row in customers (id), e.g. 500, 501, 502 and 1 more."
    assert hit.mend == "check orders for customer_id references customers.id on failure quarantine"
    step = parse(hit.mend).steps[0]
    (broken,) = audit(engine, "orders", orders, [rule_of(s) for s in step.args["rules"]], {"customers": customers})
    assert broken.rows == hit.rows


@pytest.mark.parametrize(
    "pointing",
    [
        KNOWN,
        "CASE WHEN i % 2 = 0 THEN NULL ELSE " + KNOWN + " END",
        "1 + (i % 900)",
        "NULL::INTEGER",
        "7",
    ],
    ids=["all there", "half missing", "mostly elsewhere", "nothing", "constant"],
)
def test_a_column_that_points_well_or_elsewhere_is_left_alone(
    pointing: str, engine: DuckDB, table: Make, customers: Snapshot
) -> None:
    assert orphans(engine, table(ORDERS.format(pointing), "orders"), {"customers": customers}) == []


def test_a_column_of_another_kind_or_with_repeated_keys_is_no_parent(engine: DuckDB, table: Make) -> None:
    orders = table(ORDERS.format(f"CASE WHEN i < 4 THEN 500 + i ELSE {KNOWN} END"), "orders")
    text = table("SELECT i::VARCHAR AS id FROM range(1, 91) r(i)", "customers")
    twice = table("SELECT i % 45 AS id FROM range(1, 181) r(i)", "customers")
    assert orphans(engine, orders, {"customers": text}) == []
    assert orphans(engine, orders, {"customers": twice}) == []


def test_the_published_table_is_taken_before_the_staged_one(engine: DuckDB, table: Make, customers: Snapshot) -> None:
    orders = table(ORDERS.format(f"CASE WHEN i < 4 THEN 500 + i ELSE {KNOWN} END"), "orders")
    staged = replace(table("SELECT i AS customer_id FROM range(1, 91) r(i)", "c"), table="staging.customers")
    (hit,) = orphans(engine, orders, {"staging.customers": staged, "customers": customers})
    assert "customers.id" in hit.mend


def test_names_may_be_hostile(engine: DuckDB, table: Make) -> None:
    parent = table('SELECT i AS "Key" FROM range(1, 91) r(i)', 'My "Customers"')
    orders = table(ORDERS.format(KNOWN).replace("customer_id", '"my customers key"'), "orders")
    assert orphans(engine, orders, {'My "Customers"': parent}) == []


def test_only_tables_that_are_pointed_at_are_opened_for_good(table: Make, customers: Snapshot) -> None:
    orders = table(ORDERS.format(KNOWN), "orders")
    broken = {"customers": customers, "products": customers, "torn": customers, "quarantine.orders": customers}

    def opened(name: str) -> Snapshot:
        if name == "torn":
            raise Damaged("it can't be read")
        return replace(broken[name], table=name)

    assert list(parents(orders, broken, opened)) == ["customers"]
    assert list(parents(orders, broken, opened, read=["products"])) == ["products", "customers"]
    with pytest.raises(Damaged):
        parents(orders, broken, opened, read=["torn"])
