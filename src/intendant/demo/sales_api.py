"""A sales API on this machine, with the manners of real ones: pages, a bearer token, a rate limit, imperfect data.

python -m intendant.demo.sales_api --port 8765
"""

from __future__ import annotations

import argparse
import hmac
import json
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlencode, urlsplit

from intendant.demo.orders import make_orders, revenue
from intendant.types import Json

__all__ = ["SalesApi"]

TOKEN = "demo"  # no secret: it opens made-up data on this machine
PAGE = 1000
BURST, PER_SECOND = 5.0, 4.0


class Allowance:
    """A token bucket: `burst` requests at once, then `per_second`."""

    def __init__(self, burst: float, per_second: float) -> None:
        self.burst, self.per_second = burst, per_second
        self._left, self._at = burst, time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._left = min(self.burst, self._left + (now - self._at) * self.per_second)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class SalesApi:
    """`with SalesApi() as api:` serves GET /orders at `api.url` until the block ends.

    Query: `limit` (1,000 at most), `offset`, `sort` (`created_at` or `-created_at`) and `since` (only later orders).
    An answer is {"data": [...], "total", "next"}. Without `Authorization: Bearer demo` it is 401; above the rate, 429
    with Retry-After. `api.throttled` counts the 429s.
    """

    def __init__(
        self,
        *,
        orders: int = 25_000,
        seed: int = 7,
        faults: bool = True,
        port: int = 0,
        token: str = TOKEN,
        burst: float = BURST,
        per_second: float = PER_SECOND,
    ) -> None:
        self.orders = make_orders(orders, seed, faults=faults)
        self.texts = [json.dumps(order, separators=(",", ":")) for order in self.orders]
        self.times = [str(order["created_at"]) for order in self.orders]
        self.token, self.allowance = token, Allowance(burst, per_second)
        self.requests = self.throttled = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> SalesApi:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def revenue(self, latest: int | None = None) -> Decimal:
        """The exact sum of price times quantity over the latest orders, or over all."""
        return revenue(self.orders if latest is None else self.orders[-latest:])

    def page(self, path: str, query: dict[str, str]) -> bytes:
        """The body of a page. Raises ValueError with what is wrong about the query."""
        limit = min(PAGE, _count(query, "limit", PAGE))
        offset = _count(query, "offset", 0)
        start = bisect_right(self.times, query["since"]) if "since" in query else 0
        total = len(self.texts) - start
        shown = self._slice(query.get("sort", "created_at"), start, offset, limit)
        after = offset + len(shown)
        address = f"{path}?{urlencode({**query, 'limit': limit, 'offset': after})}" if after < total else None
        return (f'{{"data":[{",".join(shown)}],"total":{total},"next":{json.dumps(address)}}}').encode()

    def _slice(self, sort: str, start: int, offset: int, limit: int) -> Sequence[str]:
        if sort == "created_at":
            return self.texts[start + offset : start + offset + limit]
        if sort == "-created_at":
            end = len(self.texts) - offset
            return self.texts[max(start, end - limit) : max(start, end)][::-1]
        raise ValueError(f"sort is created_at or -created_at, not {sort!r}")


def _count(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdigit() or len(text) > 9:
        raise ValueError(f"{name} is a whole number, not {text!r}")
    return int(text)


def _handler(api: SalesApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api.requests += 1
            given = self.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {api.token}".encode()):
                self.answer(401, _error("a bearer token is needed"), {"WWW-Authenticate": "Bearer"})
            elif not api.allowance.take():
                api.throttled += 1
                self.answer(429, _error("too many requests"), {"Retry-After": "1"})
            else:
                self.route()

        def route(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/":
                return self.answer(200, json.dumps({"orders": f"{api.url}/orders"}).encode())
            if address.path != "/orders":
                return self.answer(404, _error("there is only /orders"))
            try:
                return self.answer(200, api.page(address.path, dict(parse_qsl(address.query))))
            except ValueError as error:
                return self.answer(400, _error(str(error)))

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Json) -> None:
            """Says nothing: the demo's report is what people read."""

    return Handler


def _error(text: str) -> bytes:
    return json.dumps({"error": text}).encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m intendant.demo.sales_api", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8765, help="0 takes any free port")
    parser.add_argument("--orders", type=int, default=25_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--faultless", action="store_true", help="serve clean data")
    given = parser.parse_args(arguments)
    with SalesApi(orders=given.orders, seed=given.seed, port=given.port, faults=not given.faultless) as api:
        print(f"{api.url}/orders  ({len(api.orders):,} orders; Authorization: Bearer {api.token})", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
