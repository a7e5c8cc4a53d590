"""The demo's sales API behaves like a real one."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from intendant.demo.orders import make_orders, revenue
from intendant.demo.sales_api import SalesApi

TOKEN = {"Authorization": "Bearer demo"}


def fetch(api: SalesApi, **query: str | int) -> httpx.Response:
    return httpx.get(f"{api.url}/orders", params=query, headers=TOKEN)


def test_the_same_seed_makes_the_same_orders():
    assert make_orders(500, 3) == make_orders(500, 3) != make_orders(500, 4)


def test_a_faultless_shop_has_no_missing_repeated_or_mistyped_value():
    orders = make_orders(3000, faults=False)
    assert len({o["order_id"] for o in orders}) == 3000
    assert {tuple(type(v) for v in o.values()) for o in orders} == {(int, int, int, float, int, str, str)}
    assert all(o["price"] > 0 and o["quantity"] > 0 for o in orders)


def test_created_at_tells_orders_apart_so_that_the_latest_are_well_defined():
    times = [o["created_at"] for o in make_orders(3000, faults=False)]
    assert times == sorted(set(times))


def test_every_fault_but_text_for_a_price_is_among_the_newest_ten_thousand():
    orders = make_orders(25_000)
    newest = orders[-10_000:]
    assert any(isinstance(o["price"], str) for o in orders)
    assert len(newest) - len({o["order_id"] for o in newest}) > 0
    assert sum(o["customer_id"] is None for o in newest) > 0
    assert sum(o["customer_id"] == "guest" for o in newest) > 0
    assert sum(o["price"] is None for o in newest) > 0
    assert not any(isinstance(o["price"], str) for o in newest)
    assert sum(o["quantity"] < 0 for o in newest) > 0
    assert 0 < sum("channel" in o for o in newest) < 10_000


def test_revenue_is_exact():
    assert str(revenue([{"price": 0.1, "quantity": 3}, {"price": None, "quantity": 1}])) == "0.3"


def test_pages_lead_from_the_newest_to_the_oldest_order_without_gap_or_overlap():
    with SalesApi(orders=2500, faults=False, burst=100) as api:
        got, path = [], "/orders?sort=-created_at&limit=700"
        while path:
            page = httpx.get(api.url + path, headers=TOKEN).json()
            got, path = got + page["data"], page["next"]
        assert got == api.orders[::-1]
        assert page["total"] == 2500


def test_a_page_has_a_thousand_rows_at_most():
    with SalesApi(orders=2500, burst=100) as api:
        assert len(fetch(api, limit=5000).json()["data"]) == 1000
        assert fetch(api, limit=5000, offset=2400).json()["next"] is None


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_since_gives_only_later_orders(sort: str):
    with SalesApi(orders=300, faults=False, burst=100) as api:
        page = fetch(api, since=api.orders[199]["created_at"], sort=sort).json()
        assert page["total"] == len(page["data"]) == 100
        assert {o["order_id"] for o in page["data"]} == {o["order_id"] for o in api.orders[200:]}


def test_without_the_token_nothing_is_served():
    with SalesApi(orders=10) as api:
        assert httpx.get(f"{api.url}/orders").status_code == 401


def test_too_many_requests_are_told_when_to_come_back():
    with SalesApi(orders=10, burst=3, per_second=0.01) as api:
        replies = [fetch(api) for _ in range(5)]
        assert Counter(r.status_code for r in replies) == {200: 3, 429: 2}
        assert replies[-1].headers["retry-after"] == "1"
        assert api.throttled == 2


def test_a_query_it_does_not_understand_is_an_error_that_says_so():
    with SalesApi(orders=10, burst=100) as api:
        for query in ({"limit": "many"}, {"offset": "-1"}, {"sort": "price"}):
            assert fetch(api, **query).status_code == 400
        assert httpx.get(f"{api.url}/nothing", headers=TOKEN).status_code == 404
