"""What a finder of literals finds in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Found"]


@dataclass(frozen=True)
class Found:
    """A piece of the sentence and what it can stand for: (family, text in the intent language), best first."""

    at: int
    end: int
    readings: tuple[tuple[str, str], ...]
    kind: str = ""
    units: tuple[tuple[str, str], ...] = ()
    """Of numbers that are the same length in another unit, (number, unit), shown beside their ids."""
