"""What an advisor is: it looks at a table and the queries that ran on it, and proposes one change that can be measured.

To add an advisor, write one file in this folder with one class that has `goal` and `propose`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from intendant.types import Column, Snapshot

__all__ = ["Advice", "Advisor", "Workload"]


@dataclass(frozen=True)
class Workload:
    """How often (weighted by time spent) each column of a table was filtered on."""

    filters: Mapping[str, float]


@dataclass(frozen=True)
class Advice:
    """A layout to try; `why` says from what it follows."""

    action: Literal["sort", "compact"]
    columns: tuple[str, ...]
    why: str


class Advisor(ABC):
    goal: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def propose(self, snapshot: Snapshot, columns: Sequence[Column], workload: Workload) -> Advice | None:
        """What to try; None when there is nothing to gain."""
