"""Numbers far from the others of their own group, in a column whose level another column explains.

The share of variance that group medians explain is taken on values cut at their outer percents, so that no single value
makes or hides it. How far chance goes is told from the tail of all groups' values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TypeAlias

import numpy as np

from intendant.checks.detectors.base import Detector
from intendant.checks.detectors.dependency import Codes, explained, read
from intendant.checks.detectors.outlier import IDENTITY, Outlier
from intendant.checks.detectors.presence import among, categories, guarded, unmet
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted, text
from intendant.language.expression import Between, Binary, Case, Col, Expr, In, Literal
from intendant.types import Column, Finding, Json

__all__ = ["Peers"]

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"
FEWEST_VALUES = 10
MOST_GROUPS = 200
"""A column groups the others by at most so many values."""
PLACE = re.compile(r"(.*[_\s-])?(lat|lon|latitude|longitude)")
GROUP_ROWS, GROUPED = 20, 0.8
"""A smaller group is not judged; those judged hold this share of the rows."""
EXPLAINED, PROMISING = 0.5, 0.3
"""Share of the variance that the groups' medians explain; below the second one of means, medians aren't looked at."""
TRIED = 3
"""So many columns of those that explain most are looked at more closely."""
CUT = 0.01
"""Values are cut at this share from either end where variance is measured."""
FLOOR, KIN = 0.05, 0.5
"""A group's spread is taken as at least this share of its level, and of the usual spread of groups."""
CHANCE, TAIL_SHARE, TAIL_LEAST, TAIL_MOST = 0.05, 0.05, 10, 100
"""At most so many values may be expected to lie as far by chance, judged by the outermost ones of the rest."""
GAP = 1.5
"""A far value is so many times as far from the median as any that isn't."""
GROUP_SHARE = 0.05
"""More far values than this (and than one) are no outliers of their group but a part of it."""
EXEMPT = 0.5
"""When another column explains this share of the far values, they follow a rule of their own."""
MOST_NAMED = 20
"""A rule has bounds for at most so many groups."""
FARTHEST, MOST_LOG, TINY = 1e300, 690.0, 1e-6


@dataclass(frozen=True)
class Levels:
    """The levels of `x` by the groups of `by`; `group` is -1 and `x` NaN where a row isn't judged.

    `log`: everything is on a logarithmic scale; `zeros`: the column has numbers that have no place there. Per group:
    quartiles, median and spread, NaN where it isn't judged.
    """

    by: str
    group: Codes
    x: Numbers
    log: bool
    zeros: bool
    share: float
    low: Numbers
    middle: Numbers
    high: Numbers
    spread: Numbers


@dataclass(frozen=True)
class Bounds:
    """What a group's values lie between; None where nothing lies beyond."""

    group: str
    low: Decimal | None
    high: Decimal | None


class Peers(Detector):
    name = "peers"
    summary = "Numbers far from those of their own group, where a column of categories explains how large they are."
    example = (
        "price is 12 where category is 'laptop', usually 800 to 1500: check t for that"
        " case when category = 'laptop' then price >= 150 else true end on failure quarantine"
    )

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows or not subject.flat("number"):
            return
        codes, names = read(subject)
        keys = {c.name for c in categories(subject, names, MOST_GROUPS)}
        for column in subject.flat("number"):
            if column.name not in codes or column.name in subject.key or unfit(column.name):
                continue
            if subject.stats[column.name].distinct < FEWEST_VALUES:
                continue
            x = numbers(codes[column.name], names[column.name])
            if numbered(x):
                continue
            levels = best(x, {n: c for n, c in codes.items() if n in keys and n != column.name}, subject)
            if levels is not None:
                yield from self.far(subject, column, levels, codes, names)

    def far(
        self, subject: Subject, column: Column, levels: Levels, codes: dict[str, Codes], names: dict[str, list[str]]
    ) -> Iterator[Finding]:
        by = next(c for c in subject.columns if c.name == levels.by)
        limits = bounds(levels, names[by.name], subject)
        found = concerned(subject, column, by, limits)
        if not found or self.exempt(levels, found, codes, names, column.name):
            return
        rule = rule_of(subject, column, by, found)
        where = unmet(subject, rule)
        rows = subject.count(where)
        if not 0 < rows <= max(1, subject.settings.outlier_share * subject.stats[column.name].filled):
            return
        example = example_of(subject, column, by, found[0], where)
        evidence = f"{subject.so_many(rows, column.name)} are far from the others of the same {by.name}: {example}."
        yield subject.finding(
            "peers",
            column.name,
            rows,
            evidence,
            where=where,
            mend=guarded(subject, rule) if len(found) <= MOST_NAMED else "",
            confidence=0.55 + 0.25 * levels.share,
            samples=samples(subject, column, by, where),
        )

    @staticmethod
    def exempt(
        levels: Levels, found: Sequence[Bounds], codes: dict[str, Codes], names: dict[str, list[str]], column: str
    ) -> bool:
        """Whether a value of some other column is the reason for most far values."""
        flags = np.zeros(len(levels.x), bool)
        at = {v: i for i, v in enumerate(names[levels.by])}
        x = np.exp(levels.x) if levels.log else levels.x
        for b in found:
            low, high = (-np.inf if b.low is None else float(b.low)), (np.inf if b.high is None else float(b.high))
            flags |= (levels.group == at[b.group]) & ((x < low) | (x > high))
        others = [c for n, c in codes.items() if n not in (column, levels.by) and len(names[n]) <= MOST_GROUPS]
        return bool(flags.any()) and int(explained(flags, others).sum()) >= EXEMPT * int(flags.sum())


