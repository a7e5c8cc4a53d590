"""Which missing column a new one may be under another name: their names, or their values, agree, and so do their types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

from rapidfuzz import fuzz

from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Snapshot

__all__ = ["renames"]

SAMPLE = 5_000
"""Rows of the load whose values are looked up among the table's."""
SHARED = 0.6
"""Least share of a renamed column's values that the old one had."""
ALIKE = 0.75
"""Least likeness of two names."""
ENOUGH = {"number": 12, "time": 6}
"""Distinct values from which sharing them says something; few small numbers are shared by any two columns."""
TEXTS_ENOUGH = 3
MOST_PAIRS = 200
"""With more pairs of columns only their names are held against each other: each pair is a query."""
MARGIN = 0.1
"""By so much the best pair is ahead of the next one; otherwise nothing is said."""


def renames(
    engine: DuckDB, table: Snapshot, load: Snapshot, missing: Sequence[Column], new: Sequence[Column]
) -> Iterator[tuple[Column, Column, str]]:
    """(missing column, new column, what speaks for it), each column in one pair at most. Raises EngineError."""
    pairs = [(a, b) for a, b in product(missing, new) if kind_of_type(a.type) == kind_of_type(b.type)]
    by_values = len(pairs) <= MOST_PAIRS
    found = [(*_agreement(engine, table, load, was, now, by_values), was, now) for was, now in pairs]
    scored = [(score, was, now, why) for score, why, was, now in found if why]
    scored.sort(key=lambda s: -s[0])
    used: list[Column] = []
    for score, was, now, why in scored:
        rivals = [s for s, w, n, _ in scored if (w is was) != (n is now) and w not in used and n not in used]
        if was in used or now in used or any(score - r < MARGIN for r in rivals):
            continue
        used += [was, now]
        yield was, now, why


def _agreement(
    engine: DuckDB, table: Snapshot, load: Snapshot, was: Column, now: Column, by_values: bool
) -> tuple[float, str]:
    """(score, why) for two columns of a kind, why "" when nothing speaks for it."""
    alike = fuzz.ratio(_plain(was.name), _plain(now.name)) / 100
    shared, distinct = _shared(engine, table, load, was, now) if by_values else (0.0, 0)
    told = shared >= SHARED and distinct >= ENOUGH.get(kind_of_type(now.type), TEXTS_ENOUGH)
    if told:
        return shared + alike, f"{shared:.0%} of the new column's values are values of the old one"
    if alike >= ALIKE or _plain(was.name) == _plain(now.name):
        return alike, "the names are alike and the types agree"
    return 0.0, ""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _shared(engine: DuckDB, table: Snapshot, load: Snapshot, was: Column, now: Column) -> tuple[float, int]:
    """(share of the load's distinct values that the table's column has, how many distinct values were looked up)."""
    before, after = f"_was.{table.table}", f"_now.{load.table}"
    old = f"SELECT DISTINCT CAST({quoted(was.name)} AS VARCHAR) AS v FROM {table_sql(before).sql('duckdb')}"
    new = (
        f"SELECT DISTINCT CAST({quoted(now.name)} AS VARCHAR) AS v FROM {table_sql(after).sql('duckdb')}"
        f" WHERE {quoted(now.name)} IS NOT NULL LIMIT {SAMPLE}"
    )
    sql = f"SELECT count(*), count(o.v) FROM ({new}) AS n LEFT JOIN ({old}) AS o ON n.v = o.v"
    distinct, found = engine.rows(sql, {before: table, after: load})[1][0]
    return (found / distinct if distinct else 0.0), int(distinct)
