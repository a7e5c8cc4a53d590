"""How many rows, and how many values of a column that is almost unique, repeat another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intendant.checks import mend
from intendant.checks.history.forecast import surprise
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, percent, there
from intendant.checks.history.metrics.completeness import share_error
from intendant.checks.history.profile import Profile

__all__ = ["Duplicates"]

PRIOR = 0.01
UNIQUE = 0.05
"""A column in which more values than this repeat another one by nature is no key."""


class Duplicates(Metric):
    name = "drift_duplicates"
    summary = "More repeated rows, or more repeated values of a key-like column, than before."
    example = "12% of the rows repeat another one, none did before"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        whole = [(p.rows, p.repeats) for p in past if p.repeats is not None]
        if now.repeats is not None and len(whole) >= limits.versions:
            yield self.reading(now, None, now.repeats, now.rows, whole, limits)
        for column, own in now.columns.items():
            seen = [(c.filled, c.repeats) for _, c in there(past, column) if c.repeats is not None]
            loads = len(there(past, column))
            if len(seen) < limits.versions or len(seen) < loads or max(s for _, s in seen[-5:]) > UNIQUE:
                continue
            if own.distinct is None or not own.filled:
                continue
            share = own.repeats if own.repeats is not None else 1 - own.distinct / own.filled
            yield self.reading(now, column, share, own.filled, seen, limits)

    def reading(
        self,
        now: Profile,
        column: str | None,
        share: float,
        rows: int,
        past: Sequence[tuple[int, float]],
        limits: Limits,
    ) -> Reading:
        error = share_error(share, rows, past[-1][1], past[-1][0])
        found = surprise(share, [s for _, s in past], prior=PRIOR, sampling=error, side=1)
        usual = min(1.0, max(0.0, found.expected))
        what = "the rows repeat another one" if column is None else f"the values of {column!r} repeat another one"
        return Reading(
            column,
            (share - usual) / limits.share,
            found.chance,
            f"{percent(share)} of {what}, about {percent(usual)} did before.",
            round(usual, 4),
            round(share, 4),
            round(share * rows),
            mend.transform(now.table, "drop_duplicates", keys=(column,) if column else ()),
        )
