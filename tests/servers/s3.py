"""S3-compatible storage in this process: moto's server behind a door that can answer with faults, lose answers, cut connections,
and change things meanwhile.
"""

from __future__ import annotations

import http.client
import itertools
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

__all__ = ["CUT", "HALF", "LOST", "WRONG", "Storage", "storage"]

Rule = Callable[[str, str], tuple[int, str] | None]
"""Asked before each request with its method and path; what it returns is answered instead: status and S3 error code.

With the status 0 the connection is cut: before the storage hears of it (CUT), after it did (LOST), or in the middle of the
answer (HALF); WRONG changes a byte of the answer.
"""
CUT, LOST, HALF, WRONG = (0, "cut"), (0, "lost"), (0, "half"), (0, "wrong")
CONDITIONS = ("If-Match", "If-None-Match")
HOP = ("connection", "transfer-encoding", "expect")
_numbers = itertools.count(1)


@dataclass
class Storage:
    """`endpoint` is the door's address; `seen` are the requests that came, `rules` what meets them."""

    endpoint: str
    client: Any
    rules: list[Rule] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held for a conditional put: moto looks and writes in two moves."""
    conditional: bool = True
    """Whether it holds to the conditions of puts, as older storage doesn't."""

    def bucket(self) -> str:
        """A new, empty bucket."""
        name = f"bucket-{next(_numbers)}-{uuid.uuid4().hex[:8]}"
        self.client.create_bucket(Bucket=name)
        return name

    def put(self, bucket: str, **objects: str | bytes) -> None:
        for key, body in objects.items():
            self.client.put_object(Bucket=bucket, Key=key, Body=body)

    def put_many(self, bucket: str, objects: dict[str, bytes]) -> None:
        """Puts objects without a request for each."""
        backend = s3_backends["123456789012"]["aws"]
        for key, body in objects.items():
            backend.put_object(bucket, key, body)

    def get(self, bucket: str, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def keys(self, bucket: str) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    @contextmanager
    def failing(self, rule: Rule) -> Iterator[None]:
        self.rules.append(rule)
        try:
            yield
        finally:
            self.rules.remove(rule)


@contextmanager
def storage() -> Iterator[Storage]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", aws_access_key_id="test-access",
                          aws_secret_access_key="test-secret", config=Config(parameter_validation=False))
    store = Storage("", client)
    door = Door(("127.0.0.1", 0), _handler(store, host, port))
    store.endpoint = f"http://127.0.0.1:{door.server_port}"
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        door.shutdown()
        door.server_close()
        server.stop()


class Door(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no fault of the door."""


def _handler(store: Storage, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def meet(self) -> None:
            body = self.body()
            store.seen.append(f"{self.command} {self.path}")
            for rule in list(store.rules):
                fault = rule(self.command, self.path)
                if fault is not None and not fault[0]:
                    if fault == LOST:
                        self.forward(body)
                    elif fault == HALF:
                        status, kept, content = self.forward(body)
                        self.answer(status, kept, content, len(content) // 2)
                    elif fault == WRONG:
                        status, kept, content = self.forward(body)
                        self.answer(status, kept, content[:-1] + bytes([content[-1] ^ 1]))
                        return
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if fault is not None:
                    self.answer(fault[0], {"Content-Type": "application/xml"}, (
                        f'<?xml version="1.0"?><Error><Code>{fault[1]}</Code><Message>as planned</Message></Error>').encode())
                    return
            self.answer(*self.forward(body))

        def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            conditional = self.command == "PUT" and any(self.headers.get(name) for name in CONDITIONS)
            gone = HOP if store.conditional else (*HOP, *(name.lower() for name in CONDITIONS))
            upstream = http.client.HTTPConnection(host, port)
            with store.turn if conditional else nullcontext():
                upstream.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k.lower() not in gone})
                got = upstream.getresponse()
                content = got.read()
            upstream.close()
            kept = {k: v for k, v in got.getheaders() if k.lower() not in ("connection", "transfer-encoding", "server", "date")}
            return got.status, kept, content

        def body(self) -> bytes:
            if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def answer(self, status: int, headers: dict[str, str], body: bytes, most: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:most])

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = meet

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
