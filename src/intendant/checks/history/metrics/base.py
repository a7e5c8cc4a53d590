"""What a metric of drift is: it compares a load with the loads before it and says how large and how odd the change is.

To add one, write one file in this folder with one class and name it in `checks/history/drift.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from intendant.checks.history.limits import Limits
from intendant.checks.history.profile import ColumnProfile, Profile
from intendant.types import Json

__all__ = ["Metric", "Reading", "percent", "there"]


@dataclass(frozen=True)
class Reading:
    """One comparison. Those that show nothing count too: they are what the budget of false alarms is shared by.

    `effect` is the change in multiples of the least one that matters; `chance` that of such a change when nothing has
    changed, 0..1. `breaks` tells what readers of the table can't cope with from what they may want to know.
    """

    column: str | None
    effect: float
    chance: float
    evidence: str = ""
    before: Json = None
    now: Json = None
    rows: int = 0
    mend: str = ""
    breaks: bool = False


class Metric(ABC):
    name: ClassVar[str]
    """The check in a finding."""
    summary: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def readings(self, now: Profile, past: Sequence[Profile], limits: Limits) -> Iterator[Reading]:
        """One Reading per thing that can be compared; `past` has at least `limits.versions` loads, oldest first."""


def there(past: Sequence[Profile], column: str) -> list[tuple[Profile, ColumnProfile]]:
    """The earlier loads that had rows and this column."""
    return [(p, p.columns[column]) for p in past if p.rows and column in p.columns]


def percent(share: float) -> str:
    """A share as people read it: 12.5%, 0.04%."""
    return f"{100 * share:.3g}%"
