"""How odd it is that rows agree: what chance lets expect, and what rows that agree in nearly everything show.

Numbers only, of the hashes of cells; no table is read here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = [
    "RARE",
    "TRUST",
    "Counts",
    "Drawn",
    "Hashes",
    "Near",
    "Reals",
    "agreeing",
    "by_chance",
    "distinct",
    "expected",
    "subsets",
    "told_apart",
]

Hashes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint64]]"
Reals: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"
Counts: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"

RARE = 0.01
"""Rows that by chance agree with a row, for its double to be no chance."""
SURPRISING = 1.0
"""The same for rows that agree in all but a column or two."""
TRUST = 20.0
"""Columns agree so many times more often than by chance."""
TOLD_APART = 0.25
"""Other rows with the same texts, on average, in a table of things that have names."""
MOST_LEFT_OUT = 8
"""Columns of which two at a time are left out."""


@dataclass(frozen=True)
class Drawn:
    """The hash of each compared cell of all rows, or of as many of a large table, doubles once."""

    cells: dict[str, Hashes]
    sampled: bool
    total: int
    nothing: int

    @property
    def pairs(self) -> float:
        n = len(next(iter(self.cells.values())))
        return max(n * (n - 1) / 2, 1.0)


def distinct(hashes: Hashes) -> int:
    ordered = np.sort(hashes)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0


def shares(drawn: Drawn, column: str, cells: Hashes, sizes: Counts | None = None) -> Reals:
    """The share of rows that have these values by chance; 1 where a value is missing, since that tells nothing.

    Of rows in groups of such `sizes` one is counted. Without groups, a value that one row has gets the share of further
    rows that such values have (Good and Turing).
    """
    values, counts = np.unique(drawn.cells[column], return_counts=True)
    n, more = max(int(counts.sum()), 1), int(drawn.sampled)
    at = np.minimum(np.searchsorted(values, cells), len(values) - 1)
    seen = np.where(values[at] == cells, counts[at], 0) + more
    share: Reals = (seen if sizes is None or more else np.maximum(seen - (sizes - 1), 1)) / n
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    if sizes is None and once:
        share = np.where(seen <= 1 + more, np.minimum(share, max(2 * twice, 1) / once / n), share)
    return np.where(cells == drawn.nothing, 1.0, np.minimum(share, 1.0))


def expected(drawn: Drawn, columns: Sequence[str], cells: dict[str, Hashes], sizes: Counts | None = None) -> Reals:
    """How many rows agree by chance with each of these in the columns."""
    out: Reals = np.full(len(next(iter(cells.values()))), float(drawn.total))
    for c in columns:
        out *= shares(drawn, c, cells[c], sizes)
    return out


def by_chance(drawn: Drawn, columns: Sequence[str]) -> float:
    """How many doubles chance makes in the whole table of rows of which it makes hardly any."""
    odds = expected(drawn, columns, drawn.cells)
    return 0.5 * drawn.total * float(np.where(odds <= RARE, odds, 0).mean())


def signature(cells: dict[str, Hashes], columns: Sequence[str]) -> Hashes:
    """One number a row for its cells in these columns."""
    out = np.zeros(len(next(iter(cells.values()))), np.uint64)
    for c in columns:
        odd = int.from_bytes(c.encode(), "little") * 0x9E3779B97F4A7C15 % 2**64 | 1
        out += cells[c] * np.uint64(odd)
    return out


def agreeing(signatures: Hashes) -> float:
    """How many pairs of rows are the same."""
    ordered = np.sort(signatures)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], [True] * (len(ordered) > 0)))
    sizes = np.diff(ends, prepend=-1).astype(float)
    return float((sizes * (sizes - 1)).sum() / 2)


def told_apart(drawn: Drawn, texts: Sequence[str]) -> bool:
    """Whether the table tells of things that have names: hardly any row has the texts of another."""
    if not texts:
        return False
    named = np.logical_or.reduce([drawn.cells[c] != drawn.nothing for c in texts])
    cells = {c: v[named] for c, v in drawn.cells.items()}
    n = int(named.sum())
    same = agreeing(signature(cells, texts)) - agreeing(signature(cells, list(cells)))
    return n > 1 and drawn.total * same / (n * (n - 1) / 2) <= TOLD_APART


class Near:
    """Rows that agree in most columns, `parts` times as many in the table, and how many doubles they let expect."""

    def __init__(self, telling: Sequence[str], drawn: Drawn, cells: dict[str, Hashes], parts: int) -> None:
        self.telling, self.drawn, self.cells, self.parts = telling, drawn, cells, parts
        self.odds = {c: np.log(shares(drawn, c, cells[c])) for c in telling}
        self.all_odds = np.log(drawn.total) + sum(self.odds.values())
        self.whole = signature(cells, list(cells))
        self.doubles = agreeing(signature(drawn.cells, list(drawn.cells)))

    def bound(self, left_out: tuple[str, ...]) -> float:
        """Doubles among the rows that agree in all other columns, where it is odd by itself that they do."""
        lost = [self.odds[c] for c in left_out if c in self.odds]
        if len(lost) == len(self.telling) or not len(self.whole):
            return 0.0
        odd = self.all_odds - sum(lost) <= np.log(SURPRISING)
        rest = self.whole[odd] - signature({c: self.cells[c][odd] for c in left_out}, left_out)
        pairs = agreeing(rest) - agreeing(self.whole[odd])
        pairs = (pairs + 1) * self.parts if self.parts > 1 else pairs
        return pairs * min(1.0, TRUST * self.agreement(left_out)) if pairs else 0.0

    def agreement(self, columns: tuple[str, ...]) -> float:
        """The share of pairs of rows that agree in these columns, doubles aside; 1 for times."""
        telling = [c for c in columns if c in self.telling]
        if not telling:
            return 1.0
        return (max(agreeing(signature(self.drawn.cells, telling)) - self.doubles, 0.0) + 1) / self.drawn.pairs


def subsets(drawn: Drawn) -> Iterator[tuple[str, ...]]:
    """Every column, every two of those with most values, and every column with all that it determines."""
    names = list(drawn.cells)
    values = {c: distinct(v) for c, v in drawn.cells.items()}
    rich = sorted(names, key=lambda c: -values[c])[:MOST_LEFT_OUT]
    yield from ((c,) for c in names)
    yield from itertools.combinations(rich, 2)
    for c in rich:
        if values[c] <= 0.5 * len(drawn.cells[c]):
            both = {o: distinct(signature(drawn.cells, [c, o])) for o in names if o != c}
            bound = (c, *(o for o, d in both.items() if d <= 1.05 * values[c]))
            if 2 < len(bound) < len(names):
                yield bound
