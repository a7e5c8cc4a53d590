"""How many rows a load has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from intendant.checks.history.forecast import surprise
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading
from intendant.checks.history.profile import Profile

__all__ = ["Volume", "gross"]

PRIOR = 0.1
"""Loads of the same thing differ by a tenth and by chance where nothing else is known; increments by much more."""
PRIOR_PART = 0.5
LARGE = 100
"""Below so many rows ten times more or fewer is nothing gross."""


class Volume(Metric):
    name = "drift_volume"
    summary = "More or fewer rows than the loads before let expect, their trend and season included."
    example = "the load has 480 rows where about 1,010 were expected (the last one: 1,004)"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        found = surprise(
            math.log1p(now.rows),
            [math.log1p(p.rows) for p in past],
            prior=math.hypot(PRIOR_PART if now.part else PRIOR, 1 / math.sqrt(1 + median(p.rows for p in past))),
            times=[p.at for p in past],
            at=now.at,
        )
        expected = math.expm1(found.expected)
        ratio = (now.rows + 1) / (expected + 1)
        evidence = f"The load has {now.rows:,} rows where about {expected:,.0f} were expected (the last one: {past[-1].rows:,})."
        yield Reading(
            None,
            abs(math.log(ratio)) / math.log1p(limits.volume),
            found.chance,
            evidence,
            round(expected),
            now.rows,
            now.rows,
            breaks=ratio <= limits.collapse and not now.part,
        )


def gross(now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
    """What a single earlier load is enough for: ten times more or fewer rows than any (not of increments)."""
    if not past or now.part:
        return
    least, most = min(p.rows for p in past), max(p.rows for p in past)
    if now.rows * limits.gross <= least >= LARGE:
        seen, breaks = least, True
    elif now.rows >= max(LARGE, most * limits.gross) and most:
        seen, breaks = most, False
    else:
        return
    evidence = f"The load has {now.rows:,} rows, the one before it had {past[-1].rows:,}."
    yield Reading(None, limits.gross, 0.0, evidence, seen, now.rows, now.rows, breaks=breaks)
