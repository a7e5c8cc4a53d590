"""Values of a column of categories that no load before had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intendant.checks import mend
from intendant.checks.history.forecast import surprise
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading, percent, there
from intendant.checks.history.metrics.completeness import share_error
from intendant.checks.history.profile import REST, ColumnProfile, Profile
from intendant.checks.subject import shown
from intendant.types import Rule

__all__ = ["Novelty"]

PRIOR = 0.01


class Novelty(Metric):
    name = "drift_new_values"
    summary = "Rows with a value that a column of categories never had."
    example = "18% of country are values that no load before had: 'DE', 'FR'"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        for column, own in now.columns.items():
            loads = [c for _, c in there(past, column) if c.values]
            if not own.values or len(loads) < limits.versions or len(loads) < len(there(past, column)):
                continue
            before = [new(c, loads[:i]) for i, c in enumerate(loads) if i]
            fresh = new(own, loads)
            share = sum(fresh.values()) / own.filled
            shares = [sum(f.values()) / c.filled for f, c in zip(before, loads[1:], strict=True)]
            error = share_error(share, own.filled, 0.0, sum(c.filled for c in loads))
            found = surprise(share, shares, prior=PRIOR, sampling=error, side=1)
            values = sorted(fresh, key=lambda v: (-fresh[v], v))
            text = now.columns[column].type == "VARCHAR"
            known = sorted({v for c in loads for v in c.values or () if v != REST})
            yield Reading(
                column,
                (share - max(0.0, found.expected)) / limits.share,
                found.chance,
                f"{percent(share)} of {column!r} are values that no load before had: {shown(values)}.",
                0.0,
                round(share, 4),
                sum(fresh.values()),
                mend.guard(now.table, Rule("allowed_values", column=column, values=tuple(known))) if text else "",
            )


def new(column: ColumnProfile, before: Sequence[ColumnProfile]) -> dict[str, int]:
    """The values that none of these loads had, with their rows."""
    seen = {v for c in before for v in c.values or ()} | {REST}
    return {v: n for v, n in (column.values or {}).items() if v not in seen}
