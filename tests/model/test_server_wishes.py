"""Whatever a body holds, it is a wish that llama.cpp can take, or a refusal with its reason."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from intendant.model.server.refusal import Refusal
from intendant.model.server.wishes import CHAT, COMPLETION, FIELDS, ONLY, WITHOUT_EFFECT, read_wish

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["role", "type"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = sorted({*FIELDS[CHAT], *FIELDS[COMPLETION], *ONLY, *WITHOUT_EFFECT})
BODIES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), ANY, max_size=4)


@given(st.sampled_from([CHAT, COMPLETION]), BODIES)
def test_a_body_is_a_wish_or_a_refusal(path: str, body: dict[str, Any]) -> None:
    whole = {"prompt": "a", **body} if path == COMPLETION else {"messages": [{"role": "user", "content": "a"}], **body}
    try:
        wish = read_wish(path, json.dumps(whole).encode(), "letters")
    except Refusal as e:
        assert e.status in (400, 404) and e.message
    else:
        assert wish["model"] == "letters" and set(wish) <= {*FIELDS[path], "json_schema"}
        json.dumps(wish, ensure_ascii=False, allow_nan=False).encode()


@given(st.binary(max_size=60))
def test_bytes_are_a_wish_or_a_refusal(body: bytes) -> None:
    try:
        read_wish(COMPLETION, body, "letters")
    except Refusal as e:
        assert e.status in (400, 404)


def test_what_openai_s_own_service_needs_is_taken_and_left_out() -> None:
    body = {
        "messages": [{"role": "user", "content": "a"}],
        "user": "u",
        "store": True,
        "n": 1,
        "max_completion_tokens": 5,
    }
    wish = read_wish(CHAT, json.dumps(body).encode(), "letters")
    assert wish == {"model": "letters", "messages": body["messages"], "max_tokens": 5}
