"""Dropped tables of a lake in a folder, kept whole in its trash until somebody empties it."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intendant.errors import LakeError, UnknownName, did_you_mean
from intendant.lake.disk import sync_folder, tree_size, write_json
from intendant.lake.names import SCHEMA_FOLDERS
from intendant.lake.store import Dropped
from intendant.types import Stamp, split_table

__all__ = ["Trash", "mark_of", "missing", "occupying"]

TOMBSTONE = "_dropped.json"
RETURNED = "_returned.json"
GONE = "gone"
"""The folder in the trash of what is being deleted: out of reach, whole or in part."""


class Trash:
    """The trash of the lake under `root`; used under the lock of the table in question."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "trash"

    def items(self) -> list[Dropped]:
        """What is in it, newest first."""
        found = []
        for path in (p for schema in SCHEMA_FOLDERS for p in (self.folder / schema).glob("*")):
            with suppress(FileNotFoundError):  # it was brought back or deleted meanwhile
                note = json.loads((path / TOMBSTONE).read_text(encoding="utf-8"))
                found.append(Dropped(note["table"], note["at"], note["run"], note["step"], tree_size(path), str(path)))
        return sorted(found, key=lambda d: d.at, reverse=True)

    def _of(self, table: str) -> list[Dropped]:
        wanted = (split_table(table)[0], split_table(table)[1].casefold())
        return [d for d in self.items() if (split_table(d.table)[0], split_table(d.table)[1].casefold()) == wanted]

    def holds(self, table: str, stamp: Stamp) -> bool:
        """Whether this step already dropped the table."""
        return any((d.run, d.step) == (stamp.run, stamp.step) for d in self._of(table))

    def take(self, home: str, table: str, stamp: Stamp) -> None:
        """Moves a table's folder into the trash."""
        folder = self.root / home
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        write_json(folder / TOMBSTONE, {"table": table, "run": stamp.run, "step": stamp.step, "at": now})
        target = self.folder / split_table(table)[0] / f"{folder.name}~{mark_of(stamp)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        sync_folder(folder.parent)
        sync_folder(target.parent)

    def give_back(self, table: str, stamp: Stamp, home: str, occupied: bool, dropped_by: Stamp | None = None) -> None:
        """Moves the newest dropped table of that name (that `dropped_by` dropped) back; not twice for one step."""
        note, target = {"run": stamp.run, "step": stamp.step}, self.root / home
        if occupied:
            returned = target / RETURNED
            if returned.exists() and json.loads(returned.read_text(encoding="utf-8")) == note:
                return
            raise occupying(table)
        found = [d for d in self._of(table) if dropped_by in (None, Stamp(d.run, d.step))]
        if not found:
            raise missing(table, self.items())
        held = Path(found[0].place)
        back = target.parent / held.name.rpartition("~")[0]
        write_json(held / RETURNED, note)
        shutil.rmtree(back, ignore_errors=True)  # at most an abandoned stage: there is no table there
        back.parent.mkdir(parents=True, exist_ok=True)
        held.rename(back)
        (back / TOMBSTONE).unlink()
        sync_folder(back.parent)
        sync_folder(held.parent)

    def empty(self, older_than_days: float, dropped_by: Stamp | None = None) -> int:
        """Deletes what was dropped longer ago (by that step alone); the bytes freed. It is out of reach before its first file
        goes.
        """
        edge = (datetime.now(UTC) - timedelta(days=older_than_days)).isoformat(timespec="microseconds")
        freed, gone = 0, self.folder / GONE
        for item in self.items():
            if item.at <= edge and dropped_by in (None, Stamp(item.run, item.step)):
                gone.mkdir(exist_ok=True)
                with suppress(FileNotFoundError):  # it was brought back meanwhile
                    Path(item.place).rename(gone / uuid.uuid4().hex)
                    freed += item.bytes
        for left in gone.glob("*"):
            shutil.rmtree(left, ignore_errors=True)
        return freed


def mark_of(stamp: Stamp) -> str:
    return hashlib.sha256(json.dumps([stamp.run, stamp.step]).encode()).hexdigest()[:16]


def occupying(table: str) -> LakeError:
    """There is a table where one should come back."""
    return LakeError(f"There is a table {table!r} again", where=table, hint="Drop or rename that one first.")


def missing(table: str, items: list[Dropped]) -> UnknownName:
    """There is nothing of that name in the trash."""
    return UnknownName(f"There is no dropped table {table!r}", where=table,
                       hint=did_you_mean(table, [d.table for d in items], "dropped table"))
