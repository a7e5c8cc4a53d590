"""How widely the values of a number column spread: another unit shows here even where the middle stays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from intendant.checks.history.forecast import surprise
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, there
from intendant.checks.history.profile import LEVELS, Profile

__all__ = ["Scale"]

PRIOR = 0.1
LEAST = math.log(1.5)
"""Half as wide again is the least that matters."""
LOW, HIGH = LEVELS.index(0.05), LEVELS.index(0.95)


class Scale(Metric):
    name = "drift_scale"
    summary = "Numbers that spread much wider or narrower than before: another unit, or another kind of rows."
    example = "90% of temperature lie within 1,310, it was about 13.2 before"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        for column, own in now.columns.items():
            widths = [width(c.quantiles) for _, c in there(past, column) if c.quantiles]
            if own.quantiles is None or own.values is not None or len(widths) < limits.versions:
                continue
            if not all(0 < w < math.inf for w in (*widths, width(own.quantiles))):
                continue
            found = surprise(
                math.log(width(own.quantiles)),
                [math.log(w) for w in widths],
                prior=PRIOR,
                sampling=1 / math.sqrt(own.filled),
            )
            usual, is_now = math.exp(found.expected), width(own.quantiles)
            yield Reading(
                column,
                abs(math.log(is_now) - found.expected) / LEAST,
                found.chance,
                f"90% of {column!r} lie within {is_now:,.4g}, it was about {usual:,.4g} before.",
                float(f"{usual:.6g}"),
                float(f"{is_now:.6g}"),
                own.filled,
            )


def width(quantiles: Sequence[float]) -> float:
    """From the 5% to the 95% quantile."""
    return quantiles[HIGH] - quantiles[LOW]
