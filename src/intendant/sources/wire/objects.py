"""Objects on S3-compatible storage: listed, fetched whole into a local file, and put whole.

An object is one version from its first byte to its last: one that changes while it is fetched is fetched again. Every
request is tried again on overload, 5xx and broken connections; no error shows a key or a token.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs

from intendant.errors import (
    SourceDamaged,
    SourceError,
    SourceOverloaded,
    SourceRefused,
    SourceTooLarge,
    SourceUnreachable,
)
from intendant.objects.access import CREDENTIALS, Access
from intendant.objects.addresses import ODD, Address, pattern_of
from intendant.sources.base import Notify
from intendant.sources.wire.retry import Retry, told_again
from intendant.types import Json

__all__ = ["Found", "Objects"]

T = TypeVar("T")
CHUNK = 1 << 20
ONE_PUT = 4 << 20
"""Bytes below which an object is put by one request; larger ones go in parts, and are copied once they are whole."""
MOST_OBJECTS = 100_000
TYPES = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/x-ndjson",
         ".parquet": "application/vnd.apache.parquet"}
OVERLOADED = ("SLOW_DOWN", "THROTTLING", "HTTP status 503", "HTTP status 429", "SERVICE_UNAVAILABLE", "REQUEST_TIMEOUT",
              "SlowDown", "TooManyRequests")
UNREACHABLE = ("NETWORK_CONNECTION", "INTERNAL_FAILURE", "HTTP status 5", "curlCode", "timed out", "Timeout")
REFUSALS = (
    (("NO_SUCH_BUCKET",), "There is no bucket {bucket!r}", "Check path in intendant.toml, and endpoint and region."),
    (("INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "InvalidAccessKeyId"), "The access key is not known there",
     "Check access_key, and that it belongs to this endpoint."),
    (("SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE"), "The secret key doesn't fit the access key", "Check secret_key."),
    (("ExpiredToken", "TokenRefreshRequired", "InvalidToken"), "The session token has expired", "Get a new session_token."),
    (("REQUEST_TIME_TOO_SKEWED", "REQUEST_EXPIRED"), "This machine's clock is wrong", "Set the clock; requests are signed with it."),
    (("HTTP status 301", "HTTP status 307", "PermanentRedirect", "AuthorizationHeaderMalformed"),
     "The bucket {bucket!r} is in another region", "Set region to the bucket's."),
    (("ACCESS_DENIED", "HTTP status 403", "HTTP status 401"), "Access to the bucket {bucket!r} is denied",
     "Check the keys, and that they may list, read and, for exports, write there."),
)


@dataclass(frozen=True)
class Found:
    """An object as it was listed; `changed` is its time of modification, in ISO 8601 or ""."""

    key: str
    bytes: int
    changed: str


class Objects:
    """The objects that one source's settings give access to. The constructor contacts nobody.

    `Access.of` says which settings and variables are used.
    """

    def __init__(self, config: Mapping[str, Json], where: str) -> None:
        """Raises WorkspaceError for keys that are missing or an endpoint that is none."""
        self.where = where
        self._retry = Retry.from_config(config.get("retries") or {}, where)
        access = Access.of(config, where)
        self._secrets = access.secrets
        self._fs = fs.S3FileSystem(
            **_options(access), allow_delayed_open=True, background_writes=False, connect_timeout=10.0, request_timeout=60.0,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1))

    def listed(self, address: Address, notify: Notify) -> list[Found]:
        """The objects below the address' folder that its key, read as a glob, names; in order of their keys.

        A key that ends in "/" (or is empty) names all objects below. Raises SourceError.
        """
        base = f"{address.bucket}/{address.folder}".rstrip("/")
        deep = "**" in address.key or address.key in ("", address.folder) or "/" in address.key[len(address.folder):]
        infos = self._tried(lambda: self._infos(fs.FileSelector(base, recursive=deep)), address, notify)
        wanted = re.compile(pattern_of(address.key)) if address.key not in ("", address.folder) else None
        found = []
        for info in infos:
            key = info.path.removeprefix(f"{address.bucket}/")
            if info.type == fs.FileType.File and (wanted is None or wanted.fullmatch(key)) and not _is_marker(info):
                found.append(Found(key, info.size, info.mtime.isoformat() if info.mtime else ""))
        if len(found) > MOST_OBJECTS:
            raise SourceTooLarge(f"{len(found)} objects are more than {MOST_OBJECTS} for one source", where=str(address),
                                 hint="Name fewer in path.")
        return sorted(found, key=lambda one: one.key)

    def _infos(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        try:
            found: list[fs.FileInfo] = self._fs.get_file_info(selector)
        except FileNotFoundError:  # an empty folder; a bucket that isn't there is another error
            return []
        return found

    def fetch(self, address: Address, into: Path, notify: Notify) -> None:
        """Writes one version of an object to the file `into`. Raises SourceError; `into` may then hold a part."""
        if any(part in ODD for part in address.key.split("/")):
            raise SourceRefused("The object's name has an empty part, '.' or '..', which can't be read safely",
                                where=str(address), hint="Rename the object, or name others in path.")
        self._tried(lambda: self._fetched(address, into), address, notify)

    def _fetched(self, address: Address, into: Path) -> None:
        path = f"{address.bucket}/{address.key}"
        digest = hashlib.md5(usedforsecurity=False)
        with self._fs.open_input_stream(path, compression=None) as stream, into.open("wb") as out:
            before = stream.metadata()
            while chunk := stream.read(8 * CHUNK):
                out.write(chunk)
                digest.update(chunk)
        if _text(before, "ETag").strip('"') == digest.hexdigest():  # an object put at once, not encrypted by a key of its own
            return
        with self._fs.open_input_stream(path, compression=None) as stream:
            after = stream.metadata()
        if _version(before) != _version(after) or str(into.stat().st_size) != _text(after, "Content-Length"):
            raise SourceDamaged("The object changed while it was read", where=str(address),
                                hint="Write a new object for new data, or run it again when nobody writes.")

    def put(self, file: Path, address: Address, notify: Notify) -> None:
        """Puts a file as one object: readers see the old one or the new one whole. Raises SourceError."""
        self._tried(lambda: self._put(file, address), address, notify)

    def _put(self, file: Path, address: Address) -> None:
        path, size = f"{address.bucket}/{address.key}", file.stat().st_size
        if size < ONE_PUT:
            self._written(file, path)
            return
        draft = f"{path}.{secrets.token_hex(6)}.part"  # parts that break off could be joined to half an object
        try:
            self._written(file, draft)
            there = self._fs.get_file_info(draft)
            if there.size != size:
                raise SourceDamaged(f"The object has {there.size} bytes after {size} were put", where=str(address))
            self._fs.copy_file(draft, path)
        finally:
            with suppress(OSError):
                self._fs.delete_file(draft)

    def _written(self, file: Path, path: str) -> None:
        kind = TYPES.get(file.suffix.lower(), "application/octet-stream")
        with file.open("rb") as data:
            out = self._fs.open_output_stream(path, compression=None, metadata={"Content-Type": kind})
            while chunk := data.read(4 * CHUNK):
                out.write(chunk)
            out.close()

    def _tried(self, act: Callable[[], T], address: Address, notify: Notify) -> T:
        def once() -> T:
            try:
                return act()
            except (OSError, pa.ArrowException) as error:
                raise self._error(error, address) from None

        return self._retry.call(once, partial(told_again, notify))

    def _error(self, error: Exception, address: Address) -> SourceError:
        text, where = self._brief(error), str(address)
        if any(mark in text for mark in OVERLOADED):
            return SourceOverloaded(f"The storage asks to slow down: {text}", where=where,
                                    hint="Try later, or lower limits.rows_per_second.")
        for marks, message, hint in REFUSALS:
            if any(mark in text for mark in marks):
                return SourceRefused(message.format(bucket=address.bucket), where=where, hint=hint)
        if isinstance(error, FileNotFoundError):
            return SourceRefused("The object is not there (any more)", where=where,
                                 hint="If it was listed a moment ago, it was deleted since; run it again.")
        if any(mark in text for mark in UNREACHABLE):
            return SourceUnreachable(f"The storage is not reachable: {text}", where=where,
                                     hint="Check endpoint, and that it runs.")
        if "No space left" in text:
            return SourceTooLarge("There is no space left to hold the object", where=where, hint="Free some space in the "
                                  "folder for temporary files, or set TMPDIR to another.")
        return SourceDamaged(f"The storage answered with an error: {text}", where=where)

    def _brief(self, error: Exception) -> str:
        text = re.sub(r"\s*\(Request ID:[^)]*\)", "", " ".join(str(error).split()))
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:300]


def _options(access: Access) -> dict[str, Json]:
    keys = {name: value for name in CREDENTIALS if (value := getattr(access, name))} or {"anonymous": True}
    place = {"endpoint_override": access.host, "scheme": access.scheme} if access.host else {}
    return {**keys, **place, "region": access.region}


def _is_marker(info: fs.FileInfo) -> bool:
    return bool(info.size == 0 and info.path.endswith("/"))


def _version(metadata: Mapping[str, bytes]) -> tuple[str, ...]:
    return tuple(_text(metadata, name) for name in ("ETag", "Last-Modified", "Content-Length"))


def _text(metadata: Mapping[str, bytes], name: str) -> str:
    value = metadata.get(name, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
