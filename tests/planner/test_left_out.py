"""What a sentence says and a plan leaves out, reads in two ways, or adds unasked, keeps the plan from running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.planner.test_ground import grounded

from intendant.engines.duckdb import DuckDB
from intendant.language.plans import parse
from intendant.operators._compile import Typing
from intendant.planner.check import check
from intendant.planner.cues import unanswered
from intendant.planner.encode import encode


@pytest.fixture(scope="module")
def typing() -> Iterator[Typing]:
    engine = DuckDB()
    yield Typing(engine)
    engine.close()


def test_a_name_to_be_made_that_the_plan_does_not_make_is_left_out(typing: Typing) -> None:
    g = grounded("shop", "cheap_orders = orders with a price below 5")
    made = encode(parse("transform orders filter price < 5 into cheap_orders"), g)
    asked = encode(parse("query orders filter price < 5"), g)
    assert check(made, -0.1, g, typing).unused == ()
    assert check(asked, -0.1, g, typing).unused == ("cheap_orders",)


def test_one_number_is_not_read_in_two_ways(typing: Typing) -> None:
    g = grounded("shop", "orders with a price above 20 percent of quantity")
    text = encode(parse("query orders filter price > 20 and quantity < 0.2"), g)
    assert "read in two ways" in check(text, -0.1, g, typing).error


def test_a_join_that_nobody_named_and_nothing_uses_is_open(typing: Typing) -> None:
    g = grounded("shop", "show the orders with a price over 5")
    text = encode(parse("query orders join customers on customer_id filter price > 5"), g)
    found = check(text, -0.1, g, typing)
    assert found.plan is None and "nothing says that customers is meant" in found.error


@pytest.mark.parametrize(
    ("sentence", "plan", "left"),
    [
        ("move old orders into old_orders", "transform orders drop rows where price < 1 into old_orders", True),
        ("keep 5 snapshots of orders", "query orders first 5", True),
        ("keep 5 snapshots of orders", "retain orders versions 5", False),
        ("mean duration in minutes", "query calls aggregate avg seconds", True),
        ("mean duration in minutes", "query calls aggregate avg (seconds / 60)", False),
    ],
)
def test_a_cue_wants_its_answer(sentence: str, plan: str, left: bool) -> None:
    assert bool(unanswered(sentence, plan)) is left


def test_a_value_of_a_list_that_the_plan_leaves_out_is_left_out(typing: Typing) -> None:
    g = grounded("shop", "orders whose status is 'paid', 'open' or 'cancelled'")
    whole = encode(parse("query orders filter status in ('paid', 'open', 'cancelled')"), g)
    short = encode(parse("query orders filter status in ('paid', 'cancelled')"), g)
    assert check(whole, -0.1, g, typing).unused == ()
    assert "open" in " ".join(check(short, -0.1, g, typing).unused)
