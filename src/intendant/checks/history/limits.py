"""From which size a change matters, and how often a load in which nothing changed may be called changed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """The same for all tables; `[thresholds]` of intendant.toml has them as `drift_*`."""

    budget: float = 0.01
    """The chance of any false finding in a load, over all metrics and columns."""
    versions: int = 4
    """So many earlier loads are needed; with fewer only gross changes are told."""
    volume: float = 0.25
    """Rows more or less than expected, as a share."""
    share: float = 0.03
    """Missing, repeated or never seen values more than expected, as a share of the rows."""
    distance: float = 0.15
    """Distance of a distribution from the recent ones, 0 (the same) to 1 (nothing in common)."""
    collapse: float = 0.5
    """A load with at most this share of the expected rows is a break, no drift."""
    gross: float = 10.0
    """So many times more or fewer rows are a finding after a single earlier load."""
