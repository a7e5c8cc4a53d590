"""Gather many small files into few large ones, compressed anew."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.advisors.base import Advice, Advisor, Workload
from intendant.types import Column, Snapshot

__all__ = ["Compact"]


class Compact(Advisor):
    goal = "storage"
    summary = "Gather small files into few large ones."

    def propose(self, snapshot: Snapshot, columns: Sequence[Column], workload: Workload) -> Advice | None:
        return Advice("compact", (), f"{len(snapshot.files)} files hold {snapshot.rows:,} rows")
