"""Log-probabilities of text completions in the older shape that OpenAI's clients read there."""

from __future__ import annotations

import json

from intendant.types import Json

__all__ = ["with_legacy", "with_legacy_event"]


def with_legacy(answer: dict[str, Json], offset: int = 0) -> dict[str, Json]:
    """The answer, each choice's `logprobs` having tokens, token_logprobs, top_logprobs and text_offset beside content."""
    for choice in answer.get("choices", ()):
        found = (choice.get("logprobs") or {}).get("content")
        if found is None:
            continue
        starts, at = [], offset
        for t in found:
            starts.append(at)
            at += len(t["token"])
        choice["logprobs"] |= {
            "tokens": [t["token"] for t in found],
            "token_logprobs": [t["logprob"] for t in found],
            "top_logprobs": [{o["token"]: o["logprob"] for o in t.get("top_logprobs", ())} for t in found],
            "text_offset": starts,
        }
    return answer


def with_legacy_event(line: str, offset: int) -> tuple[str, int]:
    """A line of a stream likewise, and the length of the text so far."""
    if not line.startswith("data: {"):
        return line, offset
    answer = with_legacy(json.loads(line.removeprefix("data: ")), offset)
    written = sum(len(c.get("text") or "") for c in answer.get("choices", ()))
    return f"data: {json.dumps(answer, ensure_ascii=False)}", offset + written
