"""The orders of a small shop, the same for the same seed, with the faults that real ones have.

Row i of n is the i-th oldest; faults stand at fixed places, so that each kind comes among the newest 10,000 and among
the older ones. A price that is text comes only among the older: what isn't a number can't be multiplied.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from intendant.types import Json

__all__ = ["make_orders", "revenue"]

Order = dict[str, Json]

FIRST = datetime(2026, 5, 24, tzinfo=UTC)
STATUS = ("paid",) * 14 + ("shipped",) * 4 + ("cancelled", "refunded")
CHANNELS = ("web", "web", "app", "store")
CUSTOMERS, PRODUCTS = 2400, 160
LATE_ROWS = 1500
"""The newest rows carry one column more than the others."""


def make_orders(count: int = 25_000, seed: int = 7, *, faults: bool = True) -> list[Order]:
    """`count` orders, oldest first: order_id, customer_id, product_id, price, quantity, status, created_at.

    With `faults` also repeated orders, missing values, negative quantities, prices a thousand times too high, texts
    where a number belongs, and the column `channel` in the newest rows.
    """
    draw = random.Random(seed)
    prices = [round(draw.lognormvariate(3.2, 0.6), 2) for _ in range(PRODUCTS)]
    at, out = FIRST, []
    for i in range(count):
        at += timedelta(seconds=draw.randint(60, 1180))
        product = draw.randrange(PRODUCTS)
        out.append({
            "order_id": 100_001 + i,
            "customer_id": 1 + int(CUSTOMERS * draw.random() ** 2),
            "product_id": 1 + product,
            "price": round(prices[product] * draw.choice((1.0, 1.0, 1.0, 0.9)), 2),
            "quantity": draw.choice((1, 1, 1, 2, 2, 3, 4)),
            "status": draw.choice(STATUS),
            "created_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        })
    return spoilt(out, draw) if faults else out


def spoilt(orders: list[Order], draw: random.Random) -> list[Order]:
    """The orders with faults; no fault changes how many there are."""
    count = len(orders)
    for order in orders[max(0, count - LATE_ROWS):]:
        order["channel"] = draw.choice(CHANNELS)
    for i in range(37, count, 211):
        orders[i]["customer_id"] = None
    for i in range(101, count, 409):
        orders[i]["price"] = None
    for i in range(59, count, 1709):
        orders[i]["quantity"] = -orders[i]["quantity"]
    for i in range(313, count, 2503):
        orders[i]["price"] = round(1000 * float(orders[i]["price"] or 1), 2)
    for i in range(997, count, 2003):
        orders[i]["customer_id"] = "guest"
    for i in range(701, count, 1201):
        orders[i] = dict(orders[i - 1])
    for n, i in enumerate(range(count - 10_003, 0, -4003)):
        orders[i]["price"] = ("n/a", "12,50 EUR")[n % 2]
    return orders


def revenue(orders: Iterable[Mapping[str, Json]]) -> Decimal:
    """The exact sum of price times quantity, over the orders that have a number in both."""
    total = Decimal(0)
    for order in orders:
        price, quantity = order["price"], order["quantity"]
        if isinstance(price, int | float) and isinstance(quantity, int):
            total += Decimal(str(price)) * quantity
    return total
