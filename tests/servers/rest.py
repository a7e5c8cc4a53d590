"""A REST API of its own process' threads: every pagination, every authentication, and the faults of real ones."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["Answer", "Collection", "Request", "RestServer"]

STYLES = ("link", "next_url", "links.next", "paging.next", "odata", "cursor", "meta_token", "page", "page_more",
          "offset", "bare_page", "bare_offset", "jsonl", "all", "bare_all")


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What a fault sends; `length` lies about the body's length, `hang` waits that many seconds first."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    hang: float = 0.0


@dataclass
class Collection:
    """Rows at a path; `style` is one of STYLES, `sort` whether `sort=-column` works, `wrap` the name of the rows."""

    rows: Sequence[Mapping[str, Any]]
    style: str = "page"
    size: int = 100
    sort: bool = False
    wrap: str = "data"
    since: str = ""


Fault = Callable[[Request, int], Answer | None]
"""Given a request and its number (from 1), what to send instead; None lets the real answer pass."""


class RestServer:
    """`with RestServer({"/orders": Collection(rows)}) as api:` serves at `api.url`; `api.log` has the requests."""

    def __init__(self, collections: Mapping[str, Collection], *, root: Any = None, openapi: Any = None,
                 fault: Fault | None = None, require: Callable[[Request], bool] | None = None) -> None:
        self.collections, self.root, self.openapi = dict(collections), root, openapi
        self.fault, self.require = fault, require
        self.log: list[Request] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RestServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str) -> list[Request]:
        """The requests for a path."""
        return [request for request in self.log if request.path == path]

    def answer(self, request: Request) -> Answer:
        """The answer to a request; also writes the log."""
        with self._lock:
            self.log.append(request)
            number = len(self.log)
        if self.require is not None and not self.require(request):
            return Answer(401, b'{"error": "who are you?"}')
        fault = self.fault(request, number) if self.fault else None
        if fault is not None:
            self._stop.wait(fault.hang)
            return fault
        if request.path in ("", "/") and self.root is not None:
            return _json(self.root)
        if request.path == "/openapi.json" and self.openapi is not None:
            return _json(self.openapi)
        if request.path not in self.collections:
            return Answer(404, b'{"error": "no such path"}')
        return page_of(self.collections[request.path], request, self.url)


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, json.dumps(value, separators=(",", ":")).encode(), headers or {})


def page_of(collection: Collection, request: Request, base: str) -> Answer:
    """The page of a collection that a request asks for, in the collection's style."""
    rows, query, size = _sorted(collection, request.query), dict(request.query), collection.size
    if collection.since and query.get(collection.since):
        rows = [row for row in rows if str(row["updated_at"]) > query[collection.since]]
    style, total = collection.style, len(rows)

    def address(**more: int | str) -> str:
        return f"{base}{request.path}?" + urlencode({**query, **{k: str(v) for k, v in more.items()}})

    if style in ("all", "bare_all", "jsonl"):
        return _whole(collection, rows)
    if style in ("cursor", "meta_token"):
        name = "cursor" if style == "cursor" else "page_token"
        start = int(query.get(name, "c0")[1:])
    elif style in ("offset", "bare_offset"):
        start = int(query.get("offset", 0))
        size = int(query.get("limit", size))
    else:
        start = (int(query.get("page", 1)) - 1) * size
    part, after = list(rows[start:start + size]), start + size
    more, next_page = after < total, start // size + 2
    wrap = collection.wrap
    if style in ("link", "bare_page", "bare_offset"):
        link = {"Link": f'<{address(page=1)}>; rel="first", <{address(page=next_page)}>; rel="next"'}
        return _json(part, link if style == "link" and more else {})
    bodies: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "next_url": lambda: {"count": total, "next": address(page=next_page) if more else None, wrap: part},
        "links.next": lambda: {wrap: part, "links": {"next": address(page=next_page) if more else ""}},
        "paging.next": lambda: {wrap: part, "paging": {"next": f"{request.path}?page={next_page}"} if more else {}},
        "odata": lambda: {wrap: part, **({"@odata.nextLink": address(page=next_page)} if more else {})},
        "cursor": lambda: {wrap: part, "next_cursor": f"c{after}" if more else None},
        "meta_token": lambda: {wrap: part, "meta": {"next_page_token": f"c{after}" if more else ""}},
        "page": lambda: {wrap: part, "page": start // size + 1, "total_pages": -(-total // size)},
        "page_more": lambda: {wrap: part, "page": start // size + 1, "has_more": more},
        "offset": lambda: {"total": total, "limit": size, "offset": start, wrap: part},
    }
    return _json(bodies[style]())


def _whole(collection: Collection, rows: Sequence[Mapping[str, Any]]) -> Answer:
    if collection.style == "jsonl":
        return Answer(200, b"".join(json.dumps(row).encode() + b"\n" for row in rows),
                      {"Content-Type": "application/x-ndjson"})
    return _json(list(rows) if collection.style == "bare_all" else {collection.wrap: list(rows)})


def _sorted(collection: Collection, query: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    wish = query.get("sort", "")
    if not collection.sort or not wish:
        return collection.rows
    return sorted(collection.rows, key=lambda row: row[wish.lstrip("-")], reverse=wish.startswith("-"))


def gzip_bomb(size: int) -> Answer:
    """A small packed body that unpacks to `size` bytes."""
    return Answer(200, gzip.compress(b"[" + b" " * size + b"]"), {"Content-Encoding": "gzip"})


def _handler(api: RestServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = api.answer(Request(parts.path, dict(parse_qsl(parts.query)), dict(self.headers)))
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            try:
                self.wfile.write(answer.body)
                self.wfile.flush()
            except OSError:
                self.close_connection = True
            if answer.length is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


if __name__ == "__main__":  # a look at the API by hand
    with RestServer({"/orders": Collection([{"id": i} for i in range(1000)])}) as server:
        print(server.url + "/orders")
        time.sleep(3600)
