"""Dropped tables, kept whole in the lake's trash until somebody empties it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intendant.errors import LakeError, UnknownName, did_you_mean
from intendant.lake.disk import sync_folder, tree_size, write_json
from intendant.types import Stamp, split_table

__all__ = ["Dropped", "Trash"]

TOMBSTONE = "_dropped.json"
RETURNED = "_returned.json"


@dataclass(frozen=True)
class Dropped:
    """A table in the trash: when it was dropped, and by which step of which run."""

    table: str
    at: str
    run: str
    step: str
    bytes: int
    folder: Path


class Trash:
    """The trash of the lake under `root`; used under the lock of the table in question."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "trash"

    def items(self) -> list[Dropped]:
        """What is in it, newest first."""
        found = []
        for path in self.folder.glob("*/*"):
            note = json.loads((path / TOMBSTONE).read_text(encoding="utf-8"))
            found.append(Dropped(note["table"], note["at"], note["run"], note["step"], tree_size(path), path))
        return sorted(found, key=lambda d: d.at, reverse=True)

    def _of(self, table: str) -> list[Dropped]:
        wanted = (split_table(table)[0], split_table(table)[1].casefold())
        return [d for d in self.items() if (split_table(d.table)[0], split_table(d.table)[1].casefold()) == wanted]

    def holds(self, table: str, stamp: Stamp) -> bool:
        """Whether this step already dropped the table."""
        return any((d.run, d.step) == (stamp.run, stamp.step) for d in self._of(table))

    def take(self, folder: Path, table: str, stamp: Stamp) -> None:
        """Moves a table's folder into the trash."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        write_json(folder / TOMBSTONE, {"table": table, "run": stamp.run, "step": stamp.step, "at": now})
        mark = hashlib.sha256(json.dumps([stamp.run, stamp.step]).encode()).hexdigest()[:16]
        target = self.folder / split_table(table)[0] / f"{folder.name}~{mark}"
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        sync_folder(folder.parent)
        sync_folder(target.parent)

    def give_back(self, table: str, stamp: Stamp, target: Path, occupied: bool,
                  dropped_by: Stamp | None = None) -> None:
        """Moves the newest dropped table of that name (that `dropped_by` dropped) back; not twice for one step."""
        note = {"run": stamp.run, "step": stamp.step}
        if occupied:
            returned = target / RETURNED
            if returned.exists() and json.loads(returned.read_text(encoding="utf-8")) == note:
                return
            raise LakeError(f"There is a table {table!r} again", where=table,
                            hint="Drop or rename that one first.")
        found = [d for d in self._of(table) if dropped_by in (None, Stamp(d.run, d.step))]
        if not found:
            raise UnknownName(f"There is no dropped table {table!r}", where=table,
                              hint=did_you_mean(table, [d.table for d in self.items()], "dropped table"))
        home = target.parent / found[0].folder.name.rpartition("~")[0]
        write_json(found[0].folder / RETURNED, note)
        shutil.rmtree(home, ignore_errors=True)  # at most an abandoned stage: there is no table there
        home.parent.mkdir(parents=True, exist_ok=True)
        found[0].folder.rename(home)
        (home / TOMBSTONE).unlink()
        sync_folder(home.parent)
        sync_folder(found[0].folder.parent)

    def empty(self, older_than_days: float) -> int:
        """Deletes what was dropped longer ago; the bytes freed."""
        edge = (datetime.now(UTC) - timedelta(days=older_than_days)).isoformat(timespec="microseconds")
        old = [d for d in self.items() if d.at <= edge]
        for item in old:
            shutil.rmtree(item.folder)
        return sum(item.bytes for item in old)
