"""Data files of a lake on object storage, kept on this machine: fetched whole, never changed, dropped when room is needed.

Several processes share a cache. What a query uses is named in a lease, a locked file: the lock ends with its process, and
nothing that a living lease names is dropped. A file is there whole under its name, or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from intendant.errors import Damaged
from intendant.lake.disk import locked, space_guard

__all__ = ["Cache"]

ABREAST = 8
DIGEST = hashlib.sha256().digest_size
STALE = 3600.0
"""Seconds after which a draft is taken for one that a dead process left."""


class Cache:
    """The files below `folder`, at most about `limit` bytes; `fetch(key, file)` gets one. Making one creates nothing.

    When one query needs more than `limit`, all of it is kept as long as the query runs.
    """

    def __init__(self, folder: Path, limit: int, fetch: Callable[[str, Path], int]) -> None:
        self.folder, self.limit, self._fetch = folder, limit, fetch
        self.files, self._leases, self._lock = folder / "files", folder / "leases", folder / "lock"
        self._sizes: dict[str, int] = {}
        self._busy: dict[str, threading.Lock] = {}

    def path(self, key: str, size: int | None = None) -> str:
        """Where a file is, or will be while it is `held`; `size` is what it must have."""
        if size is not None:
            self._sizes[key] = size
        return str(self.files / key)

    @contextmanager
    def held(self, paths: Iterable[str]) -> Iterator[None]:
        """Fetches those of the paths that belong here and aren't there yet, and keeps them while it is open.

        Raises Damaged, DiskFull and what fetching raises.
        """
        start = f"{self.files}{os.sep}"
        keys = sorted({path[len(start) :] for path in paths if path.startswith(start)})
        if not keys:
            yield
            return
        with self._leased(keys):
            self._fill(keys)
            yield

    @contextmanager
    def _leased(self, keys: list[str]) -> Iterator[None]:
        lease, left = self._leases / f"{os.getpid()}-{secrets.token_hex(8)}", json.dumps(keys).encode()
        with ExitStack() as held:
            with space_guard(str(lease)), locked(self._lock):
                self._leases.mkdir(exist_ok=True)
                fd = os.open(lease, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                held.callback(os.close, fd)
                held.callback(lease.unlink, missing_ok=True)
                fcntl.flock(fd, fcntl.LOCK_EX)
                while left:
                    left = left[os.write(fd, left) :]
            yield

    def _fill(self, keys: list[str]) -> None:
        missing = [key for key in keys if not self._there(key)]
        if not missing:
            return
        self.trim(sum(self._sizes.get(key, 0) for key in missing))
        with ThreadPoolExecutor(min(ABREAST, len(missing)), "fetch") as pool:
            list(pool.map(self._fetched, missing))

    def _there(self, key: str) -> bool:
        path = self.files / key
        try:
            whole = self._sizes.get(key) in (None, path.stat().st_size)
            os.utime(path)  # what was used last is dropped last
        except FileNotFoundError:
            return False
        return whole

    def _fetched(self, key: str) -> None:
        with self._busy.setdefault(key, threading.Lock()):
            if self._there(key):
                return
            path = self.files / key
            draft = self.folder / "drafts" / secrets.token_hex(8)
            with space_guard(str(path)):
                draft.parent.mkdir(parents=True, exist_ok=True)
                try:
                    size = self._fetch(key, draft)
                    if size != self._sizes.get(key, size):
                        raise Damaged(
                            "A data file is cut short, or was changed by another",
                            where=key,
                            hint="Restore an earlier version of the table.",
                            bytes=size,
                        )
                    path.parent.mkdir(parents=True, exist_ok=True)
                    draft.replace(path)
                finally:
                    draft.unlink(missing_ok=True)
        self._busy.pop(key, None)

    def adopt(self, file: Path, key: str, size: int) -> None:
        """Takes a local file that was just put there, so that it needn't be fetched; another disk is no matter."""
        path = self.files / key
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, path)
            self._sizes[key] = size

    def keep(self, key: str, content: bytes) -> None:
        """Keeps a small file behind its SHA-256, so that it needn't be asked for; a full disk is no matter."""
        path, draft = self.files / key, self.folder / "drafts" / secrets.token_hex(8)
        with suppress(OSError):
            draft.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(hashlib.sha256(content).digest() + content)
            draft.replace(path)

    def kept(self, key: str) -> bytes | None:
        """A small file, None when it isn't there whole: a power cut leaves less of what was not waited for."""
        with suppress(OSError):
            found = (self.files / key).read_bytes()
            if found[:DIGEST] == hashlib.sha256(found[DIGEST:]).digest():
                return found[DIGEST:]
        return None

    # room

    def size(self) -> int:
        """Bytes of all files in it."""
        return sum(size for _, size, _ in self._listed())

    def _listed(self) -> Iterator[tuple[float, int, Path]]:
        """(when it was used, bytes, path) of each file."""
        for base, _, names in os.walk(self.files):
            for name in names:
                with suppress(FileNotFoundError):
                    stat = Path(base, name).stat()
                    yield stat.st_mtime, stat.st_size, Path(base, name)

    def trim(self, room: int = 0) -> int:
        """Drops what was used longest ago and no lease names, until `room` bytes more fit; the bytes dropped."""
        with locked(self._lock):
            self._sweep_drafts()
            held, dropped = self._named(), 0
            files = sorted(self._listed())
            over = sum(size for _, size, _ in files) + room - self.limit
            for _, size, path in files:
                if dropped >= over:
                    break
                if path.relative_to(self.files).as_posix() not in held:
                    path.unlink(missing_ok=True)
                    dropped += size
            return max(dropped, 0)

    def _named(self) -> set[str]:
        """The keys that living leases name; those of dead processes go."""
        held: set[str] = set()
        with suppress(FileNotFoundError):
            for lease in self._leases.iterdir():
                with suppress(FileNotFoundError), lease.open("rb") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                        lease.unlink(missing_ok=True)
                    except BlockingIOError:
                        held.update(json.loads(file.read()))
        return held

    def _sweep_drafts(self) -> None:
        for draft in (self.folder / "drafts").glob("*"):
            with suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > STALE:
                    draft.unlink()

    def forget(self, prefix: str) -> None:
        """Drops everything below a key."""
        shutil.rmtree(self.files / prefix, ignore_errors=True)

    def expected(self, sizes: Mapping[str, int]) -> None:
        """What files must have, by key."""
        self._sizes.update(sizes)
