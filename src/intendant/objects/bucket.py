"""One bucket: every request is signed, checked and, where that may help, tried again.

What goes up carries its MD5, what comes down is compared with the ETag where that is one; a large file goes up in parts that
become an object all at once. A conditional put whose answer was lost is told from another writer's by its content.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import escape, unescape
from pathlib import Path
from typing import TypeVar

import httpx

from intendant.objects.access import Access
from intendant.objects.failure import Failure, failure_of
from intendant.objects.signing import encoded, query_text, signed

__all__ = ["Bucket", "Object", "Pauses"]

T = TypeVar("T")
CHUNK = 1 << 20
PART = 16 << 20
"""Bytes above which a file goes up in parts, and of each part."""
MOST_PARTS = 9_000
PARTS_ABREAST = 4
MD5 = re.compile(r"[0-9a-f]{32}")
ENTRY = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)
AT_ONCE = 1_000
"""Objects that one request deletes at most."""
EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Object:
    """An object as it was listed: `changed` is its time of modification, `age` the seconds since, by the storage's clock."""

    key: str
    bytes: int
    etag: str
    changed: str
    age: float


@dataclass(frozen=True)
class Pauses:
    """How often a request is tried and how long, at most, is waited before each new try, doubling from `first` to `longest`."""

    attempts: int = 6
    first: float = 0.2
    longest: float = 8.0

    def before(self, attempt: int, asked: float | None) -> float:
        drawn = random.uniform(0.5, 1.0) * min(self.longest, self.first * 2 ** (attempt - 1))
        return float(max(drawn, min(60.0, asked or 0.0)))


