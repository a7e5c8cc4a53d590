"""Addresses of objects on S3-compatible storage, and the globs in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from intendant.errors import WorkspaceError

__all__ = ["ODD", "Address", "as_folder", "covers", "pattern_of"]

ODD = ("", ".", "..")
"""Parts of a name that a path would take for something else."""
BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Address:
    """`s3://bucket/key`; the key may hold a glob."""

    bucket: str
    key: str

    @classmethod
    def of(cls, url: str, where: str) -> Address:
        """Raises WorkspaceError for a text that is no such address."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not url.startswith("s3://") or not BUCKET.fullmatch(bucket) or any(ord(c) < 32 for c in key):
            raise WorkspaceError(f"{url!r} is no address of an object", where=where, hint='Write "s3://bucket/folder/*.csv".')
        if any(part in ODD for part in key.rstrip("/").split("/") if key):
            raise WorkspaceError(f"{url!r} has an empty part, '.' or '..'", where=where, hint="Write the path without them.")
        return cls(bucket, key)

    @property
    def folder(self) -> str:
        """The key up to the last "/" before any glob; "" or ending in "/"."""
        plain = GLOB.split(self.key, maxsplit=1)[0]
        return plain[:plain.rfind("/") + 1]

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def as_folder(url: str) -> str:
    """The address of a folder with its "/": one whose last part has neither a glob nor an ending is taken for a folder."""
    last = url.rpartition("/")[2]
    bucket_alone = url.count("/") == 2
    folder = url.startswith("s3://") and last and not GLOB.search(last) and (bucket_alone or "." not in last)
    return f"{url}/" if folder else url


def covers(base: str, target: str, where: str = "") -> bool:
    """Whether the object `target` lies below the folder of the source's path `base`. Raises WorkspaceError."""
    one, other = Address.of(as_folder(base), where), Address.of(target, where)
    return one.bucket == other.bucket and other.key.startswith(one.folder)


def pattern_of(glob: str) -> str:
    """A regular expression for a glob: `*` and `?` stay within a folder, `**` goes over any number of them."""
    return "".join(_piece(piece) for piece in _pieces(glob))


def _pieces(glob: str) -> Iterator[str]:
    yield from re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", glob, re.DOTALL)


def _piece(piece: str) -> str:
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if piece in special:
        return special[piece]
    if len(piece) > 2 and piece[0] == "[":
        inner = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"[{'^' + inner[1:] if inner[0] == '!' else inner.replace('^', chr(92) + '^')}]"
    return re.escape(piece)
