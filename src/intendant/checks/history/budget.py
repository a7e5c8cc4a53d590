"""One budget of false alarms for a whole load, however many columns it has.

Each metric may spend an equal part of it, so that two thousand columns don't drown the one number of rows; within a
metric Holm's step-down procedure (1979) keeps to that part whatever depends on what.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["holm"]


def holm(chances: Sequence[float], budget: float) -> list[float | None]:
    """The adjusted chance of each test that is significant within `budget`, None for the others."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    out: list[float | None] = [None] * len(chances)
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, chances[i] * (len(chances) - rank)))
        if worst > budget:
            break
        out[i] = worst
    return out