class Bucket:
    """A bucket seen with the keys of `access`. Making one contacts nobody; each call may raise Failure. For many threads."""

    def __init__(self, access: Access, name: str, pauses: Pauses | None = None) -> None:
        self.access, self.name, self.pauses = access, name, pauses or Pauses()
        self._http: httpx.Client | None = None
        own = f"s3.{access.region}.amazonaws.com"
        self._host = access.host or (own if "." in name else f"{name}.{own}")
        self._root = f"/{name}" if access.host or "." in name else ""

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
        self._http = None

    # reading

    def get(self, key: str) -> tuple[bytes, str]:
        """A small object's bytes and ETag. Failure "missing" when there is none."""

        def act() -> tuple[bytes, str]:
            with self._asked("GET", key) as answer:
                content = _whole(answer)
            _check(answer, hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))
            return content, answer.headers.get("etag", "")

        return self._tried(act)

    def download(self, key: str, into: Path) -> int:
        """Writes an object to a local file; its bytes. What broke off is fetched again from the start."""

        def act() -> int:
            digest, size = hashlib.md5(usedforsecurity=False), 0
            with self._asked("GET", key) as answer, into.open("wb") as out:
                for chunk in answer.iter_raw(CHUNK):
                    out.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
            _check(answer, digest.hexdigest(), size)
            return size

        return self._tried(act)

    def listed(self, prefix: str, *, deep: bool = True) -> Iterator[Object]:
        """The objects whose keys begin with `prefix`, by key; without `deep` only those with no "/" after it."""
        query = {"list-type": "2", "prefix": prefix, **({} if deep else {"delimiter": "/"})}
        while True:
            text, now = self._tried(lambda: self._page(query))
            for entry in ENTRY.findall(text):
                changed = _tag(entry, "LastModified")
                age = (now - datetime.fromisoformat(changed)).total_seconds() if changed else 0.0
                yield Object(_tag(entry, "Key"), int(_tag(entry, "Size") or 0), _tag(entry, "ETag"), changed, age)
            if _tag(text, "IsTruncated") != "true":
                return
            query["continuation-token"] = _tag(text, "NextContinuationToken")

    def _page(self, query: Mapping[str, str]) -> tuple[str, datetime]:
        with self._asked("GET", "", query) as answer:
            text = _whole(answer).decode("utf-8")
        if "</ListBucketResult>" not in text:
            raise Failure("damaged", "The list of objects came only in part", "Run it again.")
        date = answer.headers.get("date", "")
        return text, parsedate_to_datetime(date) if date else datetime.now(UTC)

    # writing

    def put(self, key: str, content: bytes, *, absent: bool = False, etag: str = "") -> str:
        """Puts an object; its new ETag. With `absent` only where there is none, with `etag` only over that one.

        Failure "taken" when the condition doesn't hold.
        """
        headers = {"If-None-Match": "*"} if absent else {"If-Match": etag} if etag else {}
        asked: list[bool] = []

        def act() -> str:
            asked.append(True)
            return self._sent("PUT", key, {}, content, headers)

        try:
            return self._tried(act)
        except Failure as failure:
            gone = failure.kind == "missing" and etag
            if not (failure.kind == "taken" or gone) or len(asked) == 1:
                if gone:
                    raise Failure("taken", "The object was deleted by another writer") from None
                raise
            there, tag = self.get(key)  # it was tried for the second time: perhaps the first one arrived
            if there == content:
                return tag
            raise

    def upload(self, file: Path, key: str, size: int) -> None:
        """Puts a local file of `size` bytes as an object, in parts when it is large: whole or not at all."""
        if size <= PART:
            content = file.read_bytes()
            _same_size(len(content), size)
            self.put(key, content)
            return
        step = max(PART, -(-size // MOST_PARTS))
        with self._asked_once("POST", key, {"uploads": ""}) as answer:
            upload = _tag(_whole(answer).decode("utf-8"), "UploadId")
        try:
            starts = range(0, size, step)
            with ThreadPoolExecutor(PARTS_ABREAST) as pool:
                tags = list(
                    pool.map(
                        lambda i: self._part(file, key, upload, i, starts[i], min(step, size - starts[i])),
                        range(len(starts)),
                    )
                )
            self._join(key, upload, tags)
        except BaseException:
            with suppress(Failure), self._asked_once("DELETE", key, {"uploadId": upload}):
                pass
            raise

    def _part(self, file: Path, key: str, upload: str, number: int, start: int, size: int) -> str:
        with file.open("rb") as data:
            data.seek(start)
            content = data.read(size)
        _same_size(len(content), size)
        query = {"partNumber": str(number + 1), "uploadId": upload}
        return self._tried(lambda: self._sent("PUT", key, query, content, {}))

    def _join(self, key: str, upload: str, tags: Sequence[str]) -> None:
        listed = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{escape(tag)}</ETag></Part>" for n, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()

        def act() -> None:
            with self._asked("POST", key, {"uploadId": upload}, body) as answer:
                text = _whole(answer).decode("utf-8", "replace")
            if "<Error>" in text:  # it is answered 200 before all is done
                raise failure_of(500, text, self.name)

        tried: list[bool] = []

        def counted() -> None:
            tried.append(True)
            act()

        try:
            self._tried(counted)
        except Failure as failure:
            if not (
                failure.kind in ("missing", "refused")
                and len(tried) > 1
                and any(o.key == key for o in self.listed(key))
            ):
                raise  # otherwise the first one arrived, and the upload is gone because it is an object now

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects; one that isn't there is no error."""
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            listed = "".join(f"<Object><Key>{escape(key, quote=False)}</Key></Object>" for key in some)
            body = f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode()
            self._tried(lambda body=body: self._deleted(body))  # type: ignore[misc]

    def _deleted(self, body: bytes) -> None:
        with self._asked(
            "POST", "", {"delete": ""}, body, {"Content-MD5": _md5(body), "Content-Type": "application/xml"}
        ) as a:
            text = _whole(a).decode("utf-8", "replace")
        if "<Error>" in text:
            raise failure_of(403 if "AccessDenied" in text else 500, text, self.name)

    # requests

    def _sent(self, method: str, key: str, query: Mapping[str, str], content: bytes, headers: Mapping[str, str]) -> str:
        """Sends bytes; their ETag, compared with their MD5 where it is one."""
        with self._asked(method, key, query, content, {"Content-MD5": _md5(content), **headers}) as answer:
            _whole(answer)
        _check(answer, hashlib.md5(content, usedforsecurity=False).hexdigest(), None)
        etag: str = answer.headers.get("etag", "")
        return etag

    @contextmanager
    def _asked(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """One request; its answer, when it is a good one, to be read inside. Broken connections become Failures."""
        query, path = query or {}, f"{self._root}/{encoded(key, safe='/-_.~')}"
        digest = hashlib.sha256(content).hexdigest() if content else EMPTY
        sent = signed(
            self.access,
            method,
            self._host,
            path,
            query,
            {**(headers or {}), "Accept-Encoding": "identity"},
            digest,
            datetime.now(UTC),
        )
        url = f"{self.access.scheme}://{self._host}{path}" + (f"?{query_text(query)}" if query else "")
        try:
            with self._client().stream(method, url, content=content or None, headers=sent) as answer:
                if answer.status_code >= 300:
                    body = answer.read().decode("utf-8", "replace")
                    raise failure_of(answer.status_code, body, self.name, answer.headers.get("retry-after", ""))
                yield answer
        except httpx.TransportError as error:
            text = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
            raise Failure(
                "unreachable",
                f"The storage at {self._host} can't be reached, or broke off: {text}",
                "Check endpoint, and that it runs.",
            ) from error

    @contextmanager
    def _asked_once(self, method: str, key: str, query: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The same for requests with a small answer, tried again."""

        def act() -> httpx.Response:
            with self._asked(method, key, query) as answer:
                answer.read()
            return answer

        yield self._tried(act)

    def _client(self) -> httpx.Client:
        if self._http is None:
            self._http = httpx.Client(
                timeout=httpx.Timeout(60.0, connect=10.0),
                trust_env=False,
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
            )
        return self._http

    def _tried(self, act: Callable[[], T]) -> T:
        for attempt in range(1, self.pauses.attempts):
            try:
                return act()
            except Failure as failure:
                if not failure.again:
                    raise
                time.sleep(self.pauses.before(attempt, failure.retry_after))
        return act()


def _whole(answer: httpx.Response) -> bytes:
    return answer.read()


def _tag(text: str, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return unescape(found[1]) if found else ""


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _same_size(there: int, wanted: int) -> None:
    if there != wanted:
        raise Failure("damaged", f"The file to send has {there} bytes where {wanted} were written", "Run it again.")


def _check(answer: httpx.Response, digest: str, size: int | None) -> None:
    """Whether the bytes are those that the storage has: by their number, and by the ETag unless that isn't their MD5."""
    etag = answer.headers.get("etag", "").strip('"')
    own = answer.headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    own = own and "x-amz-server-side-encryption-customer-algorithm" not in answer.headers
    length = answer.headers.get("content-length")
    if size is not None and length is not None and int(length) != size:
        raise Failure(
            "damaged",
            f"The object came with {size} of {length} bytes",
            "Run it again; look at the network if it stays.",
        )
    if own and MD5.fullmatch(etag) and etag != digest:
        raise Failure(
            "damaged", "The object's ETag doesn't fit its bytes", "Run it again; look at the storage if it stays."
        )
