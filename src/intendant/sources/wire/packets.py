"""Rows of a running MySQL query as columns, straight from the socket: only the rows' beginnings are looked for one by one.

A row of the text protocol is a packet (3 bytes length, 1 byte number) of values, each with its length before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pymysql

__all__ = ["columns_of"]

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
READ = 1 << 20
BLOCK = 4 << 20
MOST_ROWS = 50_000
LONGEST = 0xFFFFFF
MARGIN = b"\0" * 16
WIDTHS = {252: 2, 253: 3, 254: 8}
"""First byte of a long value's length -> how many bytes of length follow (MySQL protocol, length-encoded integers)."""
NULL = 251
LOST = 2013
_head = Struct("<I").unpack_from


def columns_of(con: pymysql.Connection[Any], sql: str) -> Iterator[list[pa.Array]]:
    """Runs a query and gives its columns as binary arrays, some rows at a time; the connection is of no use afterwards.

    Raises pymysql.Error, OSError.
    """
    con.query(sql, unbuffered=True)
    result = con._result
    if result is None or not result.unbuffered_active:
        return
    result.unbuffered_active = False  # or it would read the rest of the rows when it is forgotten
    yield from _Rows(con, int(con._next_seq_id), int(result.field_count)).blocks()


class _Rows:
    """The packets that came and were not yet given; `starts` and `lengths` are those of the rows found up to `at`."""

    def __init__(self, con: pymysql.Connection[Any], number: int, columns: int) -> None:
        self.con, self.number, self.columns = con, number, columns
        self.held, self.at = bytearray(), 0
        self.starts: list[int] = []
        self.lengths: list[int] = []

    def blocks(self) -> Iterator[list[pa.Array]]:
        ended = False
        while not ended:
            ended = self._found()
            if self.starts and (ended or self.at >= BLOCK or len(self.starts) >= MOST_ROWS):
                try:
                    taken = self._taken()
                except (IndexError, ValueError, OverflowError):
                    raise _lost("a row can't be read") from None
                yield taken
            if not ended:
                self._more()

    def _found(self) -> bool:
        """Finds the rows that have come; whether the last was one of them."""
        held, at, number, size = self.held, self.at, self.number, len(self.held)
        row, length = self.starts.append, self.lengths.append
        while at + 4 < size:
            word = _head(held, at)[0]
            count = word & LONGEST
            if count == LONGEST:
                self.at, self.number = at, number
                count = self._joined()
                number, size = self.number, len(held)
            elif word >> 24 != number:
                raise _lost("the packets are not in order")
            elif at + 4 + count > size:
                break
            first = held[at + 4] if count else 0
            if first >= 254 and (first == 255 or count < 9):
                if first == 255:
                    pymysql.err.raise_mysql_exception(bytes(held[at + 4:at + 4 + count]))
                self.at = at
                return True
            row(at + 4)
            length(count)
            at += 4 + count
            number = (number + 1) & 0xFF
        self.at, self.number = at, number
        return False

    def _joined(self) -> int:
        """Length of a row of several packets, which are put together; `number` becomes that of the last."""
        total, end, part = 0, self.at, LONGEST
        while part == LONGEST:
            while len(self.held) < end + 4:
                self._more()
            word = _head(self.held, end)[0]
            part = word & LONGEST
            if word >> 24 != self.number:
                raise _lost("the packets are not in order")
            if total:
                del self.held[end:end + 4]
            else:
                end += 4
            while len(self.held) < end + part:
                self._more()
            total, end = total + part, end + part
            self.number = (self.number + 1) & 0xFF
        self.number = (self.number - 1) & 0xFF
        return total

    def _more(self) -> None:
        some = self.con._rfile.read1(READ)
        if not some:
            raise _lost("the server closed the connection while it sent rows")
        self.held += some

    def _taken(self) -> list[pa.Array]:
        """The columns of the rows found, which are then forgotten."""
        data = np.frombuffer(bytes(self.held[:self.at]) + MARGIN, np.uint8)
        at = np.array(self.starts, np.int64)
        ends = at + np.array(self.lengths, np.int64)
        out = []
        for _ in range(self.columns):
            at, lengths, empty = _value(data, at)
            if int((at + lengths - ends).max()) > 0 or int(lengths.min()) < 0:
                raise _lost("a row is shorter than its values")
            out.append(_array(data, at, lengths, empty))
            at = at + lengths
        del self.held[:self.at]
        self.at = 0
        self.starts, self.lengths = [], []
        return out


def _lost(why: str) -> pymysql.err.OperationalError:
    return pymysql.err.OperationalError(LOST, why)


def _value(data: Bytes, at: Numbers) -> tuple[Numbers, Numbers, Numbers | None]:
    """Where the values at `at` begin, how long they are, and which are NULL (None when none is)."""
    first = data[at]
    lengths = first.astype(np.int64)
    if int(first.max()) < NULL:
        return at + 1, lengths, None
    starts = at + 1
    empty = first == NULL
    lengths[empty] = 0
    for mark, width in WIDTHS.items():
        which = np.flatnonzero(first == mark)
        if which.size:
            lengths[which] = sum(data[at[which] + 1 + n].astype(np.int64) << (8 * n) for n in range(width))
            starts[which] += width
    return starts, lengths, empty


def _array(data: Bytes, starts: Numbers, lengths: Numbers, empty: Numbers | None) -> pa.Array:
    """A binary array of the bytes at those places."""
    count = len(starts)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    total = int(offsets[-1])
    size = int(lengths[0])
    if total == size * count and bool((lengths == size).all()):
        values = data[(starts[:, None] + np.arange(size)).ravel()] if size else data[:0]
    else:
        values = data[np.arange(total) + np.repeat(starts - offsets[:-1], lengths)]
    valid = None if empty is None else pa.array(~empty).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), count, [valid, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(values))])
