"""Lets a thread work ahead of its reader by a bounded number of bytes; errors and notes arrive in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Ahead", "Stopped"]

T = TypeVar("T")


class Stopped(Exception):
    """The reader has gone: the producer ends."""


class Ahead(Generic[T]):
    """`produce(put)` runs in a thread and puts items with their weight; iterating gives them in order."""

    def __init__(self, produce: Callable[[Callable[[T, int], None]], None], cap: int) -> None:
        self._cap, self._held, self._done, self._gone = cap, 0, False, False
        self._items: deque[tuple[T, int]] = deque()
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(produce,), daemon=True)

    def _run(self, produce: Callable[[Callable[[T, int], None]], None]) -> None:
        try:
            produce(self._put)
        except Stopped:
            pass
        except BaseException as error:  # handed to the reader, whatever it is
            self._error = error
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _put(self, item: T, weight: int) -> None:
        with self._changed:
            while self._held >= self._cap and not self._gone:
                self._changed.wait()
            if self._gone:
                raise Stopped
            self._items.append((item, weight))
            self._held += weight
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        try:
            while (item := self._take()) is not None:
                yield item[0]
            if self._error is not None:
                raise self._error
        finally:
            with self._changed:
                self._gone = True
                self._changed.notify_all()

    def _take(self) -> tuple[T, int] | None:
        with self._changed:
            while not self._items and not self._done:
                self._changed.wait()
            if not self._items:
                return None
            item = self._items.popleft()
            self._held -= item[1]
            self._changed.notify_all()
            return item
