"""A model hub on this machine with the addresses of the real one; it can cut, damage and refuse."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["COMMIT", "Hub", "hub_server"]

COMMIT = "c0ffee" * 6 + "abcd"


@dataclass
class Hub:
    """What the hub has and how it behaves. `cuts`: after how many bytes the next answers break off."""

    files: dict[str, bytes]
    url: str = ""
    cuts: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    honours_ranges: bool = True
    damaged: bool = False
    size: int | None = None
    status: int = 200
    tokens: list[str | None] = field(default_factory=list)

    def described(self) -> dict[str, Any]:
        """What /api/models/... says of the repository."""
        listed = []
        for name, data in self.files.items():
            large = {"sha256": hashlib.sha256(data).hexdigest(), "size": self.size or len(data), "pointerSize": 134}
            listed.append({"rfilename": name, "size": self.size or len(data), "blobId": "b", "lfs": large})
        listed.append({"rfilename": "README.md", "size": 3, "blobId": "a"})
        return {"id": "team/letters-GGUF", "sha": COMMIT, "siblings": listed}


@contextmanager
def hub_server(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if hub.status != 200:
                self.reply(hub.status, b"{}")
            elif path == "/api/models/team/letters-GGUF/revision/main" and query == "blobs=true":
                hub.tokens.append(self.headers.get("Authorization"))
                self.reply(200, json.dumps(hub.described()).encode())
            elif path.startswith(f"/team/letters-GGUF/resolve/{COMMIT}/"):
                where = hub.url.replace("127.0.0.1", "localhost")  # another site, as the real hub's files are
                self.reply(302, b"", Location=f"{where}/blobs/{path.rpartition('/')[2]}")
            elif path.startswith("/blobs/"):
                hub.tokens.append(self.headers.get("Authorization"))
                self.blob(hub.files[path.rpartition("/")[2]])
            else:
                self.reply(404, b"{}")

        def blob(self, data: bytes) -> None:
            asked = self.headers.get("Range")
            hub.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and hub.honours_ranges else 0
            body = bytes(len(data) - start) if hub.damaged else data[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = hub.cuts.pop(0) if hub.cuts else len(body)
            self.wfile.write(body[:cut])
            if cut < len(body):
                self.close_connection = True

        def reply(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
