"""S3-compatible storage in this process: moto's server behind a door that can answer with faults and change things meanwhile."""

from __future__ import annotations

import http.client
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

__all__ = ["Storage", "storage"]

Rule = Callable[[str, str], tuple[int, str] | None]
"""Asked before each request with its method and path; what it returns is answered instead: status and S3 error code."""
HOP = ("connection", "transfer-encoding", "expect")
_numbers = itertools.count(1)


@dataclass
class Storage:
    """`endpoint` is the door's address; `seen` are the requests that came, `rules` what meets them."""

    endpoint: str
    client: Any
    rules: list[Rule] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def bucket(self) -> str:
        """A new, empty bucket."""
        name = f"bucket-{next(_numbers)}"
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
    door = ThreadingHTTPServer(("127.0.0.1", 0), _handler(store, host, port))
    store.endpoint = f"http://127.0.0.1:{door.server_port}"
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        door.shutdown()
        door.server_close()
        server.stop()


def _handler(store: Storage, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def meet(self) -> None:
            body = self.body()
            store.seen.append(f"{self.command} {self.path}")
            for rule in list(store.rules):
                fault = rule(self.command, self.path)
                if fault is not None:
                    self.answer(fault[0], {"Content-Type": "application/xml"}, (
                        f'<?xml version="1.0"?><Error><Code>{fault[1]}</Code><Message>as planned</Message></Error>').encode())
                    return
            upstream = http.client.HTTPConnection(host, port)
            upstream.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k.lower() not in HOP})
            got = upstream.getresponse()
            kept = {k: v for k, v in got.getheaders() if k.lower() not in ("connection", "transfer-encoding", "server", "date")}
            self.answer(got.status, kept, got.read())
            upstream.close()

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

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = meet

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Door
