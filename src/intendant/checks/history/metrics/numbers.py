"""Where the values of a number column lie: the distance of its distribution from the recent ones.

The distance is that of Kolmogorov and Smirnov between the kept quantiles; what it is by nature is known from the same
distances in the past.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from statistics import median

from intendant.checks.history.forecast import RECENT, WINDOW, surprising_distance
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, there
from intendant.checks.history.profile import LEVELS, ColumnProfile, Profile

__all__ = ["Numbers", "distance"]

PRIOR = 0.04
MEAN, SIGMA = 0.8687, 0.2603
"""Mean and standard deviation of Kolmogorov's distribution, in units of 1 / sqrt(n)."""
MIDDLE = LEVELS.index(0.5)


class Numbers(Metric):
    name = "drift_distribution"
    summary = "Numbers that lie elsewhere than in the recent loads: shifted, rescaled, or in another unit."
    example = "price lies elsewhere than before: its median is 4,210, it was 42.3 (distance 0.97, usually 0.03)"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        for column, own in now.columns.items():
            loads = [c for _, c in there(past, column) if c.quantiles]
            if own.quantiles is None or own.values is not None or len(loads) < limits.versions:
                continue
            known = [c.quantiles for c in loads if c.quantiles][-WINDOW - RECENT :]
            usual = [nearest(q, known[:i]) for i, q in enumerate(known) if i]
            off = nearest(own.quantiles, known)
            n = even(own.filled, loads)
            found = surprising_distance(
                off, usual, prior=PRIOR, mean=MEAN / math.sqrt(n), sampling=SIGMA / math.sqrt(n)
            )
            was, is_now = reference(known)[MIDDLE], own.quantiles[MIDDLE]
            evidence = (
                f"{column!r} lies elsewhere than before: its median is {is_now:,.6g}, it was {was:,.6g}"
                f" (distance {off:.2f}, usually {median(usual):.2f})."
            )
            yield Reading(column, off / limits.distance, found.chance, evidence, was, is_now, own.filled)


def nearest(quantiles: Sequence[float], known: Sequence[Sequence[float]]) -> float:
    """The distance from the recent loads, or from the last one if that is nearer: a trend is followed closely."""
    return min(distance(quantiles, reference(known)), distance(quantiles, known[-1]))


def reference(known: Sequence[Sequence[float]]) -> list[float]:
    """The medians of the last loads' quantiles: a distribution that one odd load doesn't bend."""
    return [median(values) for values in zip(*known[-RECENT:], strict=True)]


def even(filled: int, loads: Sequence[ColumnProfile]) -> float:
    """The size of two equally large samples' test that is as sharp as that of this load against the recent ones."""
    before = sum(c.filled for c in loads[-RECENT:])
    return max(1.0, filled * before / max(1, filled + before))


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The greatest difference of two distribution functions, each a line through its quantiles; 0..1."""
    points = {*one, *other}
    return max(abs(below(one, x) - below(other, x)) for x in points)


def below(quantiles: Sequence[float], x: float) -> float:
    """The share of values up to `x`."""
    i = bisect_right(quantiles, x)
    if i in (0, len(quantiles)):
        return float(i > 0)
    low, high = quantiles[i - 1], quantiles[i]
    return LEVELS[i - 1] + (LEVELS[i] - LEVELS[i - 1]) * (x - low) / (high - low)
