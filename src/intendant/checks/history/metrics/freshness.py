"""How far the newest time has moved since the load before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from intendant.checks.history.forecast import surprise
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, there
from intendant.checks.history.profile import Profile

__all__ = ["Freshness"]

PRIOR = 0.15
"""Steps of a clock differ by so much of the usual one where nothing else is known."""
MOSTLY = 0.8
"""A column in which so many loads were newer than the one before tells the time."""
STALE = 0.5
"""Half of the usual step is the least that matters."""


class Freshness(Metric):
    name = "drift_freshness"
    summary = "A time column that used to get newer with each load, and doesn't."
    example = "the newest created_at is 2026-03-08 23:58, as in the load before; usually it is 7 days newer"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        for column, own in now.columns.items():
            times = [c.newest for _, c in there(past, column) if c.newest is not None]
            if own.newest is None or len(times) <= limits.versions:
                continue
            steps = [b - a for a, b in pairwise(times)]
            usual = median(steps)
            if usual <= 0 or sum(s > 0 for s in steps) < MOSTLY * len(steps):
                continue
            step = own.newest - times[-1]
            found = surprise(step / usual, [s / usual for s in steps], prior=PRIOR, side=-1)
            moved = "as in the load before" if not step else f"{lasting(abs(step))} {'newer' if step > 0 else 'older'}"
            evidence = f"The newest {column!r} is {said(own.newest)}, {moved}; usually it is {lasting(usual)} newer."
            yield Reading(
                column,
                (found.expected - step / usual) / STALE,
                found.chance,
                evidence,
                said(times[-1]),
                said(own.newest),
                now.rows,
            )


def said(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def lasting(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
