"""Serves a model until it is told to stop: claims it, binds, loads, says where, and on SIGTERM finishes what runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from intendant.errors import PolicyError, UsageError
from intendant.model.server.engine import Engine, start_engine
from intendant.model.server.gateway import BODY_SECONDS, LOCAL, Gateway, Limits
from intendant.model.server.registration import Claim, Registration, claim
from intendant.model.server.web import web_server
from intendant.model.weights import Weights, fingerprint, read_weights

__all__ = ["KEY", "Service", "serve"]

KEY = "INTENDANT_MODEL_KEY"


@dataclass(frozen=True)
class Service:
    """How a model is served. `port` 0 takes a free one; `context` and `threads` 0 choose; `grace` in seconds."""

    host: str = "127.0.0.1"
    port: int = 8384
    key: str = field(default="", repr=False)
    context: int = 0
    threads: int = 0
    grace: float = 30.0
    limits: Limits = field(default_factory=Limits)


def serve(path: Path, service: Service = Service(), *, ready: Callable[[Registration], None]) -> Registration | None:
    """Serves until SIGTERM or SIGINT. Returns the server that has this model already, if one runs on this machine.

    Raises PolicyError for an address beyond this machine without a key, UsageError for a port, ModelError, Busy.
    """
    check(service)
    weights = read_weights(path)
    claimed = claim(sha256 := fingerprint(path))
    if isinstance(claimed, Registration):
        return claimed
    try:
        with bound(service) as listening:
            name = path.stem
            engine = start_engine(
                path, name, slots=service.limits.slots, context=service.context, threads=service.threads
            )
            found = Registration(
                address(service.host, listening), os.getpid(), name, str(path.resolve()), sha256, bool(service.key)
            )
            asyncio.run(until_stopped(service, engine, weights, claimed, found, listening, ready))
    finally:
        claimed.release()
    return None


def check(service: Service) -> None:
    if service.host not in LOCAL and not service.key:
        raise PolicyError(f"serving on {service.host} would let anybody in", hint=f"Set {KEY}, or serve on 127.0.0.1.")
    if service.limits.slots < 1 or service.limits.queue < 0 or not 0 <= service.port < 65536:
        raise UsageError("slots must be 1 or more, the queue 0 or more, the port below 65536", hint="Look at --help.")
    if service.context < 0 or service.threads < 0 or service.limits.seconds <= 0 or service.grace < 0:
        raise UsageError("context, threads and times can't be negative", hint="Look at --help.")


@contextlib.contextmanager
def bound(service: Service) -> Iterator[socket.socket]:
    """The port taken before the model is loaded, so that a taken one is said at once."""
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((service.host, service.port))
        except OSError as e:
            raise UsageError(
                f"{service.host} port {service.port} can't be used: {e.strerror}", hint="Choose another with --port."
            ) from None
        yield taken


def address(host: str, listening: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"


async def until_stopped(
    service: Service,
    engine: Engine,
    weights: Weights,
    claimed: Claim,
    found: Registration,
    listening: socket.socket,
    ready: Callable[[Registration], None],
) -> None:
    headers = {"Authorization": f"Bearer {engine.key}", "Accept-Encoding": "identity"}
    # No connection is kept: the engine may close an idle one in the moment it is taken up again.
    many = httpx.Limits(max_connections=service.limits.slots + 8, max_keepalive_connections=0)
    timeout = httpx.Timeout(None, connect=10)
    async with httpx.AsyncClient(
        base_url=engine.url, headers=headers, limits=many, timeout=timeout, trust_env=False
    ) as client:
        gateway = Gateway(engine, client, weights, found.name, found.sha256, service.limits, service.key)
        server = web_server(gateway, service.grace, min(BODY_SECONDS, service.limits.seconds))
        server.stop_on_signals(gateway.admission.close)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            claimed.publish(found)
            ready(found)
        await serving
