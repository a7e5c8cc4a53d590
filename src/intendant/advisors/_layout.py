"""How a new table lies best: its sort order and partitions, from what its rows are like and what queries ask of it.

A sorted table lets queries skip row groups by their smallest and largest value; a partition lets them skip whole files.
Partitions are made only where each holds enough (about `TARGET` bytes): many small files cost more than they save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intendant.advisors._workload import Asked
from intendant.engines.base import Reader, quoted
from intendant.language.grammar import grammar
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Snapshot, in_bytes

__all__ = ["LEAST", "MOST", "TARGET", "Chosen", "Spread", "chosen", "spreads"]

TARGET = 128_000_000
"""Bytes that a partition should hold, as they lie on the disk."""
LEAST = TARGET // 4
MOST = 1000
"""Partitions at most."""
SKEWED = 0.5
"""A value that holds more of the rows than this makes no good partitions."""
MOST_SORTED = 3
UNITS = ("year", "month", "day")
MOST_KNOWN = 50
KNOWN: dict[tuple[object, ...], dict[str, Spread]] = {}
"""What was counted of a table's files, which never change."""


@dataclass(frozen=True)
class Spread:
    """How a column, or the periods of a time column, divide the rows: distinct values, the rows of the most frequent one,
    and the rows whose value is missing."""

    distinct: int
    largest: int
    missing: int = 0


@dataclass(frozen=True)
class Chosen:
    partition: tuple[str, ...]
    sort: tuple[str, ...]
    why: str


def chosen(columns: Sequence[Column], rows: int, size: int, spread: Mapping[str, Spread], asked: Asked) -> Chosen:
    """The layout; `spread` is keyed by column, or "month(column)" for the periods of a time column."""
    kinds = {c.name: kind_of_type(c.type) for c in columns}
    parts, said = partitions(rows, size, spread, asked, kinds)
    sort, by = order(columns, kinds, spread, asked, parts)
    why = "; ".join(x for x in (f"sort by {', '.join(sort)}: {by}" if sort else by, said) if x)
    return Chosen(parts, sort, f"{why}; {in_bytes(size)}")


def order(
    columns: Sequence[Column],
    kinds: Mapping[str, str],
    spread: Mapping[str, Spread],
    asked: Asked,
    parts: Sequence[str],
) -> tuple[tuple[str, ...], str]:
    """What queries filter by, most often first; else what they join by, or time."""
    plain = {
        c.name for c in columns if written(c.name) in parts
    }  # one value in each file: there is nothing left to sort
    for part, verb in (("filters", "filter"), ("joins", "join by"), ("groups", "group by")):
        weights = {
            c: w for c, w in asked.weights(part).items()
            if kinds.get(c) not in (None, "other") and c not in plain and spread.get(c, Spread(2, 0)).distinct > 1
        }  # fmt: skip
        best = sorted(weights, key=lambda c: (-weights[c], c))[:MOST_SORTED]
        if best:
            used = ", ".join(
                f"{asked.count(part, c)} of {asked.queries} queries {verb} {'it' if len(best) == 1 else c}"
                for c in best
            )
            return tuple(best), used
    times = [c.name for c in columns if kinds[c.name] == "time"][:1]
    if times:
        return tuple(times), "no known query filters it; most look at a stretch of time"
    return (), "no known query filters it and no column is a time: in the order of the rows"


def partitions(
    rows: int, size: int, spread: Mapping[str, Spread], asked: Asked, kinds: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    """The column or period that queries filter most and whose parts are nearest the target in size."""
    if size < 2 * TARGET or not rows:
        return (), "too small for partitions"
    weights = asked.weights("filters")
    fitting = []
    for key, s in spread.items():
        column = key if key in kinds else next((c for c in kinds if key.endswith(f"({written(c)})")), "")
        enough = 2 <= s.distinct <= MOST and size / s.distinct >= LEAST
        whole = kinds.get(key) != "time"  # a moment is no part; its periods are
        if enough and whole and s.largest <= SKEWED * rows and (column in weights or kinds.get(column) == "time"):
            fitting.append((weights.get(column, 0.0), -abs(size / s.distinct - TARGET), key, s))
    if not fitting:
        return (), "no column makes even parts of that size"
    weight, _, key, s = max(fitting, key=lambda f: f[:3])
    key = key if "(" in key else written(key)
    known = "queries filter it" if weight else "by time"
    return (key,), f"partition by {key}: {known}, {s.distinct} parts of about {in_bytes(size / s.distinct)}"


def spreads(engine: Reader, snapshot: Snapshot, asked: Asked) -> dict[str, Spread]:
    """How every column that queries use, and the periods of time columns, divide the rows. For a table that is large enough
    for partitions the values that may make them are counted exactly."""
    used = {c for part in ("filters", "joins", "groups") for c in asked.weights(part)}
    keys: dict[str, str] = {}
    for c in snapshot.columns:
        kind = kind_of_type(c.type)
        if kind == "time" and c.type != "TIME":
            keys |= {f"{unit}({written(c.name)})": f"date_trunc('{unit}', {quoted(c.name)})" for unit in UNITS}
        if c.name in used and kind != "other":
            keys[c.name] = quoted(c.name)
    if not keys or not snapshot.rows:
        return {}
    known = (snapshot.files, tuple(keys))
    if known not in KNOWN:
        if len(KNOWN) >= MOST_KNOWN:
            KNOWN.clear()
        KNOWN[known] = counted(engine, snapshot, keys)
    return KNOWN[known]


def counted(engine: Reader, snapshot: Snapshot, keys: Mapping[str, str]) -> dict[str, Spread]:
    rows, source = {snapshot.table: snapshot}, table_sql(snapshot.table).sql("duckdb")
    shown = ", ".join(f"approx_count_distinct({sql}), count(*) - count({sql})" for sql in keys.values())
    row = engine.rows(f"SELECT {shown} FROM {source}", rows)[1][0]
    found = {key: Spread(int(row[2 * i]), 0, int(row[2 * i + 1])) for i, key in enumerate(keys)}
    for key, sql in keys.items() if snapshot.bytes >= 2 * TARGET else ():
        if 2 <= found[key].distinct <= 2 * MOST:
            groups = f"SELECT count(*), max(n) FROM (SELECT count(*) AS n FROM {source} GROUP BY {sql})"
            distinct, largest = engine.rows(groups, rows)[1][0]
            found[key] = Spread(int(distinct), int(largest), found[key].missing)
    return found


def written(column: str) -> str:
    """A column's name as it stands in a plan."""
    return grammar().kinds["column"].write(column)
