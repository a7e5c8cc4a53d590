"""Cleaning a table's folder: files that no kept version needs, and what interrupted writes left behind."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from intendant.errors import Damaged
from intendant.lake.disk import tree_size, write_json
from intendant.lake.log import Commit, Log

__all__ = ["Sweep"]

FLOOR = "_kept.json"


class Sweep:
    """The cleaner of one table's folder; used under the table's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def floor(self) -> int:
        """The oldest version whose files are still kept."""
        path = self.folder / FLOOR
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["floor"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged("The mark of the oldest kept version can't be read", where=str(path),
                          hint='Write {"floor": N} into it, with N the oldest version that history should show.'
                          ) from error

    def vacuum(self, log: Log, keep_versions: int | None, keep_days: float | None) -> int:
        """Bytes freed. The mark is written before the first file goes: no version is offered that lost a file."""
        commits = list(log.commits())
        floor = max(self.floor(), _floor(commits, keep_versions, keep_days))
        if floor != self.floor():
            write_json(self.folder / FLOOR, {"floor": floor})
        at_floor = log.state(floor)
        assert at_floor is not None
        needed = set(at_floor.files) | {f.path for c in commits[floor:] for f in c.adds}
        freed = 0
        for file in list(self._data_files()):
            if file.relative_to(self.folder).as_posix() not in needed:
                freed += file.stat().st_size
                file.unlink()
        self._drop_empty_folders()
        return freed

    def _data_folders(self) -> Iterator[Path]:
        return (f for f in self.folder.iterdir() if f.is_dir() and not f.name.startswith("_"))

    def _data_files(self) -> Iterator[Path]:
        for folder in self._data_folders():
            yield from (f for f in folder.rglob("*") if f.is_file())

    def _drop_empty_folders(self) -> None:
        for folder in list(self._data_folders()):
            for inner in sorted((d for d in folder.rglob("*") if d.is_dir()), key=lambda d: -len(d.parts)):
                if not any(inner.iterdir()):
                    inner.rmdir()
            if not any(folder.iterdir()):
                folder.rmdir()

    def stages(self, name: str, alive: set[str]) -> int:
        """Removes the stage folders that aren't in `alive`; bytes freed."""
        freed = 0
        for folder in (self.folder / name).glob("*"):
            if folder.name not in alive:
                freed += tree_size(folder)
                shutil.rmtree(folder, ignore_errors=True)
        return freed


def _floor(commits: list[Commit], keep_versions: int | None, keep_days: float | None) -> int:
    """The oldest version to keep: the lower of both limits; the state at the edge of `keep_days` is kept too."""
    latest = len(commits) - 1
    limits = []
    if keep_versions is not None:
        limits.append(max(0, latest + 1 - max(1, keep_versions)))
    if keep_days is not None:
        edge = datetime.fromtimestamp(time.time() - keep_days * 86_400, UTC).isoformat(timespec="milliseconds")
        limits.append(max((c.version for c in commits if c.at <= edge.replace("+00:00", "Z")), default=0))
    return min(limits, default=0)
