"""Where the reads of a partitioned stream stand: what has been read, what is to be read, and what can't be read any more.

A position is JSON: {"0": {"next": 17, "at": 1700000000000, "sum": 99}} says of each partition which offset comes next, and
the time and checksum of the message before it. That message is looked at again: when another one stands in its place, the
topic was made anew, and its offsets mean other messages.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from intendant.types import Json

__all__ = ["Mark", "Span", "gaps", "marks_of", "position_of", "spans", "witness"]


@dataclass(frozen=True)
class Mark:
    """`next` is the offset to go on at; `at` (milliseconds since 1970) and `sum` are those of the message before it, if known."""

    next: int
    at: int | None = None
    sum: int | None = None


@dataclass(frozen=True)
class Span:
    """What a read takes of a partition: the messages from `start` to before `end`.

    `seen` is the mark of the read before, when the message in front of `start` can be looked at again. `low` is the first
    offset that the broker still has. `gap` says what is lost, "" when nothing is; `lost` is how many messages at most (None:
    nobody can know).
    """

    partition: int
    start: int
    end: int
    low: int
    seen: Mark | None = None
    gap: str = ""
    lost: int | None = 0

    @property
    def from_anew(self) -> Span:
        """The span when the topic turns out to be another one than it was."""
        return replace(self, start=self.low, seen=None, gap=MADE_ANEW, lost=None)


MADE_ANEW = "it was made anew since the read before; it was read from its beginning"


def marks_of(position: Json) -> dict[int, Mark]:
    """The marks in a position; {} for None."""
    return {int(p): Mark(int(m["next"]), m.get("at"), m.get("sum")) for p, m in (position or {}).items()}


def position_of(marks: Mapping[int, Mark]) -> dict[str, Json]:
    """The position that says these marks."""
    return {str(p): {k: v for k, v in m.__dict__.items() if v is not None} for p, m in sorted(marks.items())}


def witness(key: bytes | None, value: bytes | None) -> int:
    """The checksum by which a message is known again."""
    return zlib.crc32(value or b"", zlib.crc32(key or b"", value is None))


def spans(watermarks: Mapping[int, tuple[int, int]], marks: Mapping[int, Mark], given: Mapping[int, int]) -> list[Span]:
    """What to read of each partition with these (first, end) offsets.

    `marks` are where the read before ended, {} when there was none: then it starts at `given`, or at the beginning. A
    partition that is new since then is read from its beginning.
    """
    return [_span(p, low, high, marks, given) for p, (low, high) in sorted(watermarks.items())]


def _span(partition: int, low: int, high: int, marks: Mapping[int, Mark], given: Mapping[int, int]) -> Span:
    mark = marks.get(partition)
    if mark is None:
        new = bool(marks)  # it was added after the read before: all its messages were to be read
        start = low if new else max(low, min(given.get(partition, low), high))
        gone = low if new else 0
        return Span(partition, start, high, low, gap=_removed(gone) if gone else "", lost=gone)
    if mark.next > high:
        return Span(partition, low, high, low).from_anew
    if mark.next < low:
        gone = low - mark.next
        return Span(partition, low, high, low, gap=_removed(gone), lost=gone)
    seen = mark if mark.next > low and mark.sum is not None else None
    return Span(partition, mark.next, high, low, seen)


def _removed(messages: int) -> str:
    return f"up to {messages:,} messages were removed before they were read"


def gaps(topic: str, found: Iterable[Span]) -> list[tuple[str, int | None]]:
    """What is lost, in words, with the most messages that it may be (None: nobody can know), one for each cause."""
    out: list[tuple[str, int | None]] = []
    removed = [s for s in found if s.gap and s.lost is not None]
    anew = [s for s in found if s.gap and s.lost is None]
    if removed:
        lost = sum(s.lost or 0 for s in removed)
        out.append((f"Of {topic} {_removed(lost)} ({_listed(removed)}): the topic keeps them for too short a time", lost))
    if anew:
        out.append((f"{topic} isn't the topic that was read before ({_listed(anew)}): {MADE_ANEW}; "
                    "what it held before and wasn't read is gone, what is read again is here twice", None))
    return out


def _listed(found: Sequence[Span]) -> str:
    shown = ", ".join(str(s.partition) for s in found[:10])
    return f"partition {shown}" if len(found) == 1 else f"partitions {shown}{' ...' if len(found) > 10 else ''}"
