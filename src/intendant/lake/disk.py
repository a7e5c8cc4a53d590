"""Bytes that survive a power cut: atomic writes, fsync, a lock between processes, and "disk full" as one error."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intendant.errors import DiskFull
from intendant.types import Json

__all__ = ["disk_full", "locked", "space_guard", "sync_file", "sync_folder", "touched", "tree_size", "write_json",
           "write_new", "write_text"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_full(where: str) -> DiskFull:
    """The error for "no space left" while writing `where`."""
    return DiskFull("No space is left on the disk", where=where,
                    hint="Free some space, or run vacuum on large tables, then run it again; the table is unchanged.")


@contextmanager
def space_guard(where: str) -> Iterator[None]:
    """Turns ENOSPC, EDQUOT and EFBIG raised inside into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(where) from error
        raise


def sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


sync_folder = sync_file


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def write_new(path: Path, text: str) -> None:
    """Writes a file that isn't there yet, whole and durable or not at all. Raises FileExistsError, DiskFull."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with space_guard(str(path)):
            _write(temporary, text)
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json(path: Path, document: Json) -> None:
    """Replaces a JSON file, whole and durable or not at all. Raises DiskFull."""
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Replaces a file, whole and durable or not at all. Raises DiskFull."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with space_guard(str(path)):
            _write(temporary, text)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the exclusive lock named by `path`; waits for it. The kernel frees it when its holder dies."""
    with space_guard(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def tree_size(folder: Path) -> int:
    """Bytes of all files under `folder`; files that vanish meanwhile count nothing."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(base, name).stat().st_size
    return total


def touched(folder: Path) -> float:
    """When something under `folder` was last written, in seconds of the clock; files that vanish meanwhile count nothing."""
    newest = 0.0
    for base, _, names in os.walk(folder):
        for name in (".", *names):
            with suppress(FileNotFoundError):
                newest = max(newest, Path(base, name).stat().st_mtime)
    return newest
