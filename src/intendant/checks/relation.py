"""Which number columns are computed from others: candidates, matched on a few rows and judged on the sample.

A relation must lose rows when any one of its columns is shuffled, so a column that is nearly always 0, 1 or the same
as another makes none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from intendant.checks.detectors.dependency import Flags
from intendant.checks.quantity import Numbers, words
from intendant.language.expression import Binary, Col, Expr, Literal, columns_of

__all__ = ["HOLDS", "Cells", "Relation", "fits", "related"]

Matrix: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.float64]]"
Cells: TypeAlias = Mapping[str, Numbers]

HOLDS = 0.95
"""The share of the rows with all columns in which a relation must hold."""
SCREEN, SCREENED, COMPLETE = 200, 0.8, 12
"""Candidates are matched on so many rows: this share of those that have all columns, and no fewer than the third."""
LIFT, FEWEST = 0.2, 5
"""A relation fails in at most this share of the rows that fail when a column is shuffled, and in so many more."""
CHANCE = 0.5
"""The share of rows that may fit when the computed column is shuffled."""
VARIETY = 12
"""As many different inputs must be computed rightly."""
SAME = 0.9
"""A column with one value in more than this share of the rows makes no relation, nor one that equals another."""
PRESENT = 0.2
"""The share of rows that must have all columns."""
WITHIN, WHOLE = 1.5, 0.5
"""How far the computed value may be off, in units of the last digit shown; the second one where that is a whole number."""
NOISE, NOISE_SINGLE = 1e-9, 1e-6
"""How far it may be off, against large values; the second one for columns of single precision, and for endless digits."""
ROUNDED = 0.2
"""Inputs were rounded before they were shown when that accounts for this share of the exceptions."""
MOST_DIGITS, TIDY = 8, 0.98
"""This share of a column's values has no more digits than are said to be shown."""
EXPLAINED, WITNESSES, MOST_EXTRA = 0.5, 3, 2
"""A column joins a relation when it is the difference in this share of the exceptions, and in so many rows."""
MOST_COLUMNS, MOST_COLUMNS_OF_FOUR, MOST_RATES, MOST_CANDIDATES = 40, 16, 4, 150

TOTALS = frozenset("total totals sum amount gross subtotal grand overall combined tot altogether".split())
RESTS = frozenset(
    "difference diff delta change net profit margin balance remaining remainder rest gain loss outstanding"
    " surplus deficit".split()
)
"""Words in names of sums, and of differences."""
RATES = frozenset("discount rebate reduction rate pct percent percentage share tax vat off markup commission".split())


@dataclass(frozen=True)
class Relation:
    """`target` is `value`, up to `within` (0: exactly)."""

    target: str
    value: Expr
    within: float

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.target, *(c.name for c in columns_of(self.value)))))


def related(cells: Cells, single: frozenset[str] = frozenset(), least: int = 20) -> list[Relation]:
    """The relations that hold in at least `least` rows, those of few columns first; each once, however it is put.

    `single` are the columns of single precision.
    """
    found: dict[object, tuple[int, float, Relation]] = {}
    seen: set[object] = set()
    with np.errstate(all="ignore"):
        shown = {name: unit(at) for name, at in cells.items()}
        for target, value in itertools.islice(candidates(cells, shown), MOST_CANDIDATES):
            first = Relation(target, value, slack(target, value, cells, shown, single))
            if identity(first) in seen:
                continue
            seen.add(identity(first))
            r = turned(eased(extended(first, cells), cells, shown), cells)
            if identity(r) not in found and holds(r, cells, least):
                known, right = fits(r, cells)
                found[identity(r)] = len(r.columns), -float(right.sum() / known.sum()), r
    return [r for _, _, r in sorted(found.values(), key=lambda f: f[:2])]


def unit(at: Numbers) -> float:
    """What one in the last digit shown is worth, 0 when the digits have no end."""
    there = at[~np.isnan(at)][:2_000]
    for digits in range(MOST_DIGITS + 1):
        scaled = there * 10.0**digits
        if len(there) and float((np.abs(scaled - np.rint(scaled)) < 1e-5).mean()) >= TIDY:
            return float(10.0**-digits)
    return 0.0


def slack(target: str, value: Expr, cells: Cells, shown: Mapping[str, float], single: frozenset[str]) -> float:
    names = [target, *(c.name for c in columns_of(value))]
    if all(shown[n] == 1 for n in names) and not divided(value):
        return 0.0
    within = WHOLE if shown[target] == 1 else WITHIN * shown[target]
    large = max(float(np.nanpercentile(np.abs(cells[n]), 99)) for n in (names if terms(value) else names[:1]))
    noise = NOISE_SINGLE if single & set(names) or not within else NOISE
    return float(f"{max(within, noise * large):.2g}")


