"""The lake in a folder of this machine: files are made with fsync and a hard link, and moved by renaming."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from intendant.engines.leases import remove_unread
from intendant.lake.disk import sync_file, sync_folder, tree_size, write_new, write_text
from intendant.lake.names import SCHEMA_FOLDERS, find_folder, table_name
from intendant.lake.store import Bin, Entry, Grace, unfenced
from intendant.lake.trash import Trash

__all__ = ["Local"]

LOG = "_delta_log"


class Local:
    """The store of the lake under `root`. Making one creates nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.readable: tuple[Path, ...] = (root,)
        self.bin: Bin = Trash(root)
        self.grace = Grace()
        self.fence: Callable[[], None] = unfenced

    def shown(self, key: str) -> str:
        return str(self.root / key)

    def check(self) -> str:
        return str(self.root)

    def refresh(self) -> None:
        """Nothing is remembered here."""

    def look(self) -> AbstractContextManager[None]:
        return nullcontext()

    # tables

    def _folders(self) -> Iterator[tuple[str, Path]]:
        for schema in SCHEMA_FOLDERS:
            with suppress(FileNotFoundError):
                yield from ((schema, folder) for folder in sorted((self.root / schema).iterdir()))

    def tables(self) -> list[str]:
        return [table_name(schema, f.name) for schema, f in self._folders() if _has_log(f)]

    def left(self) -> list[str]:
        return [table_name(schema, f.name) for schema, f in self._folders()]

    def home(self, table: str) -> str:
        return find_folder(self.root, table).relative_to(self.root).as_posix()

    def named(self, home: str) -> str:
        schema, _, folder = home.partition("/")
        return table_name(schema, folder)

    def make(self, table: str) -> str:
        return self.home(table)

    def appear(self, table: str, home: str) -> None:
        """A table is seen as soon as it has a version."""

    def alive(self, table: str, home: str, logged: Callable[[], bool]) -> bool:
        return logged()

    def stages(self, table: str) -> Path:
        return self.root / self.home(table) / "_stage"

    # small files

    def entries(self, key: str) -> dict[str, Entry]:
        try:
            with os.scandir(self.root / key) as found:
                return {e.name: Entry((s := e.stat()).st_size, (s.st_ino, s.st_size, s.st_mtime_ns)) for e in found}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def names(self, key: str) -> list[str]:
        try:
            return os.listdir(self.root / key)  # noqa: PTH208 - names alone
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, key: str) -> tuple[str, object] | None:
        text = self.read_all({key: None}).get(key)
        return None if text is None else (text.decode("utf-8"), text)

    def read_all(self, keys: Mapping[str, object]) -> dict[str, bytes]:
        found = {}
        for key in keys:
            with suppress(FileNotFoundError, NotADirectoryError):
                found[key] = (self.root / key).read_bytes()
        return found

    def create(self, key: str, content: str) -> None:
        path = self.root / key
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            for above in list(path.parent.parents)[:3]:
                sync_folder(above)
        write_new(path, content)

    def replace(self, key: str, content: str, seen: object = ...) -> None:
        path = self.root / key  # the table's lock keeps writers of one machine apart: `seen` needs no look
        path.parent.mkdir(exist_ok=True)
        write_text(path, content)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            (self.root / key).unlink(missing_ok=True)

    def aside(self, keys: Sequence[str], folder: str) -> None:
        target = self.root / folder
        target.mkdir()
        for key in keys:
            (self.root / key).rename(target / Path(key).name)
        sync_folder(target)
        sync_folder(target.parent)

    # data files

    def take(self, stage: Path, files: Mapping[str, int], key: str) -> None:
        for base, _, names in os.walk(stage):
            for name in names:
                sync_file(Path(base, name))
            sync_folder(Path(base))
        target = self.root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        stage.rename(target)
        sync_folder(target.parent)

    def _data_folders(self, home: str) -> list[Path]:
        return [f for f in (self.root / home).iterdir() if f.is_dir() and not f.name.startswith("_")]

    def data(self, home: str) -> dict[str, Entry]:
        place = self.root / home
        files = [f for folder in self._data_folders(home) for f in folder.rglob("*") if f.is_file()]
        return {f.relative_to(place).as_posix(): Entry(f.stat().st_size, None) for f in files}

    def lacking(self, home: str, files: Mapping[str, int]) -> str | None:
        place = self.root / home
        for path, size in files.items():
            try:
                if (place / path).stat().st_size != size:
                    return path
            except (FileNotFoundError, NotADirectoryError):
                return path
        return None

    def clear(self, home: str, files: Iterable[str]) -> list[str]:
        gone = remove_unread(self.root / home, files)
        for folder in self._data_folders(home):
            for inner in sorted((d for d in folder.rglob("*") if d.is_dir()), key=lambda d: -len(d.parts)):
                if not any(inner.iterdir()):
                    inner.rmdir()
            if not any(folder.iterdir()):
                folder.rmdir()
        return gone

    def local(self, home: str, files: Mapping[str, int]) -> tuple[str, ...]:
        place = self.root / home
        return tuple(str(place / path) for path in files)

    def held(self, paths: Iterable[str]) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self) -> int:
        return tree_size(self.root)


def _has_log(folder: Path) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder / LOG) as found:
        return any(e.name[:20].isdigit() and e.name[20:] == ".json" for e in found)
    return False
