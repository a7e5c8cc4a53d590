"""Files from elsewhere, fetched into a folder for as long as they are read: some at a time, so that space stays bounded."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from intendant.errors import SourceTooLarge

__all__ = ["spooled"]

THREADS = 8
MOST_FILES = 64
MOST_BYTES = 64 << 20
SPARE_BYTES = 64 << 20


def spooled(files: Sequence[str], sizes: Mapping[str, int], fetch: Callable[[str, Path], None], name: Callable[[str], str],
            ) -> Iterator[list[str]]:
    """Paths of fetched files, in order, one group after the other; a group is gone once the next is asked for.

    The first group is one file, so that a look costs no more; a later one ends at 64 files or 64 MB, by `sizes` where they
    are known. `name(file)` is what its local file is named like. Raises SourceTooLarge when the disk has no room, and what
    `fetch(file, path)` raises.
    """
    for group in _groups(files, sizes):
        with tempfile.TemporaryDirectory(prefix="intendant-files-") as folder, ThreadPoolExecutor(THREADS) as pool:
            needed = sum(sizes.get(file, 0) for file in group)
            if shutil.disk_usage(folder).free < needed + SPARE_BYTES:
                raise SourceTooLarge(f"There is no room for {needed} bytes of {len(group)} files", where=tempfile.gettempdir(),
                                     hint="Free some space there, or set TMPDIR to a larger disk.")
            paths = [Path(folder) / f"{i:06d}" / _plain(name(file)) for i, file in enumerate(group)]
            for path in paths:
                path.parent.mkdir()
            list(pool.map(fetch, group, paths))
            yield [str(path) for path in paths]


def _groups(files: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    held: list[str] = []
    size = 0
    for number, file in enumerate(files):
        held.append(file)
        size += sizes.get(file, 0)
        if number == 0 or len(held) >= MOST_FILES or size >= MOST_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _plain(name: str) -> str:
    """A file name without what a path or a glob could take for more."""
    return re.sub(r"[^\w.\- ]", "_", name).lstrip(".")[-120:] or "file"
