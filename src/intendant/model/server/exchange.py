"""One HTTP request and its answer, over ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from intendant.model.server.refusal import Refusal
from intendant.types import Json

__all__ = ["Exchange", "Gone", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[str, str]]


class Gone(Exception):
    """The client left."""


class Exchange:
    """What was asked and what is answered. `status` is 0 until an answer began."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        self._receive, self._send = receive, send
        self.status = 0
        self._whole = False

    async def body(self, most: int, seconds: float) -> bytes:
        """The request's body. Raises Refusal (413, 408), Gone."""
        said = self.headers.get("content-length", "0")
        if not said.isdigit() or int(said) > most:
            raise too_large(most)
        data = bytearray()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    data += message.get("body", b"")
                    if len(data) > most:
                        raise too_large(most)
                    if not message.get("more_body"):
                        self._whole = True
                        return bytes(data)
        except TimeoutError:
            raise Refusal(408, f"the body did not come within {seconds:g} s", code="timeout", close=True) from None

    async def drain(self, most: int, seconds: float) -> None:
        """Throws away what is left of the body, up to `most` bytes: closing over unread bytes resets the connection,
        and the client then loses the answer."""
        if self._whole or "expect" in self.headers:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while most > 0 and not self._whole:
                    message = await self._receive()
                    most -= len(message.get("body", b""))
                    self._whole = message["type"] == "http.disconnect" or not message.get("more_body")

    async def gone(self) -> None:
        """Returns when the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, kind: str, headers: Headers = ()) -> None:
        self.status = status
        said = [("content-type", kind), ("x-content-type-options", "nosniff"), *headers]
        encoded = [(k.encode(), v.encode("latin-1")) for k, v in said]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def piece(self, data: bytes, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def whole(self, status: int, data: bytes, kind: str, headers: Headers = ()) -> None:
        await self.start(status, kind, [("content-length", str(len(data))), *headers])
        await self.piece(data, last=True)

    async def json(self, status: int, value: Json, headers: Headers = ()) -> None:
        await self.whole(status, json.dumps(value, ensure_ascii=False).encode(), "application/json", headers)

    async def refuse(self, refusal: Refusal) -> None:
        """The refusal as an answer; as the last event of a stream that has begun."""
        if self.status:
            event = json.dumps(refusal.body(), ensure_ascii=False)
            await self.piece(f"data: {event}\n\n".encode(), last=True)
            return
        headers = [("retry-after", str(refusal.retry_after))] if refusal.retry_after else []
        headers += [("connection", "close")] if refusal.close else []
        headers += [("www-authenticate", "Bearer")] if refusal.status == 401 else []
        await self.json(refusal.status, refusal.body(), headers)


def too_large(most: int) -> Refusal:
    return Refusal(413, f"the body is too large: at most {most:,} bytes", code="body_too_large", close=True)
