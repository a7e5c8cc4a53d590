"""Which columns a load has, and of which kind they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading
from intendant.checks.history.profile import Profile
from intendant.language.to_sql import kind_of_type

__all__ = ["Schema"]

ALWAYS = 0.95
"""A column that so many of the loads since its first one had is not an optional one."""
NEW = 1.0
LOST = 4.0
CHANGED = 2.0
"""Effects: what is new is told, what is lost or reads otherwise breaks its readers."""


class Schema(Metric):
    name = "drift_schema"
    summary = "Columns that are gone, new, or of another kind than in the loads before."
    example = "column region is gone; the last 12 loads had it"

    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        before = {name for p in past for name in p.columns}
        for column in sorted(before - set(now.columns)):
            since = next(i for i, p in enumerate(past) if column in p.columns)
            had = [column in p.columns for p in past[since:]]
            if len(had) >= limits.versions and sum(had) >= ALWAYS * len(had) and any(p.rows for p in past):
                yield self.lost(now, past[since:], column, sum(had))
        for column in [c for c in now.columns if c not in before]:
            evidence = f"Column {column!r} is new; none of the last {len(past)} loads had it."
            yield Reading(column, NEW, 0.0, evidence, None, now.columns[column].type, now.columns[column].filled)
        for column in [c for c in now.columns if c in before]:
            yield from self.retyped(now, past, column)

    def lost(self, now: Profile, past: Sequence[Profile], column: str, had: int) -> Reading:
        last = next(p.columns[column] for p in reversed(past) if column in p.columns)
        filled = any(column in p.columns and p.columns[column].filled for p in past)
        evidence = f"Column {column!r} ({last.type}) is gone; {had} of the last {len(past)} loads had it."
        return Reading(
            column, LOST if filled else NEW, 0.0, evidence, last.type, None, now.rows, breaks=filled and not now.part
        )

    def retyped(self, now: Profile, past: Sequence[Profile], column: str) -> Iterator[Reading]:
        """Kinds, not types: a reader of numbers takes an INTEGER as it took a BIGINT. Empty columns have no kind."""
        own = now.columns[column]
        seen = [p.columns[column] for p in past if column in p.columns and p.columns[column].filled]
        kinds = {kind_of_type(c.type) for c in seen[-5:]}
        kind = kind_of_type(own.type)
        if not own.filled or len(kinds) != 1 or kind in kinds:
            return
        evidence = f"Column {column!r} is {own.type}; it was {seen[-1].type} in the loads before."
        wider = kind_of_type(seen[-1].type) == "text"
        yield Reading(
            column, CHANGED if wider else LOST, 0.0, evidence, seen[-1].type, own.type, now.rows, breaks=not wider
        )
