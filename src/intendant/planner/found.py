"""What a finder of literals finds in a sentence, and what is marked in it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Found", "Mark"]


@dataclass(frozen=True)
class Found:
    """A piece of the sentence and what it can stand for: (family, text in the intent language), best first."""

    at: int
    end: int
    readings: tuple[tuple[str, str], ...]
    kind: str = ""
    units: tuple[tuple[str, str], ...] = ()
    """Of numbers that are the same length in another unit, (number, unit), shown beside their ids."""


@dataclass(frozen=True)
class Mark:
    """Ids to show after the words of a span; `drop` leaves those words out."""

    at: int
    end: int
    readings: tuple[tuple[str, str], ...]
    drop: bool
    guess: bool = False
