"""uvicorn as the server needs it: signals are ours, and who says nothing is not listened to for ever."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from intendant.model.server.gateway import Gateway

__all__ = ["WebServer", "web_server"]

LARGEST_HEADERS = 32_768
IDLE_SECONDS = 30
SPARE = 256
"""Connections beyond slots and queue that may be open, for health, metrics and refusals."""


class WebServer(uvicorn.Server):
    """Stops at the first SIGTERM or SIGINT when what runs has finished, at the second one at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # `stop_on_signals` has them

    def stop_on_signals(self, told: Callable[[], None]) -> None:
        def stop() -> None:
            self.force_exit = self.should_exit
            self.should_exit = True
            told()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)


class Patient(H11Protocol):
    """Closes a connection on which no whole request came in time."""

    seconds: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(self.seconds, self.close_if_silent)

    def close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def web_server(gateway: Gateway, grace: float, patience: float) -> WebServer:
    """The server, not yet running. `grace`: seconds that running requests get; `patience`: seconds for a request's head."""
    return WebServer(
        uvicorn.Config(
            gateway,
            http=type("Patient", (Patient,), {"seconds": patience}),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=LARGEST_HEADERS,
            limit_concurrency=gateway.limits.slots + gateway.limits.queue + SPARE,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace)),
        )
    )
