"""What is computed of a row among its neighbours is what a few lines of Python make of any rows."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any

from any_rows import Bench, Row, before, by_group, rows_of, sorted_by, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PER = st.sampled_from((None, "g"))


def per(column: str | None) -> str:
    return f" per {column}" if column else ""


def present(rows: list[Row], column: str) -> list[Any]:
    return [r[column] for r in rows if r[column] is not None]


TOTALS: dict[str, Callable[[list[Any]], Any]] = {
    "sum": lambda v: sum(v) if v else None,
    "avg": lambda v: sum(v) / len(v) if v else None,
    "count": len,
    "min": lambda v: min(v, default=None),
    "max": lambda v: max(v, default=None),
}


@SOME
@given(rows=tables, falling=st.booleans(), group=PER)
def test_rank_leaves_gaps_dense_rank_none_and_row_number_tells_equal_rows_apart(
    bench: Bench, rows: list[Row], falling: bool, group: str | None
) -> None:
    bench.fill(rows)
    by = f"by x{' descending' if falling else ''}{per(group)}"
    expected = []
    for part in by_group(rows, group):
        part = sorted_by(part, "x", falling=falling)
        values = [r["x"] for r in part]
        distinct = list(dict.fromkeys(values))
        expected += [
            {**r, "r": values.index(r["x"]) + 1, "dense": distinct.index(r["x"]) + 1, "n": i}
            for i, r in enumerate(part, 1)
        ]
    found = bench.ask(f"rank {by} as r dense rank {by} as dense row number {by} as n")
    assert rows_of(found) == rows_of(expected)


@SOME
@given(rows=tables, how=st.sampled_from(sorted(TOTALS)), group=PER)
def test_a_running_total_goes_over_the_row_and_all_before_it(
    bench: Bench, rows: list[Row], how: str, group: str | None
) -> None:
    bench.fill(rows)
    expected = []
    for part in by_group(rows, group):
        part = sorted_by(part, "x", falling=True)
        expected += [{**r, "t": TOTALS[how](present(before(part, i), "y"))} for i, r in enumerate(part)]
    assert rows_of(bench.ask(f"running {how} y by x descending{per(group)} as t")) == rows_of(expected)


@SOME
@given(rows=tables, how=st.sampled_from(("avg", "sum", "min", "max")), count=st.integers(1, 5), group=PER)
def test_a_moving_value_goes_over_so_many_rows_or_over_those_that_are_there(
    bench: Bench, rows: list[Row], how: str, count: int, group: str | None
) -> None:
    bench.fill(rows)
    expected = []
    for part in by_group(rows, group):
        part = sorted_by(part, "id")
        doubled = [{**r, "y": None if r["y"] is None else r["y"] * 2} for r in part]
        expected += [{**r, "m": TOTALS[how](present(before(doubled, i, count), "y"))} for i, r in enumerate(part)]
    found = bench.ask(f"moving {how} y * 2 over {count} rows by id{per(group)} as m")
    assert rows_of(found) == rows_of(expected)


@SOME
@given(rows=tables, group=PER)
def test_the_previous_and_the_next_value_are_those_of_the_neighbours(
    bench: Bench, rows: list[Row], group: str | None
) -> None:
    bench.fill(rows)
    expected = []
    for part in by_group(rows, group):
        part = sorted_by(part, "x")
        y = [None, *(r["y"] for r in part), None]
        expected += [{**r, "p": y[i], "n": y[i + 2]} for i, r in enumerate(part)]
    found = bench.ask(f"previous y by x{per(group)} as p next y by x{per(group)} as n")
    assert rows_of(found) == rows_of(expected)


@SOME
@given(rows=tables, group=PER)
def test_a_share_is_the_part_of_the_sum_and_missing_where_that_is_zero(
    bench: Bench, rows: list[Row], group: str | None
) -> None:
    bench.fill(rows)
    expected = []
    for part in by_group(rows, group):
        whole = sum(present(part, "x"))
        expected += [{**r, "part": None if r["x"] is None or not whole else r["x"] / whole} for r in part]
    assert rows_of(bench.ask(f"share of x{per(group)} as part")) == rows_of(expected)


@SOME
@given(rows=tables, count=st.integers(0, 4), side=st.sampled_from(("top", "bottom")))
def test_the_best_rows_of_each_group_come_group_by_group_in_their_order(
    bench: Bench, rows: list[Row], count: int, side: str
) -> None:
    bench.fill(rows)
    groups = sorted(by_group(rows, "g"), key=lambda p: (p[0]["g"] is None, p[0]["g"] or ""))
    expected = [r for part in groups for r in sorted_by(part, "x", falling=side == "top")[:count]]
    assert bench.ask(f"{side} {count} by x per g") == expected


@SOME
@given(rows=tables, count=st.integers(0, 15), percent=st.integers(0, 100))
def test_a_sample_has_so_many_rows_and_is_the_same_each_time(
    bench: Bench, rows: list[Row], count: int, percent: int
) -> None:
    bench.fill(rows)
    all_rows = set(rows_of(rows))
    for said, wanted in (
        (f"sample {count} rows", min(count, len(rows))),
        (f"sample {percent} percent", -floor(-len(rows) * percent / 100)),
    ):
        found = rows_of(bench.ask(said))
        assert len(set(found)) == len(found) == wanted
        assert set(found) <= all_rows
        bench.fill(rows[::-1])
        assert rows_of(bench.ask(said)) == found


@SOME
@given(rows=tables)
def test_sorted_rows_stay_sorted_through_windows(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    found = bench.ask(
        "sort by x descending, id rank by y per g as r running sum x by y as t moving avg x over 2 rows by g as place "
        "previous x by y as p share of y as part"
    )
    assert [r["id"] for r in found] == [r["id"] for r in sorted_by(rows, "x", falling=True)]


def test_a_name_that_exists_is_computed_anew_where_it_stands(bench: Bench) -> None:
    bench.fill([{"id": 1, "g": "a", "x": 3, "y": 1.0, "s": "", "l": []}])
    found = bench.ask("select id, x, y running sum y by id as X")
    assert found == [{"id": 1, "x": 1.0, "y": 1.0}]
