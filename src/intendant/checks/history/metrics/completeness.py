"""How many values are missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from intendant.checks import mend
from intendant.checks.history.forecast import surprise
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, percent, there
from intendant.checks.history.profile import Profile
from intendant.types import Rule

__all__ = ["Completeness", "share_error"]

PRIOR = 0.01
"""Shares of missing values move by a point where nothing else is known."""
EMPTY = 0.98
FULL = 0.5
"""A column that was at least half full and is empty now is as good as gone."""


class Completeness(Metric):
    name = "drift_missing"
    summary = (
        "More missing values than before; a column that is empty all of a sudden breaks its readers as a lost one does."
    )
    example = "31% of email are missing, about 2% were before"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        for column in now.columns if now.rows else ():
            loads = there(past, column)
            if len(loads) < limits.versions:
                continue
            share, shares = now.missing(column), [p.missing(column) for p, _ in loads]
            error = share_error(share, now.rows, shares[-1], loads[-1][0].rows)
            found = surprise(share, shares, prior=PRIOR, sampling=error, side=1)
            usual = min(1.0, max(0.0, found.expected))
            yield Reading(
                column,
                (share - usual) / limits.share,
                found.chance,
                f"{percent(share)} of {column!r} are missing, about {percent(usual)} were before.",
                round(usual, 4),
                round(share, 4),
                now.rows - now.columns[column].filled,
                mend.guard(now.table, Rule("not_null", column=column)) if usual < limits.share else "",
                breaks=share >= EMPTY and usual <= FULL and not now.part,
            )


def share_error(now: float, rows: int, before: float, rows_before: int) -> float:
    """Standard error of the difference of two shares, by the share of both together; never quite zero."""
    pooled = (now * rows + before * rows_before + 0.5) / (rows + rows_before + 1)
    return math.sqrt(pooled * (1 - pooled) * (1 / max(1, rows) + 1 / max(1, rows_before)))
