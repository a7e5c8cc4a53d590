"""How much room a table takes, and how much there would be without its older versions: counted, not guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from intendant.errors import Damaged
from intendant.lake.sweep import Sweep

if TYPE_CHECKING:
    from intendant.lake.lake import Lake

__all__ = ["Room", "freed_by", "room_of"]


@dataclass(frozen=True)
class Room:
    """Bytes and files of a table's data: of the version that is current, and of all that is kept besides."""

    live: int
    files: int
    kept: int
    kept_files: int

    @property
    def total(self) -> int:
        return self.live + self.kept


def room_of(lake: Lake, table: str) -> Room:
    """Raises UnknownName, Damaged."""
    log = lake._known(table)
    state = log.state()
    assert state is not None
    there = lake.store.data(log.home)
    live = [f.bytes for path, f in state.files.items() if path in there]
    kept = [e.bytes for path, e in there.items() if path not in state.files]
    return Room(sum(live), len(live), sum(kept), len(kept))


def freed_by(lake: Lake, table: str, keep_versions: int | None, keep_days: float | None = None) -> int:
    """The bytes that `lake.vacuum` would free; 0 for a table whose log can't be read. Raises UnknownName."""
    log = lake._known(table)
    try:
        _, idle = Sweep(lake.store, log.home).unneeded(log, keep_versions, keep_days)
    except Damaged:
        return 0
    return sum(idle.values())