def unfit(name: str) -> bool:
    """Whether a column is named like one whose numbers are no amounts; places on earth have levels all the same."""
    return bool(IDENTITY.fullmatch(name)) and not PLACE.fullmatch(name)


def numbered(x: Numbers) -> bool:
    """Whether these are whole numbers of which none comes twice: they count the rows."""
    there = x[np.isfinite(x)]
    return bool((there == np.floor(there)).all()) and len(np.unique(there)) == len(there)


def numbers(codes: Codes, names: list[str]) -> Numbers:
    """The numbers of a column, NaN where one is missing or not finite."""
    values = np.array([*map(float, names), math.nan])
    values[~(np.abs(values) < FARTHEST)] = math.nan
    out: Numbers = values[np.where(codes >= 0, codes, len(names))]
    return out


# ---------------------------------------------------------------- levels
def best(x: Numbers, by: dict[str, Codes], subject: Subject) -> Levels | None:
    """The levels of `x` by the column, and on the scale, that explain most; None when none explains enough."""
    there = np.isfinite(x)
    if there.sum() < GROUP_ROWS:
        return None
    scales, zeros = {False: x}, float((x[there] <= 0).mean())
    if zeros <= subject.settings.outlier_share:
        scales[True] = np.log(np.where(x > 0, x, math.nan))
    promising = sorted(
        ((r, name, log) for log, y in scales.items() for name, g in by.items() if (r := by_means(y, g)) >= PROMISING),
        reverse=True,
    )
    tried = [leveled(scales[log], by[name], name, log, zeros > 0) for _, name, log in promising[:TRIED]]
    return max((t for t in tried if t is not None and t.share >= EXPLAINED), key=lambda t: t.share, default=None)


def cut(y: Numbers) -> Numbers:
    low, high = np.quantile(y, [CUT, 1 - CUT])
    return np.clip(y, low, high)


def by_means(y: Numbers, group: Codes) -> float:
    """The share of variance that the means of groups explain, of values cut at their outer percents."""
    there = np.isfinite(y) & (group >= 0)
    if there.sum() < GROUP_ROWS:
        return 0.0
    g, v = group[there], cut(y[there])
    v = v - v.mean()
    total = float((v * v).sum())
    sums, sizes = np.bincount(g, v), np.bincount(g)
    return float((sums**2 / np.maximum(sizes, 1)).sum()) / total if total > 0 else 0.0


