"""The door before llama.cpp's server: who may enter, with what, how long; what it lets through goes through unchanged.

GET  /health /metrics /v1/models /v1/models/NAME
POST /v1/chat/completions /v1/completions
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from intendant.model.server.admission import Admission, closing
from intendant.model.server.assemble import Assembly
from intendant.model.server.engine import Engine
from intendant.model.server.exchange import Exchange, Gone, Receive, Scope, Send
from intendant.model.server.gauges import Gauges
from intendant.model.server.legacy import with_legacy, with_legacy_event
from intendant.model.server.refusal import Refusal, shaped
from intendant.model.server.shapes import Shapes
from intendant.model.server.wishes import CHAT, COMPLETION, read_wish
from intendant.model.weights import Weights
from intendant.types import Json

__all__ = ["BODY_SECONDS", "LOCAL", "Gateway", "Limits"]

LOCAL = ("127.0.0.1", "localhost", "::1")
EVENTS = "text/event-stream"
HEALTH_SECONDS = 5.0
BODY_SECONDS = 30.0
GOODBYE_SECONDS = 2.0
DRAINED_BODIES = 4
"""How many bodies of the largest size are read and thrown away before a refused connection is closed."""


@dataclass(frozen=True)
class Limits:
    """`slots` run at once, `queue` wait; `body` in bytes; `seconds` from a request's arrival to the end of its answer."""

    slots: int = 4
    queue: int = 32
    body: int = 1_000_000
    seconds: float = 300.0


