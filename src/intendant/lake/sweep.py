"""Cleaning a table: files that no kept version needs, and what interrupted writes left behind."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from intendant.errors import Damaged
from intendant.lake.log import Commit, Log
from intendant.lake.store import Store

__all__ = ["Sweep"]

FLOOR = "_kept.json"


class Sweep:
    """The cleaner of the table whose home is `home`; used under the table's lock."""

    def __init__(self, store: Store, home: str) -> None:
        self.store, self.home = store, home

    def floor(self) -> int:
        """The oldest version whose files are still kept."""
        return self._floor()[0]

    def _floor(self) -> tuple[int, object]:
        key = f"{self.home}/{FLOOR}"
        found = self.store.read(key)
        if found is None:
            return 0, None
        try:
            return int(json.loads(found[0])["floor"]), found[1]
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged("The mark of the oldest kept version can't be read", where=self.store.shown(key),
                          hint='Write {"floor": N} into it, with N the oldest version that history should show.'
                          ) from error

    def vacuum(self, log: Log, keep_versions: int | None, keep_days: float | None) -> int:
        """Bytes freed. The mark is written before the first file goes: no version is offered that lost a file."""
        old, seen = self._floor()
        floor, idle = self.unneeded(log, keep_versions, keep_days)
        if floor != old:
            self.store.replace(f"{self.home}/{FLOOR}", json.dumps({"floor": floor}, indent=1), seen)
        return sum(idle[path] for path in self.store.clear(self.home, idle))

    def unneeded(self, log: Log, keep_versions: int | None, keep_days: float | None) -> tuple[int, dict[str, int]]:
        """The oldest version to keep, and the data files (path, bytes) that neither it nor a later version needs."""
        there = self.store.data(self.home)  # before the log: a file that is published meanwhile isn't taken for an orphan
        commits = list(log.commits())
        floor = max(self.floor(), _floor(commits, keep_versions, keep_days))
        at_floor = log.state(floor)
        assert at_floor is not None
        needed = set(at_floor.files) | {f.path for c in commits[floor:] for f in c.adds} | self._awaited(commits)
        ever = {f.path for c in commits for f in c.adds}
        return floor, {path: entry.bytes for path, entry in there.items() if path not in needed
                       and (path in ever or entry.age >= self.store.grace.orphans)}

    def _awaited(self, commits: list[Commit]) -> set[str]:
        """The files that a reader of a moment ago may be on its way to."""
        edge = _time(time.time() - self.store.grace.readers)
        return {path for c in commits if c.at > edge for path in c.removes} if self.store.grace.readers else set()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _floor(commits: list[Commit], keep_versions: int | None, keep_days: float | None) -> int:
    """The oldest version to keep: the lower of both limits; the state at the edge of `keep_days` is kept too.

    A version that a wrong clock dates back doesn't take with it what was made before it.
    """
    latest = len(commits) - 1
    limits = []
    if keep_versions is not None:
        limits.append(max(0, latest + 1 - max(1, keep_versions)))
    if keep_days is not None:
        edge = _time(time.time() - keep_days * 86_400)
        limits.append(next((max(0, c.version - 1) for c in commits if c.at > edge), latest))
    return min(limits, default=0)
