"""The catalogs that the planner's tests speak of."""

from __future__ import annotations

from intendant.catalog import Catalog, Query, Table
from intendant.types import Column, Resource


def columns(text: str) -> tuple[Column, ...]:
    """`id BIGINT, name VARCHAR` -> columns."""
    return tuple(Column(*c.split()) for c in text.split(", "))


ORDERS = columns(
    "order_id BIGINT, customer_id BIGINT, product_id BIGINT, price DOUBLE, quantity BIGINT, status VARCHAR, created_at TIMESTAMP"
)
SALES = columns(
    "sale_id BIGINT, customer_id BIGINT, product VARCHAR, quantity BIGINT, unit_price DOUBLE, country VARCHAR, sold_at TIMESTAMP"
)
READINGS = columns("device_id VARCHAR, temperature DOUBLE, humidity DOUBLE, battery DOUBLE, recorded_at TIMESTAMP")
CUSTOMERS = columns(
    "customer_id BIGINT, full_name VARCHAR, email VARCHAR, country VARCHAR, is_active BOOLEAN, signed_up DATE"
)


SQL = "SELECT 1 FROM {}"


def shop(*tables: str, saved: bool = False) -> Catalog:
    """One REST source with orders; of the tables those named."""
    all_tables = {"staging.orders": ORDERS, "orders": ORDERS, "customers": CUSTOMERS, "sales_store": ORDERS}
    queries = {"daily_revenue": Query("daily_revenue", SQL.format(tables[0] if tables else "x"))} if saved else {}
    return Catalog(
        {t: Table(t, all_tables[t]) for t in tables},
        {"sales_api.orders": Resource("sales_api", "orders", "order_id", "created_at", ORDERS)},
        {"sales_api": "rest"},
        queries,
    )


def sales(*tables: str, saved: bool = False) -> Catalog:
    """The same with a resource that is called otherwise."""
    queries = {"daily_revenue": Query("daily_revenue", SQL.format(tables[0] if tables else "x"))} if saved else {}
    return Catalog(
        {t: Table(t, SALES) for t in tables},
        {"sales_api.sales": Resource("sales_api", "sales", "sale_id", "sold_at", SALES)},
        {"sales_api": "rest"},
        queries,
    )


def iot(*tables: str) -> Catalog:
    """A sensor stream."""
    return Catalog(
        {t: Table(t, READINGS) for t in tables},
        {"sensors.readings": Resource("sensors", "readings", None, "recorded_at", READINGS)},
        {"sensors": "kafka"},
    )


VALUES = {
    ("orders", "status"): ["paid", "open", "cancelled"],
    ("customers", "country"): ["Germany", "Spain"],
    ("staging.orders", "status"): ["paid", "open", "cancelled"],
}
CATALOGS = {
    "shop": shop("orders", "customers"),
    "staged": shop("staging.orders"),
    "empty": shop(),
    "sales": sales("staging.sales"),
    "saved": shop("orders", saved=True),
    "iot": iot("staging.readings"),
}
