"""The lake on S3-compatible storage: the same Delta tables below `s3://bucket/prefix`, written with conditional puts.

Data files go up first, in parallel and checked; then one log entry is put where there is none yet. A file that was read or
written is kept in a local cache. Nothing here relies on a lock: what two machines may both change is changed under a
condition that the storage itself holds to, and storage that doesn't is refused.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from intendant.errors import Conflict, Damaged, LakeError, StorageRefused, StorageUnreachable
from intendant.lake.cache import Cache
from intendant.lake.names import SCHEMA_FOLDERS, encode, table_name
from intendant.lake.probe import probed
from intendant.lake.register import Register
from intendant.lake.store import Bin, Entry, Grace, unfenced
from intendant.objects.bucket import Bucket, Object
from intendant.objects.failure import Failure
from intendant.types import split_table

__all__ = ["Remote"]

T = TypeVar("T")
ABREAST = 8
RECHECK = 60.0
"""Seconds for which data files that were found whole are taken to be so: they never change, and are compared when fetched."""
SIZE_HOLDS = 300.0
"""Seconds for which the size of the whole lake, which needs a list of all objects, is remembered."""


class Look(threading.local):
    """What one thread has listed and read in one look."""

    def __init__(self) -> None:
        self.depth = 0
        self.known: dict[tuple[str, str], Any] = {}


class Remote:
    """The store below `prefix` of a bucket. `root` is local: stages and locks; `cache` holds copies of data files."""

    def __init__(self, bucket: Bucket, prefix: str, root: Path, cache: Path, limit: int) -> None:
        self.bucket, self.prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.root = root
        mark = hashlib.sha256(f"{bucket.access.host} {bucket.name} {self.prefix}".encode()).hexdigest()[:12]
        self.cache = Cache(cache / mark, limit, self._fetch)
        self.readable: tuple[Path, ...] = (root, self.cache.files)
        self.register = Register(self)
        self.bin: Bin = self.register
        self.fence: Callable[[], None] = unfenced
        self.grace = Grace(orphans=24 * 3600.0, readers=15 * 60.0)
        self.recheck = RECHECK
        self._look = Look()
        self._whole: dict[str, float] = {}
        self._size: tuple[float, int] = (-SIZE_HOLDS, 0)
        self._probed = False

    def shown(self, key: str) -> str:
        return f"s3://{self.bucket.name}/{self.prefix}{key}"

    def refresh(self) -> None:
        self.register.refresh()
        self._look.known.clear()

    # one look

    @contextmanager
    def look(self) -> Iterator[None]:
        self._look.depth += 1
        try:
            yield
        finally:
            self._look.depth -= 1
            if not self._look.depth:
                self._look.known.clear()

    def _once(self, what: str, key: str, ask: Callable[[], T]) -> T:
        if not self._look.depth:
            return ask()
        if (what, key) not in self._look.known:
            self._look.known[what, key] = ask()
        known: T = self._look.known[what, key]
        return known

    @contextmanager
    def _asking(self, key: str, *, writing: bool = False) -> Iterator[None]:
        """Failures inside as errors of the lake; what was seen in this look is forgotten when something is written."""
        if writing:
            self._look.known.clear()
        try:
            yield
        except Failure as failure:
            raise self._error(failure, key) from failure

    def _error(self, failure: Failure, key: str) -> LakeError:
        where = self.shown(key)
        if failure.kind == "missing":
            return Damaged(
                "A file of the lake is missing", where=where, hint="Restore an earlier version of the table."
            )
        if failure.kind in ("refused", "unable"):
            return StorageRefused(failure.message, where=where, hint=failure.hint)
        if failure.kind == "taken":
            return Conflict("Another writer changed the file first", where=where, hint="Run it again.")
        return StorageUnreachable(failure.message, where=where, hint=failure.hint)

    def check(self) -> str:
        """Asks the storage, and tries whether it holds to conditions. Raises StorageUnreachable, StorageRefused."""
        with self._asking(""):
            probed(self.bucket, self.prefix)
        return (
            f"{self.shown('')}: reachable, conditional writes work; the cache holds {self.cache.size() / 1e9:.3f} of "
            f"{self.cache.limit / 1e9:g} GB"
        )

    def _ready(self) -> None:
        """Finds out, once for this folder, that the storage holds to conditions."""
        done = self.cache.folder / "conditional"
        if not self._probed and not done.exists():
            self.check()
            with suppress(OSError):
                done.parent.mkdir(parents=True, exist_ok=True)
                done.touch()
        self._probed = True

    # tables

    def tables(self) -> list[str]:
        return list(self.register.tables())

    def left(self) -> list[str]:
        found = {t.casefold(): t for t in self.register.tables()}
        for schema in SCHEMA_FOLDERS:
            with suppress(FileNotFoundError):
                for folder in (self.root / schema).iterdir():
                    name = table_name(schema, folder.name)
                    found.setdefault(name.casefold(), name)
        return sorted(found.values())

    def home(self, table: str) -> str:
        entry = self.register.find(table)
        return entry["home"] if entry else self.register.next_home(table)

    def named(self, home: str) -> str:
        schema, _, folder = home.partition("/")
        return table_name(schema, folder.partition("~")[0])

    def make(self, table: str) -> str:
        self._ready()
        return self.register.make(table)

    def appear(self, table: str, home: str) -> None:
        self.register.appear(table, home)

    def alive(self, table: str, home: str, logged: Callable[[], bool]) -> bool:
        entry = self.register.find(table)
        return entry is not None and entry["home"] == home and (entry["seen"] or logged())

    def logged(self, home: str) -> bool:
        return f"{0:020}.json" in self._listed(f"{home}/_delta_log", False)

    def begun(self) -> bool:
        def ask() -> bool:
            with self._asking(""):
                return any("/_delta_log/" in o.key for o in islice(self.bucket.listed(self.prefix), 1000))

        return self._once("begun", "", ask)

    def stages(self, table: str) -> Path:
        schema, name = split_table(table)
        return self.root / schema / encode(name) / "_stage"

    # small files

    def _listed(self, key: str, deep: bool) -> dict[str, Object]:
        start = f"{self.prefix}{key}/"

        def ask() -> dict[str, Object]:
            with self._asking(key):
                return {o.key.removeprefix(start): o for o in self.bucket.listed(start, deep=deep)}

        return self._once(f"list {deep}", key, ask)

    def entries(self, key: str) -> dict[str, Entry]:
        return {name: Entry(o.bytes, o.etag, o.age) for name, o in self._listed(key, False).items()}

    def names(self, key: str) -> list[str]:
        return list(self._listed(key, False))

    def read(self, key: str) -> tuple[str, object] | None:
        def ask() -> tuple[str, object] | None:
            got = self._got(key)
            return None if got is None else (got[0].decode("utf-8"), got[1])

        return self._once("read", key, ask)

    def _got(self, key: str) -> tuple[bytes, str] | None:
        """An object's content and mark; None when it isn't there."""
        with self._asking(key):
            try:
                return self.bucket.get(self.prefix + key)
            except Failure as failure:
                if failure.kind == "missing":
                    return None
                raise

    def read_all(self, keys: Mapping[str, object]) -> dict[str, bytes]:
        found = {
            key: content for key, etag in keys.items() if (content := self.cache.kept(_marked(key, etag))) is not None
        }
        new = [key for key in keys if key not in found]
        if len(new) > 1:
            with ThreadPoolExecutor(ABREAST, "read") as pool:
                got = list(pool.map(self._read, new))
        else:
            got = [self._read(key) for key in new]
        return found | {key: content for key, content in zip(new, got, strict=True) if content is not None}

    def _read(self, key: str) -> bytes | None:
        got = self._got(key)
        if got is None:
            return None
        self.cache.keep(_marked(key, got[1]), got[0])
        return got[0]

    def create(self, key: str, content: str) -> None:
        self._ready()
        with self._asking(key, writing=True):
            try:
                etag = self.bucket.put(self.prefix + key, content.encode(), absent=True)
            except Failure as failure:
                if failure.kind == "taken":
                    raise FileExistsError(self.shown(key)) from failure
                raise
        self.cache.keep(_marked(key, etag), content.encode())

    def replace(self, key: str, content: str, seen: object = ...) -> None:
        self._ready()
        with self._asking(key, writing=True):
            self.bucket.put(
                self.prefix + key, content.encode(), absent=seen is None, etag=seen if isinstance(seen, str) else ""
            )

    def delete(self, keys: Iterable[str]) -> None:
        with self._asking("", writing=True):
            self.bucket.delete([self.prefix + key for key in keys])

    def aside(self, keys: Sequence[str], folder: str) -> None:
        for key in keys:
            with self._asking(key, writing=True):
                content, _ = self.bucket.get(self.prefix + key)
                self.bucket.put(f"{self.prefix}{folder}/{key.rpartition('/')[2]}", content)
                self.bucket.delete([self.prefix + key])

    # data files

    def take(self, stage: Path, files: Mapping[str, int], key: str) -> None:
        def put(path: str) -> None:
            with self._asking(f"{key}/{path}", writing=True):
                self.bucket.upload(stage / path, f"{self.prefix}{key}/{path}", files[path])
            self.cache.adopt(stage / path, f"{key}/{path}", files[path])

        self._look.known.clear()
        pool = ThreadPoolExecutor(ABREAST, "put")
        try:
            for done in [pool.submit(put, path) for path in files]:
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            with suppress(Failure):  # what stays is removed by a vacuum
                self.bucket.delete([f"{self.prefix}{key}/{path}" for path in files])
            raise
        pool.shutdown()
        home, _, folder = key.rpartition("/")
        self._whole.update((f"{home}/{folder}/{path}", time.monotonic()) for path in files)
        self._size = (self._size[0], self._size[1] + sum(files.values()))
        shutil.rmtree(stage, ignore_errors=True)
        self.cache.trim()

    def data(self, home: str) -> dict[str, Entry]:
        return {
            path: Entry(o.bytes, o.etag, o.age)
            for path, o in self._listed(home, True).items()
            if not path.startswith("_") and "/" in path
        }

    def lacking(self, home: str, files: Mapping[str, int]) -> str | None:
        now = time.monotonic()
        new = {
            p: size for p, size in files.items() if now - self._whole.get(f"{home}/{p}", -self.recheck) >= self.recheck
        }
        if not new:
            return None
        there = self._listed(home, True)
        broken = next((p for p, size in new.items() if p not in there or there[p].bytes != size), None)
        if broken is None:
            self._whole.update((f"{home}/{p}", now) for p in new)
        return broken

    def clear(self, home: str, files: Iterable[str]) -> list[str]:
        gone = list(files)
        self.delete(f"{home}/{path}" for path in gone)
        return gone

    def local(self, home: str, files: Mapping[str, int]) -> tuple[str, ...]:
        return tuple(self.cache.path(f"{home}/{path}", size) for path, size in files.items())

    def held(self, paths: Iterable[str]) -> AbstractContextManager[None]:
        return self.cache.held(paths)

    def _fetch(self, key: str, into: Path) -> int:
        with self._asking(key):
            return self.bucket.download(self.prefix + key, into)

    # all of it

    def size(self) -> int:
        """At most five minutes old, also in another process of this folder; stages aren't counted."""
        note = self.cache.folder / "size"
        if time.monotonic() - self._size[0] >= SIZE_HOLDS:
            with suppress(OSError, ValueError):
                if 0 <= (age := time.time() - note.stat().st_mtime) < SIZE_HOLDS:
                    self._size = (time.monotonic() - age, int(note.read_text()))
                    return self._size[1]
            with self._asking(""):
                self._size = (time.monotonic(), sum(o.bytes for o in self.bucket.listed(self.prefix)))
            self._note_size()
        return self._size[1]

    def _note_size(self) -> None:
        with suppress(OSError):
            self.cache.folder.mkdir(parents=True, exist_ok=True)
            (self.cache.folder / "size").write_text(str(self._size[1]))

    def bytes_below(self, home: str) -> int:
        return sum(o.bytes for o in self._listed(home, True).values())

    def purge(self, home: str) -> None:
        self.delete([f"{home}/{path}" for path in self._listed(home, True)])
        self.cache.forget(home)
        self._size = (-SIZE_HOLDS, 0)
        (self.cache.folder / "size").unlink(missing_ok=True)


def _marked(key: str, etag: object) -> str:
    return f"{key}@{str(etag).strip(chr(34))}"