class Gateway:
    """An ASGI application. `client` talks to the engine; an empty `key` lets everybody of this machine in."""

    def __init__(
        self,
        engine: Engine,
        client: httpx.AsyncClient,
        weights: Weights,
        name: str,
        sha256: str,
        limits: Limits,
        key: str,
    ) -> None:
        self.engine, self.client, self.weights, self.name, self.sha256 = engine, client, weights, name, sha256
        self.limits, self.key = limits, key
        self.began = int(time.time())
        self.admission = Admission(limits.slots, limits.queue)
        self.shapes = Shapes(client)
        self.gauges = Gauges(self.admission, {"name": name, "sha256": sha256})
        self.routes: dict[tuple[str, str], Callable[[Exchange], Awaitable[None]]] = {
            ("GET", "/health"): self.health,
            ("GET", "/metrics"): self.metrics,
            ("GET", "/v1/models"): self.models,
            ("GET", f"/v1/models/{name}"): self.model,
            ("POST", CHAT): self.generate,
            ("POST", COMPLETION): self.generate,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange, started = Exchange(scope, receive, send), time.monotonic()
        route = exchange.path if (exchange.method, exchange.path) in self.routes else "other"
        try:
            await self.answered(exchange)
        except Refusal as e:
            await self.refuse(exchange, e)
        except Gone:
            self.gauges.left.inc()
        except Exception:
            await self.refuse(exchange, Refusal(500, "this is a fault of ours", "server_error", "internal", close=True))
            raise
        finally:
            self.gauges.requests.labels(route, str(exchange.status or 499)).inc()
            self.gauges.seconds.labels(route).observe(time.monotonic() - started)

    async def refuse(self, exchange: Exchange, refusal: Refusal) -> None:
        """Says it; a client that doesn't read is not waited for."""
        self.gauges.refused.labels(refusal.reason).inc()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                if refusal.close:
                    await exchange.drain(DRAINED_BODIES * self.limits.body, GOODBYE_SECONDS / 2)
                await exchange.refuse(refusal)

    async def answered(self, exchange: Exchange) -> None:
        self.admit(exchange)
        answer = self.routes.get((exchange.method, exchange.path))
        if answer is None:
            raise self.unknown(exchange)
        await answer(exchange)

    def admit(self, exchange: Exchange) -> None:
        """Raises Refusal for a wrong key and, where there is none, for pages of other sites."""
        if self.key:
            given = exchange.headers.get("authorization", "")
            right = hmac.compare_digest(given.encode("latin-1", "replace"), f"Bearer {self.key}".encode())
            if not right and exchange.path != "/health":
                raise Refusal(401, "no valid API key", "authentication_error", "invalid_api_key", close=True)
            return
        host, origin = exchange.headers.get("host", ""), exchange.headers.get("origin", "")
        # A name that another site bound to this machine's address is that other site, too.
        if hostname(f"//{host}") not in LOCAL or (origin and hostname(origin) not in LOCAL):
            raise Refusal(403, "requests from other sites are refused", "permission_error", "other_site", close=True)

    def unknown(self, exchange: Exchange) -> Refusal:
        if exchange.path.startswith("/v1/models/"):
            asked = exchange.path.removeprefix("/v1/models/")
            return Refusal(
                404,
                f"the model {asked!r} is not here: this server has {self.name!r}",
                code="model_not_found",
                param="model",
            )
        if any(path == exchange.path for _, path in self.routes):
            return Refusal(
                405, f"{exchange.path} does not take {exchange.method}", code="method_not_allowed", close=True
            )
        return Refusal(404, f"there is no {exchange.method} {exchange.path}", code="unknown_url", close=True)

    async def health(self, exchange: Exchange) -> None:
        if self.admission.closed:
            await exchange.json(503, {"status": "stopping"})
            return
        try:
            alive = (await self.client.get("/health", timeout=HEALTH_SECONDS)).status_code == 200
        except httpx.TransportError:
            alive = False
        await exchange.json(200 if alive else 503, {"status": "ok" if alive else "engine does not answer"})

    async def metrics(self, exchange: Exchange) -> None:
        try:
            engine = (await self.client.get("/metrics", timeout=HEALTH_SECONDS)).text
        except httpx.TransportError:
            engine = ""
        await exchange.whole(200, self.gauges.text(engine), "text/plain; version=0.0.4; charset=utf-8")

    async def models(self, exchange: Exchange) -> None:
        await exchange.json(200, {"object": "list", "data": [self.described()]})

    async def model(self, exchange: Exchange) -> None:
        await exchange.json(200, self.described())

    def described(self) -> dict[str, Json]:
        w = self.weights
        meta = {"sha256": self.sha256, "architecture": w.architecture, "parameters": w.parameters, "bytes": w.bytes}
        meta |= {"context": self.engine.context, "vocabulary": w.vocabulary, "chat": w.chat}
        return {"id": self.name, "object": "model", "created": self.began, "owned_by": "intendant", "meta": meta}

    async def generate(self, exchange: Exchange) -> None:
        """Lets a request through to llama.cpp; stops it when the client leaves or the time is over."""
        if self.admission.closed:
            raise closing()
        end = time.monotonic() + self.limits.seconds
        body = await exchange.body(self.limits.body, min(BODY_SECONDS, self.limits.seconds))
        wish = read_wish(exchange.path, body, self.name)
        try:
            await while_there(exchange, self.relay(exchange, wish), end - time.monotonic())
        except TimeoutError:
            message = f"the answer was not finished within {self.limits.seconds:g} s"
            raise Refusal(504, message, "server_error", "timeout", close=True) from None

    async def relay(self, exchange: Exchange, wish: dict[str, Json]) -> None:
        arrived = time.monotonic()
        async with self.admission.place():
            self.gauges.waited.observe(time.monotonic() - arrived)
            try:
                await self.shapes.check(wish)
                async with self.client.stream("POST", exchange.path, json=streamed(wish)) as answer:
                    self.gauges.first.observe(time.monotonic() - arrived)
                    if answer.status_code != 200:
                        raise shaped(answer.status_code, await answer.aread())
                    await (self.stream if wish.get("stream") else self.whole)(exchange, answer, wish)
            except httpx.TransportError as e:
                raise Refusal(
                    502, f"the engine does not answer: {type(e).__name__}", "server_error", "engine"
                ) from None

    async def whole(self, exchange: Exchange, answer: httpx.Response, wish: dict[str, Json]) -> None:
        assembly = Assembly(chat=exchange.path == CHAT)
        async for line in answer.aiter_lines():
            assembly.add(line)
        found = assembly.answer()
        await exchange.json(200, with_legacy(found) if legacy(exchange, wish) else found)

    async def stream(self, exchange: Exchange, answer: httpx.Response, wish: dict[str, Json]) -> None:
        await exchange.start(200, EVENTS, [("cache-control", "no-cache")])
        if legacy(exchange, wish):
            offset = 0
            async for line in answer.aiter_lines():
                line, offset = with_legacy_event(line, offset)
                await exchange.piece(f"{line}\n".encode())
        else:
            async for data in answer.aiter_raw():
                await exchange.piece(data)
        await exchange.piece(b"", last=True)


def streamed(wish: dict[str, Json]) -> dict[str, Json]:
    """The wish as a stream that ends with its usage."""
    return wish if wish.get("stream") else {**wish, "stream": True, "stream_options": {"include_usage": True}}


def legacy(exchange: Exchange, wish: dict[str, Json]) -> bool:
    return exchange.path == COMPLETION and bool(wish.get("logprobs") or wish.get("n_probs"))


def hostname(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


async def while_there(exchange: Exchange, work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Does the work as long as the client is there. Raises Gone, TimeoutError, and what the work raises."""
    task, gone = asyncio.create_task(work), asyncio.create_task(exchange.gone())
    try:
        done, _ = await asyncio.wait({task, gone}, timeout=max(seconds, 0.0), return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()
        elif gone in done:
            raise Gone
        else:
            raise TimeoutError
    finally:
        for t in (task, gone):
            t.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)
