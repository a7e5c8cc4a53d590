"""An OpenAI-compatible server of another make: it answers what it was given to say, in order, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

__all__ = ["ChatServer", "chat_server"]


class ChatServer:
    """`says` are the answers to come, the last one for ever; a number is an error of that status."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.says: list[str | int] = []
        self.asked: list[dict[str, Any]] = []
        self.knows_grammars = True

    def answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(asked)
        if "grammar" in asked and not self.knows_grammars:
            return 400, {"error": {"message": "unknown field 'grammar'"}}
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, int):
            return said, {"error": {"message": "no"}}
        return 200, {"choices": [{"message": {"role": "assistant", "content": said}}]}


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = state.answer(asked)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = ChatServer(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
