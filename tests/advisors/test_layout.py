"""How a layout follows from the rows and the queries: pure functions over what was counted."""

from __future__ import annotations

from datetime import datetime

import pytest

from intendant.advisors._layout import MOST, TARGET, Spread, chosen
from intendant.advisors._workload import Asked, Asks, asked_of
from intendant.catalog import Catalog, Query, Table
from intendant.types import Column

COLUMNS = (
    Column("id", "BIGINT"),
    Column("created_at", "TIMESTAMP"),
    Column("region", "VARCHAR"),
    Column("tags", "VARCHAR[]"),
)
GB = 1_000_000_000


def asked(*sql: str) -> Asked:
    tables = {"orders": Table("orders", COLUMNS), "customers": Table("customers", (Column("id", "BIGINT"),))}
    return asked_of(Catalog(tables=tables, queries={str(i): Query(str(i), q) for i, q in enumerate(sql)}), "orders")


def years(distinct: int, largest: int) -> dict[str, Spread]:
    return {"year(created_at)": Spread(distinct, largest)}


# ---------------------------------------------------------------- what queries say
def test_a_query_is_read_for_what_it_filters_joins_and_groups() -> None:
    one = asked(
        "SELECT o.region, count(*) FROM orders o JOIN customers c ON o.id = c.id "
        "WHERE o.created_at >= '2026-01-01' AND o.region = 'north' AND c.id > 5 GROUP BY o.region"
    ).asks[0]
    assert (one.filters, one.joins, one.groups) == (("created_at", "region"), ("id",), ("region",))
    assert one.lows == {"created_at": datetime(2026, 1, 1)}


@pytest.mark.parametrize(
    ("where", "low"),
    [
        ("created_at BETWEEN '2026-02-01' AND '2026-03-01'", datetime(2026, 2, 1)),
        ("created_at > TIMESTAMP '2026-02-01 10:00:00'", datetime(2026, 2, 1, 10)),
        ("created_at >= '2026-02-01' OR region = 'x'", None),
        ("created_at < '2026-02-01'", None),
        ("created_at >= 'soon'", None),
        ("NOT created_at >= '2026-02-01'", None),
    ],
)
def test_how_far_back_a_query_reaches_is_known_only_where_it_is_said_for_all_rows(
    where: str, low: datetime | None
) -> None:
    assert asked(f"SELECT * FROM orders WHERE {where}").lows("created_at") == [low]


def test_queries_on_other_tables_and_broken_ones_do_not_count() -> None:
    assert asked("SELECT * FROM customers WHERE id = 1", "SELECT FROM WHERE", "").queries == 0


# ---------------------------------------------------------------- sort order
def test_the_sort_order_is_what_most_queries_filter_by_and_says_so() -> None:
    range_ = "SELECT * FROM orders WHERE created_at >= '2026-01-01'"
    made = chosen(
        COLUMNS,
        1000,
        2 * GB,
        {"created_at": Spread(1000, 1), **years(1, 1000)},
        asked(*[range_] * 4, "SELECT 1 FROM orders"),
    )
    assert made.sort == ("created_at",) and made.partition == ()
    assert made.why == "sort by created_at: 4 of 5 queries filter it; no column makes even parts of that size; 2.0 GB"


def test_a_column_of_one_value_or_of_lists_sorts_nothing() -> None:
    made = chosen(
        COLUMNS, 10, 10, {"region": Spread(1, 10)}, asked("SELECT * FROM orders WHERE region = 'n' AND len(tags) > 1")
    )
    assert made.sort == ("created_at",) and "no known query filters it" in made.why


def test_without_filters_what_is_joined_sorts_and_without_anything_nothing() -> None:
    assert chosen(COLUMNS, 10, 10, {}, asked("SELECT * FROM orders JOIN customers USING (id)")).sort == ("id",)
    plain = chosen(COLUMNS[:1], 10, 10, {}, Asked())
    assert (plain.sort, plain.partition) == ((), ()) and "in the order of the rows" in plain.why


def test_how_often_a_query_runs_counts() -> None:
    often = Asked((Asks(100.0, ("region",)), Asks(1.0, ("id",)), Asks(1.0, ("id",))))
    assert chosen(COLUMNS, 10, 10, {}, often).sort == ("region", "id")


# ---------------------------------------------------------------- partitions
def test_a_small_table_has_no_partitions() -> None:
    made = chosen(COLUMNS, 1000, 2 * TARGET - 1, years(10, 100), Asked())
    assert made.partition == () and "too small for partitions" in made.why


def test_the_period_nearest_the_target_in_size_is_taken() -> None:
    spread = {
        "year(created_at)": Spread(3, 400),
        "month(created_at)": Spread(36, 40),
        "day(created_at)": Spread(1000, 2),
    }
    made = chosen(COLUMNS, 1000, 36 * TARGET, spread, Asked())
    assert made.partition == ("month(created_at)",)
    assert "partition by month(created_at): by time, 36 parts of about 128 MB" in made.why


@pytest.mark.parametrize(
    "spread",
    [Spread(1, 1000), Spread(MOST + 1, 2), Spread(900, 2), Spread(10, 700)],
    ids=["one part", "too many", "too small ones", "a skewed one"],
)
def test_parts_that_would_not_help_are_not_made(spread: Spread) -> None:
    assert chosen(COLUMNS, 1000, 10 * TARGET, {"month(created_at)": spread}, Asked()).partition == ()


def test_a_column_that_queries_filter_goes_before_time_and_is_not_sorted_by_too() -> None:
    work = asked("SELECT * FROM orders WHERE region = 'north'")
    made = chosen(COLUMNS, 1000, 10 * TARGET, {"region": Spread(8, 200), "month(created_at)": Spread(10, 100)}, work)
    assert made.partition == ("region",) and made.sort == ("created_at",)


def test_no_more_than_so_many_partitions_are_ever_made() -> None:
    spread = {"year(created_at)": Spread(20, 60), "day(created_at)": Spread(7000, 1)}
    assert chosen(COLUMNS, 1000, 7000 * TARGET, spread, Asked()).partition == ("year(created_at)",)
