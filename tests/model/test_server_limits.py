"""Who may come in, how many, for how long; and what happens when somebody leaves, or the server must."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from tests.model.letters import CONTEXT, make_letters
from tests.model.serving import Serving, environment, serve_command, serving

from intendant.model.server import registration

SLOW = {"prompt": "a", "temperature": 0}
"""As long as the context is."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_letters(tmp_path_factory.mktemp("letters") / "letters.gguf")


NARROW = ("--slots", "1", "--queue", "2", "--context", str(CONTEXT))


@pytest.fixture(scope="module")
def narrow(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One slot, two places in the queue, the longest context."""
    with serving(model, tmp_path_factory.mktemp("narrow"), *NARROW) as found:
        yield found


def test_only_who_has_the_key_comes_in(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, key="the right key") as server:
        assert server.openai.models.list().data[0].id == "letters" and server.said["key"] is True
        for wrong in ("wrong", "the right ke", "the right key2", "the r\u00edght key"):
            answer = server.http.get("/v1/models", headers={"Authorization": f"Bearer {wrong}".encode()})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        with pytest.raises(openai.AuthenticationError):
            server.openai.with_options(api_key="wrong").models.list()
        for path, status in (("/metrics", 401), ("/v1/completions", 401), ("/health", 200)):
            assert server.http.get(path, headers={"Authorization": ""}).status_code == status


def test_without_a_key_only_this_machine_is_served(model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        serve_command(model, "--host", "0.0.0.0"),
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        check=False,
    )
    said = json.loads(done.stdout)
    assert (done.returncode, said["error"]["code"]) == (1, "policy") and "INTENDANT_MODEL_KEY" in said["error"]["hint"]


def test_with_a_key_other_machines_are_served(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--host", "0.0.0.0", key="k") as server:
        answer = httpx.get(
            f"http://127.0.0.1:{server.port}/v1/models", headers={"Authorization": "Bearer k", "Host": "gpu-box"}
        )
        assert answer.status_code == 200


def test_a_taken_port_is_said_with_the_mend(model: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            serve_command(model, "--port", port), capture_output=True, text=True, env=environment(tmp_path), check=False
        )
    assert done.returncode == 2 and f"port {port} can't be used" in json.loads(done.stdout)["error"]["message"]


def test_a_full_queue_says_when_to_come_back_and_others_get_their_turn(narrow: Serving) -> None:
    def short() -> str:
        return (
            narrow.openai.completions.create(model="letters", prompt="a", temperature=0, max_tokens=3).choices[0].text
        )

    with ThreadPoolExecutor(2) as pool:
        with narrow.held():
            waiting = [pool.submit(short) for _ in range(2)]
            narrow.until("intendant_model_queue_length", 2)
            with pytest.raises(openai.RateLimitError) as e:
                short()
            assert e.value.code == "queue_full" and int(e.value.response.headers["Retry-After"]) >= 1
            assert not any(w.done() for w in waiting)
        assert [w.result() for w in waiting] == ["bcd", "bcd"]
    assert narrow.metric("intendant_model_refused_total", reason="queue_full") == 1
    narrow.until("intendant_model_running", 0)


def test_a_client_that_leaves_its_stream_stops_the_generation(narrow: Serving) -> None:
    left, written = (narrow.metric(n) for n in ("intendant_model_disconnects_total", "llamacpp:tokens_predicted_total"))
    with narrow.held():
        narrow.until("intendant_model_running", 1)
    narrow.until("intendant_model_disconnects_total", left + 1)
    narrow.until("llamacpp:requests_processing", 0)
    assert narrow.metric("intendant_model_running") == 0
    assert narrow.metric("llamacpp:tokens_predicted_total") < written + CONTEXT * 0.9


def test_a_client_that_leaves_before_the_answer_stops_the_generation(narrow: Serving) -> None:
    left, written = (narrow.metric(n) for n in ("intendant_model_disconnects_total", "llamacpp:tokens_predicted_total"))
    with pytest.raises(httpx.ReadTimeout):
        narrow.http.post("/v1/completions", json=SLOW, timeout=0.3)
    narrow.until("intendant_model_disconnects_total", left + 1)
    narrow.until("llamacpp:requests_processing", 0)
    assert narrow.metric("llamacpp:tokens_predicted_total") < written + CONTEXT * 0.9


def test_a_client_that_leaves_the_queue_takes_no_slot(narrow: Serving) -> None:
    left = narrow.metric("intendant_model_disconnects_total")
    with narrow.held():
        with pytest.raises(httpx.ReadTimeout):
            narrow.http.post("/v1/completions", json=SLOW, timeout=0.2)
        narrow.until("intendant_model_disconnects_total", left + 1)
        assert [narrow.metric(f"intendant_model_{n}") for n in ("queue_length", "running")] == [0, 1]
    narrow.until("intendant_model_running", 0)


def test_what_takes_too_long_is_stopped_and_said(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--timeout", "0.5", "--slots", "1", "--context", str(CONTEXT)) as server:
        answer = server.http.post("/v1/completions", json=SLOW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        streamed = server.http.post("/v1/completions", json={**SLOW, "stream": True}).text
        assert json.loads(streamed.strip().split("data: ")[-1])["error"]["code"] == "timeout"
        server.until("llamacpp:requests_processing", 0)
        with server.held():  # a client that doesn't read keeps its slot no longer than anybody
            server.until("intendant_model_refused_total", 3)
            server.until("intendant_model_running", 0)


def test_who_says_nothing_is_not_listened_to_for_ever(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--timeout", "0.5") as server:
        for words in (b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
                client.sendall(words)
                assert client.recv(100) == b""
        body = b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            client.sendall(body)
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_who_still_sends_when_it_is_refused_can_send_on_and_reads_the_answer(narrow: Serving) -> None:
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=30) as client:
        client.sendall(head)
        for _ in range(3):
            time.sleep(0.1)
            client.sendall(b"a" * 100_000)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 404 ") and json.loads(answer.split(b"\r\n\r\n")[1])["error"]["message"]


def test_a_stopped_server_finishes_what_runs_and_refuses_the_rest(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, *NARROW) as server, ThreadPoolExecutor(1) as pool:
        asked = {"model": "letters", "prompt": "a", "temperature": 0, "max_tokens": 12_000}
        stream = server.openai.completions.create(**asked, stream=True)
        first = next(stream).choices[0].text
        waiting = pool.submit(lambda: server.http.post("/v1/completions", json=SLOW).status_code)
        server.until("intendant_model_queue_length", 1)
        server.process.send_signal(signal.SIGTERM)
        assert waiting.result() == 503
        statuses = set()
        with pytest.raises(httpx.TransportError):
            while True:  # the listening socket closes at the server's next look
                statuses.add(server.http.post("/v1/completions", json=SLOW).status_code)
                time.sleep(0.02)
        assert statuses <= {503}
        pieces = list(stream)
        assert len(first + "".join(p.choices[0].text for p in pieces)) == 12_000
        assert pieces[-1].choices[0].finish_reason == "length"
        assert server.process.wait(20) == 0


def test_a_stopped_server_waits_no_longer_than_it_may(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--grace", "1", *NARROW) as server, server.held():
        assert server.stop() == 0


def test_a_model_is_loaded_once_on_a_machine(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serving(model, tmp_path) as server:
        done = subprocess.run(
            serve_command(model, "--port", "0"), capture_output=True, text=True, env=environment(tmp_path), check=False
        )
        said = json.loads(done.stdout)
        assert (done.returncode, said["already"], said["serving"]) == (0, True, server.url)
        assert [r.url for r in registration.running()] == [server.url]
        server.process.kill()
        server.process.wait()
        assert registration.running() == []
        with serving(model, tmp_path) as next_one:
            assert next_one.said["already"] is False
            assert next_one.stop() == 0
    assert registration.running() == []


def test_two_that_start_at_once_load_it_once(model: Path, tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            serve_command(model, "--port", "0"), stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
        )
        for _ in range(2)
    ]
    try:
        said = [json.loads(p.stdout.readline()) for p in both if p.stdout]
        assert sorted(s["already"] for s in said) == [False, True] and said[0]["serving"] == said[1]["serving"]
    finally:
        for p in both:
            p.kill()
            p.communicate()