def leveled(y: Numbers, group: Codes, by: str, log: bool, zeros: bool) -> Levels | None:
    """The levels by one column, of groups with enough rows that aren't all alike; None when they are few."""
    there = np.flatnonzero(np.isfinite(y) & (group >= 0))
    order = there[np.lexsort((y[there], group[there]))]
    sizes = np.bincount(group[order], minlength=int(group.max(initial=0)) + 1)
    parts = np.split(y[order], np.cumsum(sizes)[:-1])
    quantiles = np.full((5, len(sizes)), math.nan)
    for i, part in enumerate(parts):
        if len(part) >= GROUP_ROWS:
            quantiles[:, i] = np.quantile(part, [0.1, 0.25, 0.5, 0.75, 0.9])
    p10, low, middle, high, p90 = quantiles
    own = np.where(high > low, np.fmax(high - low, (p90 - p10) / 1.9), math.nan)
    judged = np.isfinite(own)
    kept = judged[np.maximum(group, 0)] & (group >= 0) & np.isfinite(y)
    if judged.sum() < 2 or kept.sum() < GROUPED * np.isfinite(y).sum():
        return None
    floor = np.full(len(own), math.log1p(FLOOR)) if log else FLOOR * np.abs(middle)
    spread = np.maximum(np.maximum(own, floor), KIN * float(np.median(own[judged])))
    x, g = np.where(kept, y, math.nan), np.where(kept, group, -1)
    rest, n = float(cut(y[kept] - middle[group[kept]]).var()), int(kept.sum())
    whole = float(cut(y[kept]).var())
    share = 1 - rest / whole * (n - 1) / max(1, n - int(judged.sum())) if whole > 0 else 0.0
    return Levels(by, g, x, log, log and zeros, share, low, middle, high, spread)


def reach(levels: Levels, side: int, times: float, fence: float) -> float:
    """So many spreads from the median a value must lie, above (1) or below (-1), to be no end of the usual tail.

    `times`: how many rows of the table one judged row stands for.
    """
    kept = levels.group >= 0
    g, y = levels.group[kept], levels.x[kept]
    z = np.sort(side * (y - levels.middle[g]) / levels.spread[g])
    z = z[z <= fence]
    k = max(TAIL_LEAST, min(TAIL_MOST, int(TAIL_SHARE * len(z))))
    if len(z) <= k or z[-k - 1] <= 0:
        return math.inf
    start = float(z[-k - 1])
    width = math.log(fence / start)
    index = tail_index(float(np.log(z[-k:] / start).mean()), width) / (1 + 1 / math.sqrt(k))
    if index * width < TINY:
        return math.inf
    beyond = k * times / -math.expm1(-index * width)
    return start * math.exp(min(MOST_LOG, math.log(beyond / CHANCE) / index))


def tail_index(mean: float, width: float) -> float:
    """How steeply a tail falls, from the mean logarithm of values over its start, seen up to a logarithm `width` only.

    The maximum likelihood of a Pareto distribution that is cut off (Aban, Meerschaert and Panorska, 2006).
    """
    if mean >= width / 2:
        return 0.0
    if mean <= 0:
        return math.inf
    low, high = 0.0, 1 / mean
    for _ in range(60):
        index = (low + high) / 2
        low, high = (
            (index, high) if 1 / index - width / math.expm1(min(MOST_LOG, index * width)) > mean else (low, index)
        )
    return low


def bounds(levels: Levels, names: list[str], subject: Subject) -> list[Bounds]:
    """Per judged group what its values should lie between, rounded outward."""
    fence = subject.settings.outlier_fence
    times = subject.total / len(levels.x)
    up, down = reach(levels, 1, times, fence), reach(levels, -1, times, fence)
    down = math.inf if levels.zeros else down
    out = []
    for i in np.flatnonzero(np.isfinite(levels.spread)):
        spread, middle = float(levels.spread[i]), float(levels.middle[i])
        away = levels.x[levels.group == i] - middle
        high = middle + apart(away, max(float(levels.high[i]) - middle + fence * spread, up * spread))
        low = middle - apart(-away, max(middle - float(levels.low[i]) + fence * spread, down * spread))
        if levels.log:
            low, high = (math.exp(v) if abs(v) < MOST_LOG else math.inf for v in (low, high))
        out.append(Bounds(names[i], rounded(low, ROUND_FLOOR), rounded(high, ROUND_CEILING)))
    return out


def apart(away: Numbers, limit: float) -> float:
    """The limit moved out until nothing that lies beyond is near to what lies within."""
    for distance in np.sort(away[away > limit / GAP]):
        if distance > limit:
            break
        limit = max(limit, GAP * float(distance))
    return limit


def rounded(value: float, way: str) -> Decimal | None:
    """A number of two digits that is farther out; None when there is none worth naming."""
    if not abs(value) < FARTHEST:
        return None
    return Context(prec=2, rounding=way).create_decimal(repr(value)) + 0


