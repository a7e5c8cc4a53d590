"""Where a lake's tables lie: small files that are made whole or not at all, and data files that never change.

A key is a path below the lake with "/" between its parts; a home is the key of one table's folder. `Local` keeps the lake
in a folder, `Remote` on object storage; everything above speaks to both in these words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from intendant.types import Stamp

__all__ = ["Bin", "Dropped", "Entry", "Grace", "Store", "unfenced"]


def unfenced() -> None:
    """The fence of a lake that one process at a time writes."""


@dataclass(frozen=True)
class Entry:
    """A file as it was listed: bytes, a mark that changes with its content, and seconds since it was written."""

    bytes: int
    mark: object
    age: float = float("inf")


@dataclass(frozen=True)
class Grace:
    """Seconds for which a vacuum leaves files alone: what no version has, since its writer may be at work; what a version
    that is no longer kept had, since a reader may be on its way to it."""

    orphans: float = 0.0
    readers: float = 0.0


@dataclass(frozen=True)
class Dropped:
    """A table in the trash: when it was dropped, and by which step of which run. `place` is where its files lie."""

    table: str
    at: str
    run: str
    step: str
    bytes: int
    place: str


class Bin(Protocol):
    """The trash; used under the lock of the table in question."""

    def items(self) -> list[Dropped]:
        """What is in it, newest first."""

    def holds(self, table: str, stamp: Stamp) -> bool:
        """Whether this step already dropped the table."""

    def take(self, home: str, table: str, stamp: Stamp) -> None:
        """Takes the table at `home` in, whole."""

    def give_back(self, table: str, stamp: Stamp, home: str, occupied: bool, dropped_by: Stamp | None = None) -> None:
        """Brings back the newest dropped table of that name (that `dropped_by` dropped); not twice for one step.

        Raises UnknownName, LakeError when there is a table again (`occupied`).
        """

    def empty(self, older_than_days: float, dropped_by: Stamp | None = None) -> int:
        """Deletes what was dropped longer ago (by that step alone); the bytes freed."""


class Store(Protocol):
    """Raises DiskFull, StorageUnreachable and StorageRefused everywhere where bytes are read or written."""

    root: Path
    """What is on this machine in any case: stages, locks, spill."""
    readable: tuple[Path, ...]
    """The folders below which data files are read."""
    bin: Bin
    grace: Grace
    fence: Callable[[], None]
    """Called right before a version is put in place; raises where this process may change nothing any more."""

    def shown(self, key: str) -> str:
        """The path or address of a key, for people."""

    def check(self) -> str:
        """Where the lake is and how that is, for people; object storage is asked. Raises StorageUnreachable, StorageRefused."""

    def refresh(self) -> None:
        """Forgets where tables were found: a writer must know where they are now."""

    def look(self) -> AbstractContextManager[None]:
        """One look at the store: what is listed and read inside is asked for once, until something is written."""

    def tables(self) -> list[str]:
        """The names of all tables, in no order."""

    def home(self, table: str) -> str:
        """Where a table is, up to case, or where it would be made."""

    def named(self, home: str) -> str:
        """The name that the table at `home` was made with."""

    def make(self, table: str) -> str:
        """The home of a table that is about to be written."""

    def appear(self, table: str, home: str) -> None:
        """Makes a table that has its first version seen. Raises Conflict when another one took its name meanwhile."""

    def alive(self, table: str, home: str, logged: Callable[[], bool]) -> bool:
        """Whether there is a table at `home`; `logged` tells whether it has a version."""

    def stages(self, table: str) -> Path:
        """The local folder of a table's stages."""

    def left(self) -> list[str]:
        """The names of all tables that may have stages or orphans."""

    def entries(self, key: str) -> dict[str, Entry]:
        """The files directly in a folder, by name; {} when there is none."""

    def names(self, key: str) -> list[str]:
        """The names of the files directly in a folder."""

    def read(self, key: str) -> tuple[str, object] | None:
        """A small file's text and its mark; None when it isn't there."""

    def read_all(self, keys: Mapping[str, object]) -> dict[str, bytes]:
        """The content of small files, given with their marks; those that are gone are left out."""

    def create(self, key: str, content: str) -> None:
        """Writes a file that isn't there yet, whole and durable or not at all. Raises FileExistsError."""

    def replace(self, key: str, content: str, seen: object = ...) -> None:
        """Replaces a file, whole or not at all. With `seen` (a mark, or None for no file) only if it is still so: Conflict."""

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes files; one that isn't there is no error."""

    def aside(self, keys: Sequence[str], folder: str) -> None:
        """Moves files, one after the other, into a new folder."""

    def take(self, stage: Path, files: Mapping[str, int], key: str) -> None:
        """Takes a stage's files (path below it, bytes) to the new folder `key`, durably; the stage's folder is then gone."""

    def data(self, home: str) -> dict[str, Entry]:
        """All data files of a table, by path below its home, those that belong to no version too."""

    def lacking(self, home: str, files: Mapping[str, int]) -> str | None:
        """The first of the data files that is missing or has another size; None when all are whole."""

    def clear(self, home: str, files: Iterable[str]) -> list[str]:
        """Deletes data files but those that somebody reads at this moment; the deleted ones."""

    def local(self, home: str, files: Mapping[str, int]) -> tuple[str, ...]:
        """Where the engine reads data files."""

    def held(self, paths: Iterable[str]) -> AbstractContextManager[None]:
        """Has data files (those of `local`, others are passed over) on this machine as long as it is open."""

    def size(self) -> int:
        """Bytes of everything in the lake."""
