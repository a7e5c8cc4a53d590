"""Who reads which files: a reader holds a shared lock on the folders it reads from, so that a cleaner leaves them alone.

The locks are the operating system's, on the folders themselves: they hold between processes, and end with their holder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

__all__ = ["reading", "remove_unread", "unread"]

MOST_FOLDERS = 64
"""A reader of more folders locks those above them instead, so that it needs few file handles."""
LEVELS = 2
"""A table's folder holds one folder for each publish, and that one for each partition."""


@contextmanager
def reading(files: Iterable[str]) -> Iterator[None]:
    """Holds the folders of `files` (absolute paths) for reading, as long as the block lasts; a folder that isn't there, or
    isn't on this machine, is passed over.
    """
    folders = {os.path.dirname(f) for f in files if "://" not in f}  # noqa: PTH120 (paths by the thousand)
    for _ in range(LEVELS):
        if len(folders) > MOST_FOLDERS:
            folders = {os.path.dirname(f) for f in folders}  # noqa: PTH120
    handles: list[int] = []
    try:
        for folder in sorted(folders):
            with suppress(FileNotFoundError, NotADirectoryError):
                handles.append(_locked(folder, fcntl.LOCK_SH))
        yield
    finally:
        for handle in handles:
            os.close(handle)


@contextmanager
def unread(folder: Path) -> Iterator[bool]:
    """Whether nobody reads from `folder`; if so, nobody begins to while the block lasts."""
    try:
        handle = _locked(str(folder), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def remove_unread(home: Path, files: Iterable[str]) -> list[str]:
    """Deletes those of the files (paths below `home`) that nobody reads at this moment; the deleted ones."""
    by_folder: dict[Path, list[str]] = {}
    for path in files:
        by_folder.setdefault((home / path).parent, []).append(path)
    gone: list[str] = []
    for folder, paths in by_folder.items():
        above = [f for f in folder.parents if f.is_relative_to(home)]
        with ExitStack() as held:
            if all(held.enter_context(unread(f)) for f in (folder, *above)):
                for path in paths:
                    (home / path).unlink()
                    gone.append(path)
    return gone


def _locked(folder: str, how: int) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how)
    except BaseException:
        os.close(handle)
        raise
    return handle
