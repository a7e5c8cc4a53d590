"""Who may generate now: as many as there are slots; so many more wait in order; the rest are told when to come back."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from intendant.model.server.refusal import Refusal

__all__ = ["Admission"]

LAST = 0.2
"""Weight of the last request in the mean duration."""
LONGEST_PAUSE = 120


class Admission:
    """Slots and the queue before them. One event loop uses it."""

    def __init__(self, slots: int, queue: int) -> None:
        self.slots, self.queue = slots, queue
        self.running = 0
        self.closed = False
        self.line: deque[asyncio.Future[None]] = deque()
        self.mean_seconds = 1.0

    @property
    def waiting(self) -> int:
        return len(self.line)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A slot for as long as the block lasts. Raises Refusal: 429 when the queue is full, 503 when closing."""
        await self._enter()
        started = time.monotonic()
        try:
            yield
        finally:
            self.mean_seconds += LAST * (time.monotonic() - started - self.mean_seconds)
            self._leave()

    async def _enter(self) -> None:
        if self.closed:
            raise closing()
        if self.running < self.slots and not self.line:
            self.running += 1
            return
        if len(self.line) >= self.queue:
            raise Refusal(
                429,
                f"{self.running} requests run and {len(self.line)} wait",
                "rate_limit_error",
                "queue_full",
                retry_after=self.pause(),
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()  # the slot came at the moment when nobody wanted it any more
            raise
        finally:
            if turn in self.line:
                self.line.remove(turn)

    def _leave(self) -> None:
        """Gives the slot to whoever waits longest."""
        while self.line:
            turn = self.line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1

    def pause(self) -> int:
        """Seconds until a place in the queue is likely free."""
        return min(LONGEST_PAUSE, max(1, math.ceil(self.mean_seconds * (self.waiting + 1) / self.slots)))

    def close(self) -> None:
        """Nobody else gets in; who waits is sent away; who runs may finish."""
        self.closed = True
        while self.line:
            turn = self.line.popleft()
            if not turn.done():
                turn.set_exception(closing())


def closing() -> Refusal:
    return Refusal(503, "the server is stopping", "server_error", "stopping", retry_after=5, close=True)
