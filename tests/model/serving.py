"""A model server as its own process, as `intendant model serve` starts it, and clients that know it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Serving", "serving", "serve_command"]

WAIT = 30.0


def serve_command(model: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "intendant.faces.cli", "model", "serve", str(model), "--json", *options]


def environment(cache: Path, key: str = "") -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("INTENDANT_")}
    return own | {"XDG_CACHE_HOME": str(cache)} | ({"INTENDANT_MODEL_KEY": key} if key else {})


class Serving:
    """A running server. `said` is what it printed when it was ready."""

    def __init__(self, process: subprocess.Popen[str], key: str) -> None:
        self.process, self.key = process, key
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        self.said: dict[str, Any] = json.loads(line)
        self.url: str = self.said["serving"]
        self.port = int(self.url.rsplit(":", 1)[1])

    @functools.cached_property
    def openai(self) -> OpenAI:
        """The official client; it doesn't try again, so that what is answered is seen."""
        own = httpx.Client(verify=False, timeout=60)
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key or "none", max_retries=0, http_client=own)

    @functools.cached_property
    def http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=False)

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value now; 0 where it isn't yet."""
        text = self.http.get("/metrics").text
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def until(self, name: str, value: float) -> None:
        """Waits until a metric has a value."""
        end = time.monotonic() + WAIT
        while self.metric(name) != value:
            assert time.monotonic() < end, f"{name} is {self.metric(name)}, not {value}"
            time.sleep(0.02)

    @contextlib.contextmanager
    def held(self) -> Iterator[socket.socket]:
        """Holds a slot: a client that asks for a long stream and reads only its beginning."""
        body = json.dumps({"prompt": "a", "stream": True, "temperature": 0, "logprobs": 20}).encode()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(WAIT)
            client.connect(("127.0.0.1", self.port))
            auth = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
            head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}Content-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            assert client.recv(64).startswith(b"HTTP/1.1 200")
            yield client

    def stop(self) -> int:
        """SIGTERM, and how the process ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)


@contextlib.contextmanager
def serving(model: Path, cache: Path, *options: str, key: str = "") -> Iterator[Serving]:
    """A server of the model on a free port; killed at the end if it still runs."""
    process = subprocess.Popen(
        serve_command(model, "--port", "0", *options),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(cache, key),
    )  # fmt: skip
    try:
        yield Serving(process, key)
    finally:
        process.kill()
        process.communicate()
