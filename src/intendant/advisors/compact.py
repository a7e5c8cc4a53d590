"""Gather many small files into few large ones, compressed anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from intendant.advisors.base import Advice, Advisor, Workload
from intendant.types import Column, Snapshot

__all__ = ["Compact"]

LARGE = 64_000_000


class Compact(Advisor):
    goal = "storage"
    summary = "Gather small files into few large ones."

    def propose(self, snapshot: Snapshot, columns: Sequence[Column], workload: Workload) -> Advice | None:
        """None when each partition is one file, or the files are large on average."""
        files = len(snapshot.files)
        parts = len({PurePath(f).parent.name for f in snapshot.files}) if snapshot.partition_by else 1
        if files <= parts or snapshot.bytes / files >= LARGE:
            return None
        return Advice("compact", (), f"{files} files hold {snapshot.rows:,} rows")
