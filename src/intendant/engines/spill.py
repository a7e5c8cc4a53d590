"""Where an engine's temporary files lie: a folder of its own, since two engines in one folder overwrite each other's.

The owner holds a lock on a file beside its folder, which ends with its process: what a killed one left, the next one removes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
import weakref
from contextlib import suppress
from pathlib import Path

__all__ = ["Spill"]

LOCK = ".lock"


class Spill:
    """Folders below `root` for the engines of one owner; nothing is written before the first one is asked for.

    They are removed by `close`, or when the owner is gone from memory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._own: Path | None = None
        self._end: weakref.finalize[..., Spill] | None = None
        self._number = 0
        self._lock = threading.Lock()

    def folder(self) -> Path:
        """A folder for one engine, not made yet; without the right to write at `root` none can be made there, nor is it."""
        with self._lock:
            if self._own is None:
                with suppress(OSError):
                    self.root.mkdir(parents=True, exist_ok=True)
                    self._sweep()
                    self._hold()
            self._number += 1
            return (self._own or self.root / f"unheld-{secrets.token_hex(6)}") / str(self._number)

    def close(self) -> None:
        """Removes all of this owner's temporary files."""
        with self._lock:
            if self._end is not None:
                self._end()
            self._end = self._own = None

    def _hold(self) -> None:
        while True:
            folder = self.root / secrets.token_hex(8)
            lock = folder.with_name(folder.name + LOCK)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if lock.exists():  # no other one has swept it before it was held
                folder.mkdir()
                self._own, self._end = folder, weakref.finalize(self, _release, folder, handle)
                return
            os.close(handle)

    def _sweep(self) -> None:
        """Removes the folders whose owner is gone."""
        for lock in self.root.glob(f"*{LOCK}"):
            with suppress(OSError):
                handle = os.open(lock, os.O_RDWR)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(lock.with_suffix(""))
                finally:
                    os.close(handle)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + LOCK).unlink(missing_ok=True)


def _release(folder: Path, handle: int) -> None:
    _remove(folder)
    os.close(handle)
