"""An answer in one piece from the events of a stream.

The engine is always asked for a stream: only there does it notice that its client has left, and stop.
"""

from __future__ import annotations

import json

from intendant.model.server.refusal import Refusal, shaped
from intendant.types import Json

__all__ = ["Assembly"]

DATA = "data: "
DONE = "[DONE]"
COMMON = ("id", "created", "model", "system_fingerprint", "usage", "timings")


class Assembly:
    """Takes the lines of a stream with one choice; `answer` is what the same request without `stream` gives."""

    def __init__(self, *, chat: bool) -> None:
        self.chat = chat
        self.common: dict[str, Json] = {}
        self.texts: dict[str, str] = {}
        self.calls: dict[int, dict[str, Json]] = {}
        self.likely: list[Json] = []
        self.finish: str | None = None

    def add(self, line: str) -> None:
        """A line of the stream. Raises Refusal for an error that came instead of an answer."""
        if not line.startswith(DATA) or line == DATA + DONE:
            return
        event = json.loads(line.removeprefix(DATA))
        if "error" in event:
            status = event["error"].get("code")
            raise shaped(status if isinstance(status, int) else 500, json.dumps(event).encode())
        self.common |= {k: event[k] for k in COMMON if event.get(k) is not None}
        for choice in event.get("choices") or ():
            self.finish = choice.get("finish_reason") or self.finish
            self.likely += (choice.get("logprobs") or {}).get("content") or ()
            for key, value in (choice.get("delta") or {"text": choice.get("text")}).items():
                self.part(key, value)

    def part(self, key: str, value: Json) -> None:
        if key == "tool_calls":
            for call in value or ():
                self.call(call)
        elif key != "role" and isinstance(value, str):
            self.texts[key] = self.texts.get(key, "") + value

    def call(self, part: dict[str, Json]) -> None:
        """A tool's name comes once, its arguments in pieces."""
        known = self.calls.setdefault(
            int(part.get("index", 0)), {"type": "function", "function": {"name": "", "arguments": ""}}
        )
        known |= {k: part[k] for k in ("id", "type") if part.get(k)}
        for key, value in (part.get("function") or {}).items():
            known["function"][key] = known["function"].get(key, "") + (value or "")

    def answer(self) -> dict[str, Json]:
        """The whole answer. Raises Refusal when the stream had no end."""
        if self.finish is None:
            raise Refusal(502, "the engine's answer has no end", "server_error", "engine")
        choice: dict[str, Json] = {"index": 0, "finish_reason": self.finish}
        choice["logprobs"] = {"content": self.likely} if self.likely else None
        if self.chat:
            choice["message"] = {"role": "assistant", "content": "", **self.texts}
            if self.calls:
                choice["message"]["tool_calls"] = [self.calls[i] for i in sorted(self.calls)]
        else:
            choice["text"] = self.texts.get("text", "")
        return {"object": "chat.completion" if self.chat else "text_completion", "choices": [choice], **self.common}
