"""The model server under load: 32 clients at once for a minute, and how much of their prompts was computed once.

    python bench/server.py [--seconds 60] [--clients 32]

The model is made on the spot and small, so what is measured is the server: its queue, its slots, its HTTP. Clients send chats
that share a long beginning, wait when they are told to (429 with Retry-After), and check every answer. Writes bench/server.md.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.model.letters import make_letters
from tests.model.serving import Serving, serving

PAGE = Path(__file__).with_suffix(".md")
SHARED = "You turn requests about tables into plans. " * 40
TOKENS = 24


class Client(threading.Thread):
    """Asks one thing after another until `end`; answers that are not as they must be are errors."""

    def __init__(self, url: str, number: int, end: float) -> None:
        super().__init__()
        self.url, self.number, self.end = url, number, end
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.waits = 0

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=120) as http:
            n = 0
            while time.monotonic() < self.end:
                n += 1
                self.one(http, f"client {self.number} asks {n}")

    def one(self, http: httpx.Client, question: str) -> None:
        messages = [{"role": "system", "content": SHARED}, {"role": "user", "content": question}]
        asked = {"model": "default", "messages": messages, "max_tokens": TOKENS, "temperature": 0}
        started = time.monotonic()
        while True:
            try:
                answer = http.post("/v1/chat/completions", json=asked)
            except httpx.HTTPError as e:
                self.errors.append(type(e).__name__)
                return
            if answer.status_code != 429:
                break
            self.waits += 1
            time.sleep(min(float(answer.headers.get("Retry-After", "1")), 2.0))
        said = answer.json()["choices"][0]["message"]["content"] if answer.status_code == 200 else ""
        if said != "abcdefghijklmnopqrstuvwxyz"[:TOKENS]:
            self.errors.append(f"{answer.status_code} {said[:40]!r}")
        self.seconds.append(time.monotonic() - started)


def measured(server: Serving, count: int, seconds: float) -> str:
    end = time.monotonic() + seconds
    clients = [Client(server.url, n, end) for n in range(count)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    spent = sorted(s for c in clients for s in c.seconds)
    errors = [e for c in clients for e in c.errors]
    reused = server.metric("llamacpp:prompt_tokens_cached_total")
    computed = server.metric("llamacpp:prompt_tokens_total")
    lines = [
        "# The model server under load",
        "",
        f"{count} clients for {seconds:.0f} s, {TOKENS} tokens an answer, a shared beginning of {len(SHARED):,} characters; "
        f"client and server on the same cores ({platform.machine()}). `python bench/server.py` repeats it.",
        "",
        "| answers | a second | median | 95th percentile | told to wait | errors |",
        "|---|---|---|---|---|---|",
        f"| {len(spent):,} | {len(spent) / seconds:.1f} | {1000 * statistics.median(spent):.0f} ms "
        f"| {1000 * spent[int(0.95 * len(spent))]:.0f} ms | {sum(c.waits for c in clients):,} | {len(errors)} |",
        "",
        f"Prompt tokens computed {computed:,.0f}, taken from the cache {reused:,.0f}.",
    ]
    if errors:
        lines += ["", f"Errors: {sorted(set(errors))[:5]}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        model = make_letters(Path(tmp) / "letters.gguf")
        with serving(model, Path(tmp) / "cache") as server:
            text = measured(server, given.clients, given.seconds)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
