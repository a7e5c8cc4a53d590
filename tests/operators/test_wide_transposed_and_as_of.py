"""Families of columns to rows, tables on their side, and the row of another table that was the last at a time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from any_rows import Bench, Row, rows_of, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intendant.errors import EngineError, IntendantError, LanguageError, TypeMismatch, UnknownName

SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WIDE = pa.table(
    {"shop": ["a", "b"], "price_2024": [1.5, None], "units_2024": [3, 4], "Price_2025": [2.5, 3.5], "price": [9, 9]}
)
TALL = pa.table({"region": ["north", "south"], "revenue": [10.5, 20.0], "orders": [3, None]})


# ---------------------------------------------------------------- wide to long
def test_each_ending_of_a_family_is_a_row_and_what_is_not_there_is_missing(bench: Bench) -> None:
    bench.put("t", WIDE)
    found = bench.ask("drop price wide to long price, units as year sort by shop, year")
    assert found == [
        {"shop": "a", "year": 2024, "price": 1.5, "units": 3},
        {"shop": "a", "year": 2025, "price": 2.5, "units": None},
        {"shop": "b", "year": 2024, "price": None, "units": 4},
        {"shop": "b", "year": 2025, "price": 3.5, "units": None},
    ]
    kinds = {c.name: c.type for c in bench.columns("drop price wide to long price, units as year")}
    assert kinds == {"shop": "VARCHAR", "year": "BIGINT", "price": "DOUBLE", "units": "BIGINT"}


def test_endings_that_are_words_stay_words_and_a_column_belongs_to_its_longest_beginning(bench: Bench) -> None:
    bench.put("t", pa.table({"id": [1], "temp_in": [20], "temp_max_in": [30], "tempo": [7], "temp.out": [5]}))
    found = bench.ask("wide to long temp, temp_max as place sort by place")
    assert found == [
        {"id": 1, "tempo": 7, "place": "in", "temp": 20, "temp_max": 30},
        {"id": 1, "tempo": 7, "place": "out", "temp": 5, "temp_max": None},
    ]
    assert bench.origins("wide to long temp, temp_max as place")["temp"] == ("t.temp_in", "t.temp.out")


def test_a_family_may_be_said_by_its_columns(bench: Bench) -> None:
    bench.put("t", WIDE)
    said = bench.ask("drop price wide to long price_2024, PRICE_2025, units_2024 as year sort by shop, year")
    assert said == bench.ask("drop price wide to long price, units as year sort by shop, year")
    bench.put("t", pa.table({"id": [1], "q1": [3], "q2": [4]}))
    assert bench.ask("wide to long q1, q2 as quarter sort by quarter") == [
        {"id": 1, "quarter": 1, "q": 3},
        {"id": 1, "quarter": 2, "q": 4},
    ]


def test_numbers_with_zeros_in_front_are_words(bench: Bench) -> None:
    bench.put("t", pa.table({"m01": [1], "m12": [2]}))
    assert bench.ask("wide to long m as month sort by month") == [{"month": "01", "m": 1}, {"month": "12", "m": 2}]


# ---------------------------------------------------------------- transpose
def test_rows_become_columns_and_columns_rows_in_their_order(bench: Bench) -> None:
    bench.put("t", TALL)
    expected = [{"figure": "revenue", "north": 10.5, "south": 20.0}, {"figure": "orders", "north": 3.0, "south": None}]
    assert bench.ask("transpose by region as figure") == expected
    assert bench.ask("transpose by region in ('south') as figure") == [
        {k: v for k, v in r.items() if k != "north"} for r in expected
    ]
    assert bench.origins("transpose by region as figure") == {
        "figure": (),
        "north": ("t.region", "t.revenue", "t.orders"),
        "south": ("t.region", "t.revenue", "t.orders"),
    }


@SOME
@given(rows=tables.filter(len))
def test_transposed_twice_a_table_is_as_it_was(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    once = bench.ask("select id, x, y transpose by id as what")
    assert [r["what"] for r in once] == ["x", "y"]
    assert {n: [r[n] for r in once] for n in once[0] if n != "what"} == {str(r["id"]): [r["x"], r["y"]] for r in rows}
    twice = bench.ask("select id, x, y transpose by id as what transpose by what in ('x', 'y') as id sort by id")
    expected = [{"id": str(r["id"]), "x": None if r["x"] is None else float(r["x"]), "y": r["y"]} for r in rows]
    assert rows_of(twice) == rows_of(expected)


def test_two_rows_of_one_name_stop_the_step_and_lose_nothing(bench: Bench) -> None:
    bench.put("t", pa.table({"region": ["north", "north"], "revenue": [1, 2]}))
    with pytest.raises(EngineError, match="two rows are 'north'; make one of them first"):
        bench.ask("transpose by region as figure")


# ---------------------------------------------------------------- as-of join
@SOME
@given(rows=tables, other=tables, left=st.booleans())
def test_the_last_row_at_or_before_is_the_one(bench: Bench, rows: list[Row], other: list[Row], left: bool) -> None:
    bench.fill(other)
    bench.tables["seen"] = bench.tables["t"]
    bench.fill(rows)

    def last(r: Row) -> Row | None:
        there = [o for o in other if o["g"] == r["g"] is not None and None not in (o["x"], r["x"]) and o["x"] <= r["x"]]
        latest = [o for o in there if o["x"] == max(o["x"] for o in there)]
        return max(latest, key=lambda o: o["id"], default=None)

    found = bench.ask(f"select id, g, x {'left ' if left else ''}asof join seen on g by x")
    expected = [
        {"id": r["id"], "g": r["g"], "x": r["x"], "seen_id": o and o["id"], "y": o and o["y"], "s": o and o["s"]}
        for r in rows
        if (o := last(r)) or left
    ]
    assert rows_of([{k: v for k, v in f.items() if k != "l"} for f in found]) == rows_of(expected)


def test_the_key_may_be_left_out_and_the_times_be_named_differently(bench: Bench) -> None:
    bench.put("rates", pa.table({"since": [1, 10], "rate": [0.5, 0.7]}))
    bench.put("t", pa.table({"day": [0, 5, 10]}))
    assert bench.ask("left asof join rates by day = since sort by day") == [
        {"day": 0, "rate": None},
        {"day": 5, "rate": 0.5},
        {"day": 10, "rate": 0.7},
    ]
    assert bench.origins("left asof join rates by day = since") == {"day": ("t.day",), "rate": ("rates.rate",)}


def test_the_other_table_may_have_a_column_of_any_name(bench: Bench) -> None:
    bench.put("rates", pa.table({"since": [1, 1], "place": [3, 4], "place of the row": [7, 7]}))
    bench.put("t", pa.table({"day": [5]}))
    assert bench.ask("asof join rates by day = since") == [{"day": 5, "place": 4, "place of the row": 7}]


# ---------------------------------------------------------------- first and last of an order
@SOME
@given(rows=tables)
def test_first_and_last_are_those_of_the_whole_order(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    found = bench.ask("select id, g, y first y by id per g as opening last y by id per g as closing")
    expected = []
    for r in rows:
        mine = [o for o in rows if o["g"] == r["g"]]
        expected.append({"id": r["id"], "g": r["g"], "y": r["y"], "opening": mine[0]["y"], "closing": mine[-1]["y"]})
    assert rows_of(found) == rows_of(expected)


# ---------------------------------------------------------------- what doesn't fit
@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("wide to long cost as year", UnknownName, "no column's name begins with 'cost' and goes on (at `wide to long "
         "cost as year`). There are shop, price_2024, units_2024, Price_2025, price."),
        ("wide to long price as shop", LanguageError, "two columns would be named 'shop' (at `wide to long price as "
         "shop`). Choose another name."),
        ("wide to long price as year", LanguageError, "two columns would be named 'price' (at `wide to long price as "
         "year`). Choose another name."),
        ("derive \"price 2024\" = 1 drop price wide to long price as year", LanguageError, "'price_2024' and 'price 2024' "
         "are both 'price' of '2024' (at `wide to long price as year`). Rename one of them first."),
        ("drop price rename units_2024 to price_one cast price_one to text wide to long price as year", TypeMismatch,
         "'price_2024' is DOUBLE, 'price_one' is VARCHAR: they can't share a column (at `wide to long price as year`). "
         "Cast them first: `cast price_2024 to text cast price_one to text`."),
        ("transpose by shop in ('a') as A", LanguageError, "two columns would be named 'a' (at `transpose by shop in "
         "('a') as A`). Name the new column otherwise: `as A_of`."),
        ("select shop transpose by shop as x", LanguageError, "there is no column beside 'shop' to transpose (at "
         "`transpose by shop as x`). Take another table."),
        ("asof join t by shop", TypeMismatch, "'shop' is no time and no number, so nothing comes before it (at `asof "
         "join t by shop`). Cast it first: `cast shop to timestamp`."),
        ("asof join t on shop by price and units_2024", LanguageError, "`asof join` goes by one time (at `asof join t on "
         "shop by price and units_2024`). Other columns that must match come after `on`."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_mend(
    bench: Bench, said: str, error: type[IntendantError], text: str
) -> None:
    bench.put("t", WIDE)
    with pytest.raises(error) as e:
        bench.ask(said)
    assert str(e.value) == text
