"""Sort a table by what queries filter on, so that they skip the files and row groups they don't need."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.advisors.base import Advice, Advisor, Workload
from intendant.language.to_sql import kind_of_type
from intendant.types import Column, Snapshot

__all__ = ["SortOrder"]

MOST_COLUMNS = 3


class SortOrder(Advisor):
    goal = "latency"
    summary = "Sort by the columns that queries filter on, the most used first; by time when no query is known."

    def propose(self, snapshot: Snapshot, columns: Sequence[Column], workload: Workload) -> Advice | None:
        known = {c.name: c for c in columns if kind_of_type(c.type) != "other"}
        used = sorted((c for c in workload.filters if c in known), key=lambda c: -workload.filters[c])[:MOST_COLUMNS]
        if used:
            return Advice("sort", tuple(used), f"queries filter on {', '.join(used)}")
        times = [c for c in known if kind_of_type(known[c].type) == "time"][:1]
        return (
            Advice("sort", tuple(times), f"no query is known yet; most look at a stretch of {times[0]}")
            if times
            else None
        )
