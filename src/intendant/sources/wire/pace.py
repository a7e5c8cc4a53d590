"""Keeps a source within its declared rate: a wait is computed, the caller's clock sleeps."""

from __future__ import annotations

import threading
import time

__all__ = ["Pace"]


class Pace:
    """At most `rate` units a second (None: no limit); shared by threads."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait(self, units: float = 1) -> float:
        """Sleeps until `units` more may pass; returns the seconds slept."""
        if self.rate is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + units / self.rate
        if start > now:
            time.sleep(start - now)
        return start - now
