"""Files that aren't on this machine: which there are below an address, and their bytes in a local folder."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from intendant.errors import PathRefused, WorkspaceError
from intendant.objects.addresses import Address
from intendant.sources.base import Notify
from intendant.sources.wire.objects import Objects
from intendant.sources.wire.spool import spooled
from intendant.sources.wire.web import Web
from intendant.types import Json

__all__ = ["Remote", "is_remote", "name_of"]

SCHEMES = ("http://", "https://", "s3://")


def is_remote(path: str) -> bool:
    return "://" in path


def name_of(file: str) -> str:
    """The last part of a path or an address, without a query, which may be secret."""
    if file.startswith("s3://"):
        return posixpath.basename(file)
    return unquote(posixpath.basename(urlsplit(file).path)) if is_remote(file) else Path(file).name


class Remote:
    """What one source's settings say of files elsewhere. The constructor contacts nobody; WorkspaceError for bad settings."""

    def __init__(self, config: Mapping[str, Json], where: str) -> None:
        self.config, self.where = config, where
        self._objects: Objects | None = None
        self._web: Web | None = None
        self._sizes: dict[str, int] = {}
        self.check(str(config.get("path") or ""))

    def check(self, path: str) -> None:
        """Raises WorkspaceError for an address of an unknown kind."""
        if is_remote(path) and not path.startswith(SCHEMES):
            raise WorkspaceError(f"{path.partition('://')[0]!r} is no kind of address that files are read from", where=self.where,
                                 hint=f"Use one of {', '.join(SCHEMES)}, or a folder.")
        if path.startswith("s3://"):
            Address.of(path, self.where)

    @property
    def objects(self) -> Objects:
        """The storage; WorkspaceError when its keys are missing."""
        if self._objects is None:
            self._objects = Objects(self.config, self.where)
        return self._objects

    def matching(self, path: str, notify: Notify) -> list[str]:
        """Addresses of the files that an address names. Raises SourceError, WorkspaceError."""
        self.check(path)
        if not path.startswith("s3://"):
            return [path]
        address = Address.of(path, self.where)
        listed = self.objects.listed(address, notify)
        files = {str(Address(address.bucket, one.key)): one.bytes for one in listed}
        self._sizes.update(files)
        return list(files)

    def within(self, base: str, path: str) -> str:
        """The address of a resource's `path` below the source's. Raises PathRefused for one that leads out."""
        if base.startswith("s3://"):
            address = Address.of(base, self.where)
            if path.startswith("/") or any(part in (".", "..") for part in path.split("/")):
                raise PathRefused(f"{path!r} leads out of the source's folder", where=base, hint="Write a path below it.")
            return f"s3://{address.bucket}/{address.folder}{path}"
        joined, folder = urljoin(base, path), urljoin(base, ".")
        if not joined.startswith(folder):
            raise PathRefused(f"{path!r} leads out of the source's folder", where=self.where, hint="Write a path below it.")
        return joined

    def local(self, files: Sequence[str], notify: Notify) -> Iterator[list[str]]:
        """The files fetched, as groups of local paths; each group is gone once the next is asked for."""
        return spooled(files, self._sizes, self._fetch(notify), name_of)

    def put(self, file: Path, target: str, notify: Notify) -> None:
        """Puts a local file as the object `target`. Raises SourceError, WorkspaceError."""
        self.objects.put(file, Address.of(target, self.where), notify)

    def _fetch(self, notify: Notify) -> Callable[[str, Path], None]:
        def fetch(file: str, into: Path) -> None:
            if file.startswith("s3://"):
                bucket, _, key = file.removeprefix("s3://").partition("/")
                self.objects.fetch(Address(bucket, key), into, notify)
                return
            if self._web is None:
                self._web = Web(self.config, self.where)
            self._web.fetch(file, into, notify)

        return fetch
