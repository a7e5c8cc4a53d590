"""`intendant serve`: schedules, queued runs, and the app's verbs over HTTP; JSON in, JSON out, no decision of its own.

GET /health /tables /tables/NAME /tables/NAME/history /lineage/NAME /runs /runs/ID /events /approvals /schedules /sources
POST /do {"text", "approve", "dry_run"}   /sql {"statement"}   /approvals/ID/approve   /approvals/ID/reject
"""

from __future__ import annotations

import hmac
import json
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from intendant.errors import IntendantError, PolicyError, UnknownName, UsageError
from intendant.run.schedules import run_forever
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["serve"]

LARGEST_BODY = 1_000_000
LOCAL = ("127.0.0.1", "localhost", "::1")
TOKEN = "INTENDANT_API_TOKEN"


def serve(app: Intendant, host: str, port: int, ready: Callable[[int], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT. Raises PolicyError for an address beyond this machine without a token."""
    token = os.environ.get(TOKEN, "")
    if host not in LOCAL and not token:
        raise PolicyError(f"serving on {host} would let anybody in", hint=f"Set {TOKEN}, or serve on 127.0.0.1.")
    try:
        server = ThreadingHTTPServer((host, port), handler(app, token))
    except OSError as e:
        raise UsageError(f"port {port} can't be used: {e.strerror}", hint="Choose another with --port.") from None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"serving": f"http://{host}:{server.server_port}"}), flush=True)
    if ready:
        ready(server.server_port)
    run_forever(app, stop.is_set)
    server.shutdown()
    app.close()


def routes(app: Intendant) -> dict[tuple[str, str], Callable[[str, Json], Json]]:
    """(method, path pattern) to what answers; `*` in the pattern is the name given to it."""
    return {
        ("GET", "/health"): lambda n, b: {"status": "ok", "owner": app.owner.owning},
        ("GET", "/tables"): lambda n, b: app.tables(),
        ("GET", "/tables/*"): lambda n, b: app.show(n),
        ("GET", "/tables/*/history"): lambda n, b: app.history(n),
        ("GET", "/lineage/*"): lambda n, b: app.lineage(n),
        ("GET", "/runs"): lambda n, b: app.runs(),
        ("GET", "/runs/*"): lambda n, b: app.result(n).as_dict(),
        ("GET", "/events"): lambda n, b: [e.__dict__ for e in app.events()[-500:]],
        ("GET", "/approvals"): lambda n, b: app.approvals(),
        ("GET", "/schedules"): lambda n, b: app.schedules(),
        ("GET", "/sources"): lambda n, b: app.sources(),
        ("POST", "/do"): lambda n, b: app.do(
            _text(b, "text"), approve=b.get("approve") is True, dry_run=b.get("dry_run") is True, by="http"
        ).as_dict(),
        ("POST", "/sql"): lambda n, b: app.sql(_text(b, "statement")),
        ("POST", "/approvals/*/approve"): lambda n, b: app.approve(n, by="http").as_dict(),
        ("POST", "/approvals/*/reject"): lambda n, b: app.reject(n, by="http").as_dict(),
    }


def _text(body: Json, name: str) -> str:
    if not isinstance(body, dict) or not isinstance(body.get(name), str):
        raise UsageError(f"the body has no {name!r}", hint=f'Send {{"{name}": "..."}}.')
    return str(body[name])


def found(
    method: str, path: str, known: dict[tuple[str, str], Callable[[str, Json], Json]]
) -> tuple[Callable[[str, Json], Json], str] | None:
    parts = [unquote(p) for p in path.strip("/").split("/")]
    for (wanted, pattern), answer in known.items():
        wants = pattern.strip("/").split("/")
        if (
            method == wanted
            and len(wants) == len(parts)
            and all(w in ("*", p) for w, p in zip(wants, parts, strict=True))
        ):
            return answer, next((p for w, p in zip(wants, parts, strict=True) if w == "*"), "")
    return None


def handler(app: Intendant, token: str) -> type[BaseHTTPRequestHandler]:
    known = routes(app)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer("GET")

        def do_POST(self) -> None:
            self.answer("POST")

        def answer(self, method: str) -> None:
            try:
                status, value = self.routed(method)
            except Exception as e:
                if not isinstance(e, IntendantError):
                    e = IntendantError(f"{type(e).__name__}: {e}"[:500], hint="This is a fault of ours.")
                    e.code = "internal"  # type: ignore[misc]
                status = 404 if isinstance(e, UnknownName) else 403 if isinstance(e, PolicyError) else 400
                value = {"error": e.as_dict()}
            self.reply(status, value)

        def routed(self, method: str) -> tuple[int, Json]:
            path = urlsplit(self.path).path
            host = self.headers.get("Host", "")
            origin = self.headers.get("Origin")
            # A name that was bound to this machine's address by another site's DNS is that other site, too.
            rebound = not token and urlsplit(f"//{host}").hostname not in LOCAL
            if rebound or (origin and urlsplit(origin).netloc != host):
                return 403, {
                    "error": {
                        "code": "policy",
                        "message": "requests from other sites are refused",
                        "where": path,
                        "hint": "",
                    }
                }
            if (
                token
                and path != "/health"
                and not hmac.compare_digest(self.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
            ):
                return 401, {
                    "error": {
                        "code": "policy",
                        "message": "no valid token",
                        "where": path,
                        "hint": "Send Authorization: Bearer TOKEN.",
                    }
                }
            hit = found(method, path, known)
            if hit is None:
                return 404, {
                    "error": {
                        "code": "usage",
                        "message": f"there is no {method} {path}",
                        "where": path,
                        "hint": "GET /health, /tables, /runs; POST /do.",
                    }
                }
            answer, name = hit
            return 200, answer(name, self.body() if method == "POST" else None)

        def body(self) -> Json:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > LARGEST_BODY:
                self.close_connection = True
                raise UsageError("the body is too large", hint=f"At most {LARGEST_BODY:,} bytes.")
            try:
                return json.loads(self.rfile.read(int(length)) or b"{}")
            except ValueError:
                raise UsageError("the body is not JSON", hint='Send {"text": "..."}.') from None

        def reply(self, status: int, value: Json) -> None:
            data = json.dumps(value, ensure_ascii=False, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Content-Type-Options", "nosniff")
            if status >= 400:  # a refused request's body may still be unread: it must not be taken for the next request
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