# ---------------------------------------------------------------- on all rows
def concerned(subject: Subject, column: Column, by: Column, limits: Sequence[Bounds]) -> list[Bounds]:
    """The groups with far values, most first, each with the bounds that some but few of its values lie beyond.

    A value that is far from the whole column's is not counted: `range` tells of it.
    """
    own, absent = f"CAST({quoted(column.name)} AS DOUBLE)", subject.disguised.get(column.name)
    there = f"NOT ({subject.is_one_of(column.name, absent)})" if absent else "true"
    fences = Outlier.fences(subject, column.name, there)
    low, high = fences or (None, math.inf)
    near = f"v <= {high!r}::DOUBLE" if high < math.inf else "true"
    near += f" AND v >= {low!r}::DOUBLE" if low is not None else ""
    listed = ", ".join(f"({text(b.group)}, {bound(b.low)}, {bound(b.high)})" for b in limits)
    rows = subject.query(
        f"SELECT g, count(*), count(*) FILTER (v < low), count(*) FILTER (v < low AND {near}),"
        f" count(*) FILTER (v > high), count(*) FILTER (v > high AND {near})"
        f" FROM (SELECT CAST({quoted(by.name)} AS VARCHAR) AS g, {own} AS v FROM {subject.sql} WHERE {there}) AS t"
        f" JOIN (VALUES {listed}) AS b(g, low, high) USING (g) WHERE isfinite(v) GROUP BY g"
    )
    found = []
    known = {b.group: b for b in limits}
    for group, size, below, few_below, above, few_above in rows:
        most = max(1, int(GROUP_SHARE * size))
        b = known[group]
        b = Bounds(
            group, b.low if few_below and below <= most else None, b.high if few_above and above <= most else None
        )
        if b.low is not None or b.high is not None:
            found.append((-(below if b.low is not None else 0) - (above if b.high is not None else 0), group, b))
    return [b for _, _, b in sorted(found, key=lambda f: f[:2])]


def bound(value: Decimal | None) -> str:
    return "NULL::DOUBLE" if value is None else f"{float(value)!r}::DOUBLE"


def example_of(subject: Subject, column: Column, by: Column, b: Bounds, where: str) -> str:
    """A far value, its group, and the range of the group's other values."""
    own, group = quoted(column.name), subject.is_one_of(by.name, [b.group])
    far = subject.query(f"SELECT {own} FROM {subject.sql} WHERE {group} AND ({where}) ORDER BY {own} DESC LIMIT 1")[0][
        0
    ]
    usual = f"{group} AND isfinite(CAST({own} AS DOUBLE)) AND NOT coalesce(({where}), false)"
    least, most = subject.query(f"SELECT min({own}), max({own}) FROM {subject.sql} WHERE {usual}")[0]
    return f"{plain(far)} where {by.name} is {shown([b.group])}, otherwise {plain(least)} to {plain(most)}"


def samples(subject: Subject, column: Column, by: Column, where: str) -> list[Json]:
    own, group = quoted(column.name), f"CAST({quoted(by.name)} AS VARCHAR)"
    rows = subject.query(
        f"SELECT DISTINCT {group} AS g, {own} AS v FROM {subject.sql} WHERE {where} ORDER BY g, v LIMIT 5"
    )
    return [{by.name: g, column.name: plain(v)} for g, v in rows]


def plain(value: Json) -> Json:
    return value if isinstance(value, int | float) else float(value)


# ---------------------------------------------------------------- as an expression
def rule_of(subject: Subject, column: Column, by: Column, found: Sequence[Bounds]) -> Expr:
    """What is true in a row whose value is within its group's bounds, and in those of other groups."""
    own = Col(column.name)
    whens: list[tuple[Expr, Expr]] = []
    if absent := subject.disguised.get(column.name):
        whens.append((In(own, tuple(Literal(v, "number") for v in sorted(absent))), Literal("true", "bool")))
    alike: dict[tuple[Decimal | None, Decimal | None], list[str]] = {}
    for b in found:
        alike.setdefault((b.low, b.high), []).append(b.group)
    whens += [(among(by, groups), within(own, low, high)) for (low, high), groups in alike.items()]
    return Case(tuple(whens), Literal("true", "bool"))


def within(own: Col, low: Decimal | None, high: Decimal | None) -> Expr:
    if low is not None and high is not None:
        return Between(own, digits(low), digits(high))
    return Binary(">=", own, digits(low)) if low is not None else Binary("<=", own, digits(high or Decimal(0)))


def digits(value: Decimal) -> Literal:
    """A number as a person writes it: 8400, not 8.4E+3."""
    return Literal(f"{value:f}" if -6 <= value.adjusted() <= 15 else str(value), "number")
