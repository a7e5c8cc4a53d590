"""The scope of a plan in ids: what can be meant where it stands, and that it never bars what people's plans say."""

from __future__ import annotations

import pytest
from tests.planner.worlds import VALUES, shop

from intendant.language.plans import parse
from intendant.model.training.catalogs import load_worlds
from intendant.model.training.generate import answer, bank
from intendant.planner.encode import encode
from intendant.planner.ground import Grounding, ground
from intendant.planner.ids import Unsayable
from intendant.planner.mentions import Index
from intendant.planner.scope import START, Here, Scope


def stands(scope: Scope, plan: str) -> Here:
    here = START
    for word in plan.split():
        here = scope.after(here, word)
    return here


def ids(g: Grounding, plan: str) -> str:
    """The plan with ids in place of names and literals."""
    by_text = {c.text: c.id for c in g.candidates.values()}
    return " ".join(by_text.get(w, w) for w in plan.split())


SAID = (
    "orders, customers: price, quantity, status, order_id, customer_id, created_at, country, 5 and 'paid', "
    "named extra_col and more_col"
)


@pytest.fixture(scope="module")
def grounded() -> Grounding:
    return ground(SAID, Index(shop("orders", "customers")))


@pytest.mark.parametrize(
    ("before", "word", "can"),
    [
        ("transform orders filter", "price", True),
        ("transform orders filter", "country", False),
        ("transform orders join customers on customer_id filter", "country", True),
        ("transform orders join", "orders", False),
        ("transform orders join customers on price", "filter", False),
        ("transform orders join customers on price", "=", True),
        ("transform orders join customers on", "customer_id", True),
        ("transform orders select price ,", "price", False),
        ("transform orders select price ,", "quantity", True),
        ("transform orders select price filter", "quantity", False),
        ("transform orders drop price filter", "price", False),
        ("transform orders rename price to extra_col filter", "price", False),
        ("transform orders rename price to extra_col filter", "extra_col", True),
        ("transform orders derive extra_col = price * quantity filter", "extra_col", True),
        ("transform orders filter", "extra_col", False),
        ("transform orders group by status : sum price filter", "A1", True),
        ("transform orders group by status : sum price filter", "A2", False),
        ("transform orders group by status : sum price filter", "quantity", False),
        ("transform orders group by status : sum price filter", "status", True),
        ("transform orders group by status : sum", "status", False),
        ("transform orders group by status : sum price as extra_col , max quantity as", "extra_col", False),
        ("query orders filter price >", "'paid'", False),
        ("query orders filter price >", "5", True),
        ("query orders filter status =", "5", False),
        ("query orders filter status =", "'paid'", True),
        ("query orders filter created_at >=", "5", False),
        ("query orders filter price", "*", True),
        ("query orders filter status", "*", False),
        ("query orders filter status", "contains", True),
        ("query orders filter price", "contains", False),
        ("transform orders trim", "price", False),
        ("transform orders trim", "status", True),
        ("check orders for price at least", "'paid'", False),
        ("check orders for price at least", "5", True),
        ("transform orders select price into extra_col ; query it filter", "price", True),
        ("transform orders select price into extra_col ; query it filter", "quantity", False),
    ],
)
def test_what_can_be_meant(grounded: Grounding, before: str, word: str, can: bool) -> None:
    scope = Scope(grounded)
    assert scope.admits(stands(scope, ids(grounded, before)), ids(grounded, word)) is can


def test_a_value_that_a_column_does_not_have_is_none_of_its(grounded: Grounding) -> None:
    g = ground("paid orders of customers from Spain by country and status", Index(shop("orders", "customers"), VALUES))
    scope = Scope(g)
    joined = ids(g, "query orders join customers on customer_id filter country =")
    assert scope.admits(stands(scope, joined), ids(g, "'Spain'"))
    assert not scope.admits(stands(scope, ids(g, "query orders filter status =")), ids(g, "'Spain'"))


def test_where_it_loses_track_it_admits_everything(grounded: Grounding) -> None:
    scope = Scope(grounded)
    assert scope.admits(
        stands(scope, ids(grounded, "transform orders pivot status : count by order_id filter")),
        ids(grounded, "country"),
    )


def test_it_bars_hardly_anything_that_people_wrote() -> None:
    worlds, said, barred = load_worlds(), 0, []
    for p in bank()[::31]:
        if p.catalog not in worlds or answer(p.plan):
            continue
        try:
            g = ground(p.text, worlds[p.catalog].index)
            words = encode(parse(p.plan), g).split()
        except Unsayable:
            continue
        scope, said = Scope(g), said + 1
        here = START
        for word in words:
            if not scope.admits(here, word):
                barred.append(p.plan)
                break
            here = scope.after(here, word)
    assert said > 400
    assert len(barred) <= said // 300, barred
