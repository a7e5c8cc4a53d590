"""`serve` over HTTP: the app's verbs as JSON, only for this machine's own pages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from intendant.app import Intendant
from intendant.errors import PolicyError
from intendant.faces.http import handler, serve


@pytest.fixture
def client(shop: Intendant, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(shop, getattr(request, "param", "")))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", timeout=60) as opened:
        yield opened
    server.shutdown()
    server.server_close()


def test_health_tables_do_and_sql_answer(client: httpx.Client) -> None:
    assert client.get("/health").json()["status"] == "ok"
    assert [t["name"] for t in client.get("/tables").json()] == ["customers", "orders"]
    assert client.get("/tables/orders").json()["rows"] == 6
    result = client.post("/do", json={"text": "query orders top 1 by amount"}).json()
    assert result["status"] == "succeeded" and result["answer"]["rows"][0][0] == 6
    assert client.post("/sql", json={"statement": "SELECT count(*) AS n FROM orders"}).json() == {"columns": ["n"], "rows": [[6]]}


def test_an_approval_goes_over_http(client: httpx.Client) -> None:
    asked = client.post("/do", json={"text": "drop customers"}).json()
    assert asked["status"] == "waiting_approval"
    assert client.post(f"/approvals/{asked['approval']}/approve").json()["status"] == "succeeded"
    assert client.post(f"/approvals/{asked['approval']}/approve").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/tables/nope", None, 404),
        ("POST", "/do", b"{", 400),
        ("POST", "/do", b"[]", 400),
        ("POST", "/do", b'{"text": 5}', 400),
        ("POST", "/sql", b'{"statement": "DROP TABLE orders"}', 403),
        ("GET", "/tables/..%2F..%2Fetc%2Fpasswd", None, 404),
    ],
)
def test_what_can_t_be_answered_is_an_error_as_json(
    method: str, path: str, body: bytes | None, status: int, client: httpx.Client
) -> None:
    answer = client.request(method, path, content=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "where", "hint"}


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example:8383"}])
def test_pages_of_other_sites_are_refused(headers: dict[str, str], client: httpx.Client) -> None:
    answer = client.post("/do", content=json.dumps({"text": "drop customers"}), headers=headers)
    assert answer.status_code == 403 and client.get("/approvals").json() == []


@pytest.mark.parametrize("client", ["secret"], indirect=True)
def test_with_a_token_only_its_bearer_is_answered(client: httpx.Client) -> None:
    assert client.get("/tables").status_code == 401
    assert client.get("/tables", headers={"Authorization": "Bearer wröng".encode()}).status_code == 401  # type: ignore[dict-item]
    assert client.get("/tables", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_serving_beyond_this_machine_needs_a_token(app: Intendant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INTENDANT_API_TOKEN", raising=False)
    with pytest.raises(PolicyError, match=r"serving on 0\.0\.0\.0 would let anybody in"):
        serve(app, "0.0.0.0", 0)