def divided(value: Expr) -> bool:
    return isinstance(value, Binary) and (value.op == "/" or divided(value.left) or divided(value.right))


def evaluated(value: Expr, cells: Cells) -> Numbers:
    if isinstance(value, Col):
        return cells[value.name]
    if isinstance(value, Literal):
        return np.array(float(value.value))
    assert isinstance(value, Binary)
    left, right = evaluated(value.left, cells), evaluated(value.right, cells)
    return {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[value.op](left, right)


def fits(r: Relation, cells: Cells) -> tuple[Flags, Flags]:
    """Per row, whether all columns are there, and whether the relation then holds."""
    off = np.abs(cells[r.target] - evaluated(r.value, cells))
    return ~np.isnan(off), off <= r.within


# Candidates


def candidates(cells: Cells, shown: Mapping[str, float]) -> Iterator[tuple[str, Expr]]:
    """Columns and what they may be computed as: sums and products of two, then of more."""
    names = telling(cells)[:MOST_COLUMNS]
    if len(names) < 2:
        return
    rows = len(cells[names[0]])
    few = np.random.default_rng(0).permutation(rows)[:SCREEN]
    table = np.array([cells[n][few] for n in names])
    table = table[:, np.argsort(np.isnan(table).sum(0), kind="stable")]
    within = np.array([max(WITHIN * shown[n] if shown[n] < 1 else WHOLE, noise(cells[n])) for n in names])
    some = dict(zip(names, table, strict=True))
    for value in values(names, some):
        off = np.abs(table - evaluated(value, some))
        known, right = (~np.isnan(off)).sum(1), (off <= within[:, None]).sum(1)
        taken = {c.name for c in columns_of(value)}
        for i in np.flatnonzero((known >= COMPLETE) & (right >= SCREENED * known)):
            if names[i] not in taken:
                yield names[i], value


def noise(at: Numbers) -> float:
    return NOISE_SINGLE * float(np.nanpercentile(np.abs(at), 99))


def telling(cells: Cells) -> list[str]:
    """The columns that vary, without those that only repeat an earlier one."""
    out: list[str] = []
    for name, at in cells.items():
        there = at[~np.isnan(at)]
        if len(there) < COMPLETE or np.unique(there, return_counts=True)[1].max() > SAME * len(there):
            continue
        if not any(same(at, cells[o]) for o in out):
            out.append(name)
    return out


def same(a: Numbers, b: Numbers) -> bool:
    both = ~np.isnan(a) & ~np.isnan(b)
    return bool(both.any()) and float((a[both] == b[both]).mean()) > SAME


def values(names: Sequence[str], cells: Cells) -> Iterator[Expr]:
    """What a column may be computed as, two columns first."""
    one, hundred = Literal("1", "number"), Literal("100", "number")
    cols = [Col(n) for n in names]
    rates = rates_of(names, cells)
    shares = [Col(n) if share else Binary("/", Col(n), hundred) for n, share in rates]
    for a, b in itertools.combinations(cols, 2):
        yield Binary("+", a, b)
        yield Binary("*", a, b)
    for a in cols:
        for s in shares:
            if columns_of(s)[0] != a:
                yield from (Binary("*", a, Binary("-", one, s)), Binary("*", a, Binary("+", one, s)))
                if s not in cols:
                    yield Binary("/", Binary("*", a, columns_of(s)[0]), hundred)
    cols = cols[:MOST_COLUMNS_OF_FOUR]
    for a, b in itertools.combinations(cols, 2):
        for s in shares:
            if columns_of(s)[0] not in (a, b):
                yield Binary("*", Binary("*", a, b), Binary("-", one, s))
        for c in cols:
            if c not in (a, b):
                yield Binary("-", Binary("+", a, b), c)
    for a, b, c in itertools.combinations(cols, 3):
        yield Binary("+", Binary("+", a, b), c)


def rates_of(names: Sequence[str], cells: Cells) -> list[tuple[str, bool]]:
    """Columns that may be a share (True) or a percentage, those with a telling name first."""
    found = []
    for name in names:
        there = cells[name][~np.isnan(cells[name])]
        if not len(there) or there.min() < 0 or there.max() > 100:
            continue
        found.append((not RATES & set(words(name)), name, bool(np.quantile(there, 0.98) <= 1)))
    return [(name, share) for _, name, share in sorted(found, key=lambda f: f[0])[:MOST_RATES]]


# Judgement


def extended(r: Relation, cells: Cells) -> Relation:
    """With the columns that are the difference in most exceptions, so that a forgotten fee is no error."""
    for _ in range(MOST_EXTRA):
        known, right = fits(r, cells)
        odd = known & ~right
        off = (cells[r.target] - evaluated(r.value, cells))[odd]
        best = max(
            (
                (int(hits(off, sign * at[odd], r.within).sum()), op, name)
                for name, at in cells.items()
                if name not in r.columns
                for op, sign in (("+", 1), ("-", -1))
            ),
            default=(0, "", ""),
        )
        if best[0] < max(WITNESSES, EXPLAINED * int(odd.sum())):
            break
        wider = replace(r, value=Binary(best[1], r.value, Col(best[2])))
        there, fit = fits(wider, cells)
        if fit.sum() < right[there].sum():
            break
        r = wider
    return r


def eased(r: Relation, cells: Cells, shown: Mapping[str, float]) -> Relation:
    """With room for what rounding took from the inputs, when that accounts for some of the exceptions."""
    value = evaluated(r.value, cells)
    room = r.within
    for name in r.columns[1:]:
        if shown[name] < 1:
            moved = evaluated(r.value, {**cells, name: cells[name] + shown[name] / 2})
            room += float(np.nanpercentile(np.abs(moved - value), 99.9))
    wider = replace(r, within=float(f"{1.1 * room:.2g}"))
    known, right = fits(r, cells)
    odd = int((known & ~right).sum())
    return wider if odd and (fits(wider, cells)[1] & ~right).sum() >= ROUNDED * odd else r


def hits(off: Numbers, extra: Numbers, within: float) -> Flags:
    return (np.abs(off - extra) <= within) & (np.abs(extra) > within)


def holds(r: Relation, cells: Cells, least: int) -> bool:
    known, right = fits(r, cells)
    rows = int(known.sum())
    if rows < max(least, PRESENT * len(known)) or right.sum() < HOLDS * rows:
        return False
    fails = rows - int(right.sum())
    own = {name: cells[name][known] for name in r.columns}
    if variety(r, {name: at[right[known]] for name, at in own.items()}) < VARIETY:
        return False
    for name in r.columns:
        shuffled = {**own, name: np.random.default_rng(0).permutation(own[name])}
        failing = rows - int(fits(r, shuffled)[1].sum())
        if failing < fails + FEWEST or fails > LIFT * failing or (name == r.target and failing < (1 - CHANCE) * rows):
            return False
    return True


def variety(r: Relation, cells: Cells) -> int:
    """How many different inputs there are, in up to a thousand rows."""
    return len(set(zip(*(cells[name][:1_000].tolist() for name in r.columns[1:]), strict=True)))


# The column to name as the computed one


def terms(value: Expr) -> dict[str, int] | None:
    """Columns with their signs, when nothing but sums and differences make the value."""
    if isinstance(value, Col):
        return {value.name: 1}
    if not isinstance(value, Binary) or value.op not in ("+", "-"):
        return None
    left, right = terms(value.left), terms(value.right)
    sign = 1 if value.op == "+" else -1
    return None if left is None or right is None else left | {n: sign * s for n, s in right.items()}


def identity(r: Relation) -> object:
    """The same for a = b + c and b = a - c."""
    signs = terms(r.value)
    if signs is None:
        return r.target, r.value
    pairs = {*signs.items(), (r.target, -1)}
    return frozenset((frozenset(pairs), frozenset((n, -s) for n, s in pairs)))


def turned(r: Relation, cells: Cells) -> Relation:
    """A sum put so that its likeliest result stands alone: told by the name, then the largest, then the last column."""
    signs = terms(r.value)
    if signs is None:
        return r
    balance = {r.target: 1, **{n: -s for n, s in signs.items()}}
    positive = all(float(np.nanmin(cells[n])) >= 0 for n in balance)
    order = [n for n in cells if n in balance]

    def likely(name: str) -> tuple[float, int]:
        alone = all(s != balance[name] for n, s in balance.items() if n != name)
        said = set(words(name))
        score = 2.0 if alone and positive else 0.0
        if said & RESTS and not alone:
            score = 3.0
        if said & TOTALS:
            score = 4.0 if alone else 3.5
        return score + 0.6 * (score > 2 and len(said) == 1), order.index(name)

    targets = [n for n in order if any(s != balance[n] for s in balance.values())]
    target = max(targets, key=likely)
    if target == r.target:
        return r
    others = sorted((n for n in order if n != target), key=lambda n: balance[n] == balance[target])
    value: Expr = Col(others[0])
    for n in others[1:]:
        value = Binary("-" if balance[n] == balance[target] else "+", value, Col(n))
    return replace(r, target=target, value=value)
