"""Business words that stand for an expression over columns: revenue is price times quantity, margin price less cost.

World knowledge that is not parsing: each concept says which words mean it and which roles of columns it needs; it yields
an expression only where a table has such columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from intendant.language.to_sql import kind_of_type
from intendant.planner.words import name_parts
from intendant.types import Column

__all__ = ["CONCEPTS", "Concept", "key_of", "time_of"]

PRICE = ("price", "fare", "rate", "fee", "tariff")
QUANTITY = ("quantity", "seat", "night", "unit", "piece", "copy", "ticket", "hour", "minute", "day", "weight", "volume")
COST = ("cost", "expense", "purchase")
START = (
    "start",
    "started",
    "begin",
    "began",
    "created",
    "opened",
    "ordered",
    "departed",
    "dispatched",
    "admitted",
    "checkin",
    "in",
    "from",
    "placed",
    "raised",
    "hired",
    "borrowed",
    "issued",
    "booked",
    "pickup",
    "joined",
    "onset",
)
END = (
    "end",
    "ended",
    "finish",
    "finished",
    "closed",
    "completed",
    "delivered",
    "arrived",
    "discharged",
    "checkout",
    "out",
    "to",
    "until",
    "resolved",
    "cleared",
    "returned",
    "dropoff",
    "stopped",
    "left",
    "shipped",
    "paid",
    "done",
    "due",
)


@dataclass(frozen=True)
class Concept:
    """`words` are stems of the phrase; `build` gives expressions over a table's columns, best first."""

    words: tuple[tuple[str, ...], ...]
    build: Callable[[Sequence[Column]], list[str]]


def numbers(columns: Sequence[Column]) -> list[Column]:
    return [c for c in columns if kind_of_type(c.type) == "number" and name_parts(c.name)[-1:] != ("id",)]


def with_part(columns: Sequence[Column], words: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    """Number columns that have one of the words, the earlier word first."""
    out: list[str] = []
    for word in words:
        for c in numbers(columns):
            parts = name_parts(c.name)
            if word in parts and not set(parts) & set(without) and c.name not in out:
                out.append(c.name)
    return out


def revenue(columns: Sequence[Column]) -> list[str]:
    for c in numbers(columns):
        parts = name_parts(c.name)
        if "per" in parts:
            unit = parts[parts.index("per") + 1 :]
            other = [o.name for o in numbers(columns) if set(unit) & set(name_parts(o.name)) and o.name != c.name]
            if other:
                return [f"{quoted(c.name)} * {quoted(other[0])}"]
    prices = with_part(columns, PRICE)
    quantities = [q for q in with_part(columns, QUANTITY, PRICE + COST) if q not in prices]
    return [f"{quoted(p)} * {quoted(q)}" for p in prices[:1] for q in quantities[:1]]


def margin(columns: Sequence[Column]) -> list[str]:
    prices, costs = with_part(columns, (*PRICE, "revenue", "amount", "charge"), COST), with_part(columns, COST)
    out = [f"{quoted(p)} - {quoted(c)}" for p in prices[:1] for c in costs[:1]]
    quantities = [q for q in with_part(columns, QUANTITY, PRICE + COST) if q not in prices]
    return out + [f"({o}) * {quoted(q)}" for o in out for q in quantities[:1]]


def spans(columns: Sequence[Column]) -> list[tuple[str, str]]:
    times = [c.name for c in columns if kind_of_type(c.type) == "time"]
    pairs = [
        (a, b)
        for a in times
        for b in times
        if a != b and set(name_parts(a)) & set(START) and set(name_parts(b)) & set(END)
    ]
    return sorted(pairs, key=lambda p: (times.index(p[0]), times.index(p[1])))[:1]


def duration(unit: str) -> Callable[[Sequence[Column]], list[str]]:
    return lambda columns: [f"{unit}s_between({quoted(a)}, {quoted(b)})" for a, b in spans(columns)]


def full_name(columns: Sequence[Column]) -> list[str]:
    by = {name_parts(c.name): c.name for c in columns}
    first, last = by.get(("first", "name")), by.get(("last", "name")) or by.get(("surname",))
    return [f"{quoted(first)} || ' ' || {quoted(last)}"] if first and last else []


def fahrenheit(columns: Sequence[Column]) -> list[str]:
    return [f"{quoted(c)} * 9 / 5 + 32" for c in with_part(columns, ("temperature", "celsius"))[:1]]


def quoted(name: str) -> str:
    from intendant.language.grammar import grammar

    return grammar().kinds.name(name)


def phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(name_parts(p.strip()) for p in text.split(","))


CONCEPTS: tuple[Concept, ...] = (
    Concept(
        phrases(
            "total revenue, daily revenue, revenue, revenues, turnover, total price, line total, total value, order value,"
            " total amount, sales amount, sales value, gross sales, line amount, total cost, total sales, extended price,"
            " amount due, proceeds, takings, sales volume, money made"
        ),
        revenue,
    ),
    Concept(phrases("profit margin, gross margin, margin, profit, gross profit, markup, earnings"), margin),
    Concept(
        phrases(
            "duration, length of stay, elapsed time, time taken, run time, runtime, processing time, turnaround,"
            " turnaround time, lead time, delivery time, stay length, trip time, repair time, time spent, hours spent"
        ),
        lambda columns: duration("hour")(columns) + duration("day")(columns),
    ),
    Concept(phrases("days between, duration in days, days open, days to deliver, number of days"), duration("day")),
    Concept(phrases("duration in hours, hours open, number of hours"), duration("hour")),
    Concept(phrases("duration in seconds, seconds open"), duration("second")),
    Concept(phrases("full name, fullname, whole name"), full_name),
    Concept(phrases("fahrenheit, degrees f, degree f"), fahrenheit),
)

TIME_WORDS = (
    "created",
    "ordered",
    "recorded",
    "updated",
    "event",
    "placed",
    "sold",
    "at",
    "timestamp",
    "on",
    "date",
    "time",
)


def time_of(columns: Sequence[Column], declared: str | None = None) -> str | None:
    """The column that says when a row happened: the declared one, else the likeliest of the time columns."""
    if declared:
        return declared
    times = [c.name for c in columns if kind_of_type(c.type) == "time"]
    if len(times) < 2:
        return times[0] if times else None
    ranked = sorted(
        times, key=lambda n: min((TIME_WORDS.index(p) for p in name_parts(n) if p in TIME_WORDS), default=99)
    )
    return ranked[0]


def key_of(columns: Sequence[Column], table: str, declared: str | None = None) -> str | None:
    """The column that identifies a row: the declared one, `id`, <singular of the table>_id, or a first `..._id`."""
    if declared:
        return declared
    own = name_parts(table.rpartition(".")[2])
    for c in columns:
        parts = name_parts(c.name)
        if parts in (("id",), (*own, "id"), (*own[-1:], "id"), (*own, "number"), (*own, "code")):
            return c.name
    first = columns[0].name if columns else None
    ends = ("id", "key", "number", "code", "uuid")
    return first if first and name_parts(first)[-1:] and name_parts(first)[-1] in ends else None
