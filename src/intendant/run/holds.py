"""What a run holds while it is under way: its tables, and the right to change anything."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intendant.run.state_team import Team

__all__ = ["Holds"]


class Holds:
    """Of one process; with a `team`, of all its workers."""

    def __init__(self, team: Team | None = None) -> None:
        self.team = team
        self.locks: dict[str, threading.RLock] = {}

    @contextmanager
    def tables(self, names: Iterable[str], part: str) -> Iterator[None]:
        """Holds the tables for a whole part of a run, so that no other run builds on what may yet be undone.

        Shared tables are held in the database alone: a part that is gone on with here must not wait for one that waits for it.
        """
        wanted = sorted({t.lower() for t in names})
        with ExitStack() as held:
            if self.team is not None:
                held.enter_context(self.team.holding(wanted, part))
            else:
                for table in wanted:
                    held.enter_context(self.locks.setdefault(table, threading.RLock()))
            yield

    def fence(self) -> None:
        """What must hold right before others see a change: this worker's runs are its own still. Raises LeaseLost."""
        if self.team is not None:
            self.team.renew()
