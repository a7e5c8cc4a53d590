"""Two dates or two numbers of which one is never after the other, and the few rows in which it is.

A relation within rows is told from columns that merely lie apart by shuffling, and from columns that merely run
together by its edge: where it is a rule, rows are many on one side of equality and hardly any on the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.quantity import (
    ZONED,
    Numbers,
    Quantity,
    moments,
    numbers,
    predicate,
    quick,
    regular,
    rule,
    whole_day,
    words,
)
from intendant.checks.subject import Subject
from intendant.engines.base import quoted
from intendant.language.expression import Binary, Expr
from intendant.language.to_sql import kind_of_type
from intendant.types import Finding

__all__ = ["Ordering"]

BROKEN, NAMELESS = 0.03, 0.01
"""The share of rows (of those where the two differ) that may break a relation; the second one when no name hints at it."""
LIFT, NAMELESS_LIFT = 0.2, 0.1
"""The most of the breaks that shuffling would make."""
CHANCE, NAMELESS_CHANCE = 0.05, 0.15
"""Shuffling must break this share of the rows, or the columns lie apart anyway."""
CLOSE, NAMELESS_CLOSE = 1.0, 0.25
"""The usual difference against the spread (10th to 90th percentile) of either column."""
SHARP, NAMELESS_SHARP = 5.0, 20.0
"""Rows as near to equality as the breaks are, on the right side of it, for each one on the wrong side."""
APART = 0.05
"""The share of rows in which the two must differ."""
BOTH = 0.1
"""The share of rows that must have both."""
NAMELESS_ROWS, NAMELESS_VALUES, MAGNITUDE = 300, 30, 3.0
"""Numbers without a hint must have as many rows and values, as small counts run together too easily, and medians no
further apart."""
NOISE = 1e-9
"""Differences this small against the largest one come of computing."""
MOST_LINKS = 60
EXAMPLES = 1_000
DAY_SECONDS = 86_400.0

STAGES = tuple(
    frozenset(stage.split())
    for stage in (
        "birth born dob created create creation registered registration ordered order requested request booked booking"
        " opened open started start begin began beginning from first issued issue in admission admitted submitted hired"
        " entry posted signup joined founded purchase purchased invoice invoiced valid",
        "approved approval confirmed accepted assigned",
        "paid payment billed",
        "packed picked shipped ship shipping shipment sent dispatched dispatch pickup",
        "delivered delivery received receipt arrived",
        "returned return refunded",
        "closed close completed complete completion finished finish end ended ending to until till thru through last out"
        " discharge discharged terminated left exit expires expiry expiration expired died death resolved updated modified"
        " changed cancelled checkout",
    )
)
"""Words in names of dates, in the order in which things happen."""
PLANS = frozenset(
    "due expected planned plan scheduled sched estimated estimate promised target deadline eta required"
    " forecast forecasted budget budgeted".split()
)
"""Words in names of what was meant to be: that the fact differs from it is no error."""
PAIRS = tuple(
    (frozenset(low.split()), frozenset(high.split()))
    for low, high in (
        ("min minimum lowest smallest", "max maximum highest largest"),
        ("min minimum low lower", "avg mean average median"),
        ("avg mean average median", "max maximum high upper"),
        ("low lower", "high upper"),
        ("from", "to until till thru"),
        ("start begin first starting", "end last ending"),
        ("net", "gross"),
        ("subtotal", "total"),
        ("q1", "q3"),
        ("bottom", "top"),
        ("lo", "hi"),
        ("open opening opened", "close closing closed"),
    )
)
"""Words that make two names of numbers a pair when the rest of the names is the same."""


@dataclass(frozen=True)
class Link:
    """`low` is at or before `high`; `gaps` is by how much, per sampled row."""

    low: Quantity
    high: Quantity
    sides: tuple[Expr, Expr]
    gaps: Numbers
    hinted: bool
    by_day: bool

    @property
    def where(self) -> Expr:
        return Binary("<=", *self.sides)


@dataclass(frozen=True)
class Broken:
    """A link, the predicate for the rows that break it (and a quicker one for the same rows), and how many they are."""

    link: Link
    where: str
    quick: str
    rows: int


class Ordering(Detector):
    name = "ordering"
    summary = (
        "Dates before the ones they should follow, and minima above their maxima, where hardly any other row is so."
    )
    example = "12 values of shipped_at are before created_at: check t for that created_at <= shipped_at on failure ..."

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows:
            return
        links = [link for found in (moments(subject), numbers(subject)) for link in held(subject, found)]
        links = sorted(links, key=lambda link: not link.hinted)[:MOST_LINKS]
        broken = [b for b in counted(subject, links) if sharp(subject, b) and not exempt(subject, b)]
        for b in unimplied(subject, broken, links):
            yield result(subject, b, broken)


def held(subject: Subject, quantities: Sequence[Quantity]) -> Iterator[Link]:
    """The pairs that are in order in nearly all sampled rows."""
    for i, a in enumerate(quantities):
        for b in quantities[i + 1 :]:
            for low, high in ((a, b), (b, a)):
                link = linked(low, high)
                if link and in_order(subject, link):
                    yield link


@np.errstate(all="ignore")
def linked(low: Quantity, high: Quantity) -> Link | None:
    """None for pairs that can't be compared, or needn't agree."""
    timed = low.form != "number"
    hinted = hint(words(low.name), words(high.name), timed)
    by_day = low.form != high.form
    if hinted is None or (by_day and ZONED in (low.form, high.form)):
        return None
    as_text = "text" in (kind_of_type(low.column.type), kind_of_type(high.column.type))
    sides = (whole_day(low, as_text), whole_day(high, as_text)) if by_day else (low.value, high.value)
    return Link(low, high, sides, gap(low.at, high.at, by_day), hinted, by_day)


def gap(low: Numbers, high: Numbers, by_day: bool) -> Numbers:
    return day(high) - day(low) if by_day else high - low


def day(at: Numbers) -> Numbers:
    return np.floor(at / DAY_SECONDS) * DAY_SECONDS


def hint(low: list[str], high: list[str], timed: bool) -> bool | None:
    """Whether the names say that one comes before the other; None when one is a plan and the other what became of it."""
    planned = [bool(PLANS & set(name)) for name in (low, high)]
    stages = [stage(name) for name in (low, high)]
    if planned[0] != planned[1]:
        return True if timed and planned[1] and stages[0] == 0 else None
    if timed and -1 < stages[0] < stages[1]:
        return True
    return any(a & set(low) and b & set(high) and rest(low, a) == rest(high, b) for a, b in PAIRS)


def stage(name: list[str]) -> int:
    """Of the last word that tells of one; -1 without."""
    return next((i for w in reversed(name) for i, known in enumerate(STAGES) if w in known), -1)


def rest(name: list[str], without: frozenset[str]) -> list[str]:
    return [w for w in name if w not in without]


@np.errstate(all="ignore")
def in_order(subject: Subject, link: Link) -> bool:
    both = ~np.isnan(link.gaps)
    gaps = link.gaps[both]
    apart = gaps[gaps != 0]
    if len(gaps) < max(subject.settings.min_rows, BOTH * len(both)) or len(apart) < max(5, APART * len(gaps)):
        return False
    most, lift, least, close = (
        (BROKEN, LIFT, CHANCE, CLOSE) if link.hinted else (NAMELESS, NAMELESS_LIFT, NAMELESS_CHANCE, NAMELESS_CLOSE)
    )
    share = float((apart < 0).mean())
    if share > most:
        return False
    low, high = link.low.at[both], link.high.at[both]
    if not link.hinted and link.low.form == "number" and not alike(low, high):
        return False
    spread = min(float(np.subtract(*np.percentile(side, (90, 10)))) for side in (low, high))
    chance = float((np.random.default_rng(0).permutation(high) < low).mean())
    return chance >= least and share <= lift * chance and float(np.median(apart)) <= close * spread


def alike(low: Numbers, high: Numbers) -> bool:
    """Whether numbers of two columns are many, of like magnitude, and no small counts."""
    apart = 0 < MAGNITUDE * float(np.median(low)) < float(np.median(high))
    many = len(low) >= NAMELESS_ROWS and min(len(np.unique(low)), len(np.unique(high))) >= NAMELESS_VALUES
    return many and not apart


def counted(subject: Subject, links: Sequence[Link]) -> list[Broken]:
    """The links that some rows of the whole table break, but few."""
    wheres = [predicate(subject, rule(link.where)) for link in links]
    quicks = [quick(subject, w, (k.low, k.high))[1] for k, w in zip(links, wheres, strict=True)]
    differ = [quick(subject, predicate(subject, rule(Binary("=", *k.sides))), (k.low, k.high))[0] for k in links]
    shown = [f"count(*) FILTER (WHERE {p})" for pair in zip(quicks, differ, strict=True) for p in pair]
    row = subject.query(f"SELECT {', '.join(shown)} FROM {subject.sql}")[0] if shown else ()
    return [
        Broken(link, where, quicker, int(rows))
        for link, where, quicker, rows, apart in zip(links, wheres, quicks, row[::2], row[1::2], strict=True)
        if 0 < rows <= (BROKEN if link.hinted else NAMELESS) * apart
    ]


@np.errstate(all="ignore")
def sharp(subject: Subject, b: Broken) -> bool:
    """Whether rows that are as near to equality as the breaks are much more frequent on the right side."""
    link = b.link
    given = examples(subject, b, EXAMPLES)
    low, high = (np.array([q.read(pair[i]) for pair in given]) for i, q in enumerate((link.low, link.high)))
    scales = [(gap(low, high, link.by_day), link.gaps)]
    if not link.hinted and link.low.form == "number" and float(np.nanmin(link.low.at)) > 0 and (high > 0).any():
        # in skewed columns large rows are off by more
        scales.append((np.log(high / low), np.log(link.high.at / link.low.at)))
    return all(edged(subject, b, bad, every) for bad, every in scales)


def edged(subject: Subject, b: Broken, bad: Numbers, every: Numbers) -> bool:
    both, off = every[np.isfinite(every)], np.abs(bad[np.isfinite(bad)])
    if not len(off) or not len(both):
        return False
    reach = float(np.median(off))
    near = float(((both >= 0) & (both <= reach)).mean()) * subject.total * len(both) / len(every)
    least = (SHARP if b.link.hinted else NAMELESS_SHARP) * b.rows / 2
    return reach > NOISE * float(np.abs(both).max()) and near >= least


def examples(subject: Subject, b: Broken, most: int) -> list[tuple[str, str]]:
    shown = ", ".join(f"CAST({quoted(q.name)} AS VARCHAR)" for q in (b.link.low, b.link.high))
    return [(r[0], r[1]) for r in subject.query(f"SELECT {shown} FROM {subject.sql} WHERE {b.quick} LIMIT {most}")]


def exempt(subject: Subject, b: Broken) -> bool:
    return regular(subject, b.link.gaps < 0, (b.link.low.name, b.link.high.name))


def unimplied(subject: Subject, broken: Sequence[Broken], links: Sequence[Link]) -> Iterator[Broken]:
    """Without those whose rows also break the links that they are made of: created <= shipped of created <= paid <= shipped."""
    pairs = {(link.low.name, link.high.name) for link in links}

    def between(b: Broken) -> int:
        """How many columns stand between the two."""
        low, high = b.link.low.name, b.link.high.name
        return sum(first == low and (middle, high) in pairs for first, middle in pairs)

    told: list[Broken] = []
    for b in sorted(broken, key=between):
        others = " OR ".join(f"coalesce({t.quick}, false)" for t in told) or "false"
        if not between(b) or subject.count(f"{b.quick} AND NOT ({others})"):
            told.append(b)
            yield b


def suspect(subject: Subject, b: Broken, broken: Sequence[Broken]) -> Quantity:
    """Of the two columns the one that more of the bad rows show out of order with others too; the later one in doubt."""
    tests = []
    for q in (b.link.low, b.link.high):
        others = [o.quick for o in broken if o is not b and q.name in (o.link.low.name, o.link.high.name)]
        tests.append(f"count(*) FILTER (WHERE {' OR '.join(others) or 'false'})")
    low, high = subject.query(f"SELECT {', '.join(tests)} FROM {subject.sql} WHERE {b.quick}")[0]
    return b.link.low if low > high else b.link.high


def result(subject: Subject, b: Broken, broken: Sequence[Broken]) -> Finding:
    low, high = b.link.low, b.link.high
    column = suspect(subject, b, broken)
    other, timed = (high if column is low else low), low.form != "number"
    side = ("after" if timed else "above") if column is low else ("before" if timed else "below")
    given = examples(subject, b, 5)
    value, against = given[0] if column is low else given[0][::-1]
    evidence = (
        f"{subject.so_many(b.rows, column.name)} are {side} {other.name}, which is so in no other row,"
        f" e.g. {value!r} where {other.name} is {against!r}."
    )
    return subject.finding(
        "ordering",
        column.name,
        b.rows,
        evidence,
        where=b.where,
        confidence=0.8 if b.link.hinted else 0.65,
        mend=mend.guard(subject.table, rule(b.link.where)),
        samples=[{low.name: a, high.name: z} for a, z in given],
    )
