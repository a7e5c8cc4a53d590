"""Whether an API sorts: asked in the usual ways, believed only when the rows that come prove it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal
from urllib.parse import parse_qsl

import pyarrow as pa

from intendant.errors import SourceError
from intendant.sources.wire.http import with_query
from intendant.sources.wire.pages import Pages
from intendant.sources.wire.paging import Page
from intendant.sources.wire.rows import JsonRows
from intendant.types import Json

__all__ = ["Order", "sorted_url"]

WAYS = ("sort={sign}{column}", "sort={column}&order={direction}", "order_by={sign}{column}",
        "sort_by={column}&order={direction}", "order={column}.{direction}", "sort={column}:{direction}",
        "ordering={sign}{column}", "$orderby={column} {direction}")


class Order:
    """Rows asked for by `by`, newest or oldest first; remembers the last value, to see that the order holds."""

    def __init__(self, by: str, order: Literal["latest", "oldest"]) -> None:
        self.by, self.descending = by, order == "latest"
        self._last: Json = None

    def values(self, table: pa.Table) -> list[Json]:
        return [v for v in table[self.by].to_pylist() if v is not None] if self.by in table.column_names else []

    def counts(self, table: pa.Table) -> int:
        """Rows that have a value to sort by."""
        return len(table) - table[self.by].null_count if self.by in table.column_names else 0

    def sorts(self, values: list[Json]) -> bool:
        """Whether the values are in this order; text that is no date is not believed: its order has many rules."""
        try:
            return all((a >= b) if self.descending else (a <= b) for a, b in pairwise(values))
        except TypeError:
            return False

    def holds(self, table: pa.Table) -> bool:
        """Whether this batch continues the order."""
        values = self.values(table)
        if not values:
            return True
        before = [] if self._last is None else [self._last]
        self._last = values[-1]
        return self.sorts(before + values)


def sorted_url(pages: Pages, rows: JsonRows, url: str, order: Order, declared: Json) -> str | None:
    """The address that gives the rows in `order`; None when the API shows no sign of sorting, or has one page only."""
    plain = pages.first(url)
    if pages.turn.way == "none":
        return None
    for asked in _urls(url, order, declared):
        page = _try(pages, asked)
        if page is None:
            continue
        if _proves(page, plain, rows, order) or (page.envelope.rows == plain.envelope.rows
                                                 and _opposite(pages, rows, url, asked, order, declared, plain)):
            return asked
    return None


def _urls(url: str, order: Order, declared: Json) -> Iterator[str]:
    ways = [str(declared)] if declared else WAYS
    for way in ways:
        text = way if "{" in way else f"{way}={{sign}}{{column}}"
        filled = {key: value.replace("{sign}", "-" if order.descending else "").replace("{column}", order.by).replace(
            "{direction}", "desc" if order.descending else "asc") for key, value in parse_qsl(text)}
        yield with_query(url, filled)


def _opposite(pages: Pages, rows: JsonRows, url: str, asked: str, order: Order, declared: Json, plain: Page) -> bool:
    """Whether asking for the opposite order in the same way gives other rows in that order."""
    turned = Order(order.by, "oldest" if order.descending else "latest")
    for this, other in zip(_urls(url, order, declared), _urls(url, turned, declared), strict=True):
        if this == asked:
            page = _try(pages, other)
            return (page is not None and _proves(page, plain, rows, turned)
                    and order.sorts(_values(plain, rows, order)))
    return False


def _try(pages: Pages, url: str) -> Page | None:
    try:
        return pages.probe(url)
    except SourceError:
        return None


def _proves(page: Page, plain: Page, rows: JsonRows, order: Order) -> bool:
    if page.envelope.rows == plain.envelope.rows:
        return False
    values = _values(page, rows, order)
    return len(set(values)) > 1 and order.sorts(values)


def _values(page: Page, rows: JsonRows, order: Order) -> list[Json]:
    return order.values(rows.table([page.envelope.rows], lambda reason, raw: None, page.reply.url))
