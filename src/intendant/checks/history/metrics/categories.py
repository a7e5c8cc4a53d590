"""How the rows spread over the values of a column of categories, or the texts over their shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from intendant.checks.history.forecast import RECENT, WINDOW, surprising_distance
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, percent, there
from intendant.checks.history.metrics.numbers import even
from intendant.checks.history.profile import REST, ColumnProfile, Profile

__all__ = ["Categories", "counts_of", "distance"]

PRIOR = 0.04
KINDS = ("values", "shapes")


class Categories(Metric):
    name = "drift_categories"
    summary = "Shares of values (or of the shapes of texts) that are others than in the recent loads."
    example = "41% of status are 'open', about 9% were before (distance 0.34, usually 0.02)"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        for column, own in now.columns.items():
            for kind in KINDS:
                loads = [c for _, c in there(past, column) if counts_of(c, kind)]
                counts = counts_of(own, kind)
                if counts and len(loads) >= limits.versions:
                    yield self.reading(column, own, kind, loads, limits)

    def reading(
        self, column: str, own: ColumnProfile, kind: str, loads: Sequence[ColumnProfile], limits: Limits
    ) -> Reading:
        known = [shares(counts_of(c, kind)) for c in loads[-WINDOW - RECENT :]]
        counts, is_now = counts_of(own, kind), shares(counts_of(own, kind))
        usual = [nearest(s, known[:i]) for i, s in enumerate(known) if i]
        was = reference(known)
        off = nearest(is_now, known)
        n = even(sum(counts.values()), loads)
        found = surprising_distance(
            off, usual, prior=PRIOR, mean=sampled_distance(was, n), sampling=1 / math.sqrt(4 * n)
        )
        most = max(sorted({*is_now, *was}), key=lambda v: abs(is_now.get(v, 0) - was.get(v, 0)))
        said = "rarer ones" if most == REST else repr(most) if kind == "values" else f"like {most!r}"
        evidence = (
            f"{percent(is_now.get(most, 0))} of {column!r} are {said}, about {percent(was.get(most, 0))} were before"
            f" (distance {off:.2f}, usually {median(usual):.2f})."
        )
        return Reading(
            column,
            off / limits.distance,
            found.chance,
            evidence,
            round(was.get(most, 0), 4),
            round(is_now.get(most, 0), 4),
            counts.get(most, 0),
        )


def counts_of(column: ColumnProfile, kind: str) -> Mapping[str, int]:
    found = column.values if kind == "values" else column.shapes
    return found or {}


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {v: n / total for v, n in counts.items()} if total else {}


def nearest(one: Mapping[str, float], known: Sequence[Mapping[str, float]]) -> float:
    """The distance from the recent loads, or from the last one if that is nearer: a trend is followed closely."""
    return min(distance(one, reference(known)), distance(one, known[-1]))


def reference(known: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median shares of the last loads, made to add up to one."""
    recent = known[-RECENT:]
    medians = {v: median(s.get(v, 0.0) for s in recent) for v in {v for s in recent for v in s}}
    total = sum(medians.values())
    if not total:
        return {v: sum(s.get(v, 0.0) for s in recent) / len(recent) for v in medians}
    return {v: m / total for v, m in medians.items()}


def distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Total variation: the share of rows that would have to change their value; 0..1."""
    return sum(abs(one.get(v, 0.0) - other.get(v, 0.0)) for v in {*one, *other}) / 2


def sampled_distance(was: Mapping[str, float], n: float) -> float:
    """The mean distance of a sample from what it was drawn of: half the sum of the mean absolute deviations."""
    return min(1.0, sum(math.sqrt(2 / math.pi * p * (1 - p) / n) for p in was.values()) / 2)
