"""When to try again: exponential backoff with full jitter, within a number of attempts and a total time.

Full jitter after "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from intendant.errors import SourceDamaged, SourceError, SourceOverloaded, WorkspaceError, did_you_mean
from intendant.sources.base import Notify
from intendant.types import Json

__all__ = ["Retry", "retry_after_seconds", "told_again"]

T = TypeVar("T")


def retry_after_seconds(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as an HTTP date; None without one."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def told_again(notify: Notify, error: SourceError, attempt: int, delay: float) -> bool:
    """Whether an error may pass, so that it is tried again after `delay` seconds; if so, `notify` hears of it."""
    if not (error.retry or isinstance(error, SourceDamaged)):
        return False
    if isinstance(error, SourceOverloaded):
        notify("source.throttled", {"where": error.where, "wait_seconds": round(delay, 3)})
    notify("source.retried", {"where": error.where, "reason": error.message, "attempt": attempt})
    return True


@dataclass(frozen=True)
class Retry:
    """`attempts` in all, `total_seconds` for all of them with their waits; waits are drawn from 0 to a doubling cap."""

    attempts: int = 6
    total_seconds: float = 120.0
    first_delay: float = 0.25
    longest_delay: float = 20.0

    @classmethod
    def from_config(cls, config: Mapping[str, Json], where: str) -> Retry:
        """Raises WorkspaceError for a key or a value that isn't one."""
        for key, value in config.items():
            if key not in cls.__dataclass_fields__:
                hint = did_you_mean(key, cls.__dataclass_fields__, "setting")
                raise WorkspaceError(f"retries.{key} is not a setting", where=where, hint=hint)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise WorkspaceError(f"retries.{key} must be a number above 0, not {value!r}", where=where)
        return cls(**config)

    def delay(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after the failed `attempt` (from 1): at least what the server `asked` for."""
        drawn = random.uniform(0, min(self.longest_delay, self.first_delay * 2 ** (attempt - 1)))
        return drawn if asked is None else asked + drawn * 0.1

    def call(self, act: Callable[[], T], again: Callable[[SourceError, int, float], bool]) -> T:
        """What `act` returns; its SourceErrors are retried while `again(error, attempt, delay)` allows it.

        Raises the last SourceError when attempts or time are used up.
        """
        deadline = time.monotonic() + self.total_seconds
        attempt = 0
        while True:
            attempt += 1
            try:
                return act()
            except SourceError as error:
                asked = error.retry_after if isinstance(error, SourceOverloaded) else None
                delay = self.delay(attempt, asked)
                out_of_time = time.monotonic() + delay > deadline
                if attempt >= self.attempts or out_of_time or not again(error, attempt, delay):
                    raise
                time.sleep(delay)
