"""Two scales with adjustable steps: how bad a table's quality is, and how urgently a loaded system needs attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from intendant.errors import UsageError
from intendant.types import Severity

__all__ = ["Priority", "PriorityThresholds", "SeverityThresholds", "priority", "severity"]

Priority = Literal["NORMAL", "HIGH", "CRITICAL"]
LEVELS: tuple[Priority, ...] = ("NORMAL", "HIGH", "CRITICAL")


@dataclass(frozen=True)
class SeverityThresholds:
    """Means of completeness and consistency (percent) from which severity is LOW and MEDIUM."""

    low: float = 85.0
    medium: float = 70.0


@dataclass(frozen=True)
class PriorityThresholds:
    """Loads (percent) above which priority is HIGH and CRITICAL."""

    high: float = 70.0
    critical: float = 85.0


def severity(completeness: float, consistency: float,
             thresholds: SeverityThresholds = SeverityThresholds()) -> Severity:
    """LOW, MEDIUM or HIGH from the mean of two shares in percent. Raises UsageError outside 0..100."""
    for name, value in (("completeness", completeness), ("consistency", consistency)):
        percent(name, value)
    mean = (completeness + consistency) / 2
    return "LOW" if mean >= thresholds.low else "MEDIUM" if mean >= thresholds.medium else "HIGH"


def priority(cpu: float, memory: float, thresholds: PriorityThresholds = PriorityThresholds(),
             dead_band: float = 1.0, previous: Priority | None = None) -> Priority:
    """NORMAL, HIGH or CRITICAL from the higher of two loads in percent.

    A level is entered only when its threshold is exceeded by more than `dead_band` points and left only when undercut
    by as much, so a value at the edge doesn't flap; `previous` is the level before (NORMAL when unknown).
    Raises UsageError outside 0..100.
    """
    for name, value in (("cpu", cpu), ("memory", memory)):
        percent(name, value)
    load, before = max(cpu, memory), LEVELS.index(previous or "NORMAL")
    level = 0
    for i, edge in enumerate((thresholds.high, thresholds.critical), start=1):
        if load >= edge - dead_band if before >= i else load > edge + dead_band:
            level = i
    return LEVELS[level]


def percent(name: str, value: float) -> None:
    if not 0 <= value <= 100:
        raise UsageError(f"{name} is {value!r}, not a share in percent", hint="Give a number from 0 to 100.")
