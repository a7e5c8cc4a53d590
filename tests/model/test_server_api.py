"""The official OpenAI client speaks with the model server: what it asks for it gets, and errors in its own words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.model.letters import make_letters
from tests.model.serving import Serving, serving

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CONTEXT = 8192
IMAGE = (
    b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("api")
    with serving(make_letters(folder / "letters.gguf"), folder, "--context", str(CONTEXT)) as found:
        yield found


@pytest.fixture
def client(server: Serving) -> OpenAI:
    return server.openai


def test_the_model_is_listed_with_what_it_is(client: OpenAI) -> None:
    models = client.models.list().data
    assert [m.id for m in models] == ["letters"] == [client.models.retrieve("letters").id]
    meta = models[0].model_dump()["meta"]
    assert (meta["parameters"], meta["vocabulary"], meta["context"], meta["chat"]) == (214_560, 259, CONTEXT, True)


def test_a_chat_is_answered(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="letters", messages=HELLO, temperature=0, max_tokens=5)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("abcde", "length")
    assert answer.usage is not None and answer.usage.completion_tokens == 5


def test_a_text_is_completed_until_the_model_ends_it(client: OpenAI) -> None:
    answer = client.completions.create(model="default", prompt="so?", temperature=0)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("!", "stop")


def test_token_numbers_are_a_prompt_too(client: OpenAI) -> None:
    answer = client.completions.create(model="letters", prompt=[ord("x")], temperature=0, max_tokens=3)
    assert answer.choices[0].text == "yz "


def test_an_answer_stops_at_a_word(client: OpenAI) -> None:
    answer = client.completions.create(model="letters", prompt="a", temperature=0, max_tokens=50, stop=["fg", "q"])
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("bcde", "stop")


def test_a_chat_comes_in_pieces_with_its_usage_at_the_end(client: OpenAI) -> None:
    pieces = list(
        client.chat.completions.create(
            model="letters",
            messages=HELLO,
            temperature=0,
            max_tokens=30,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    said = [p.choices[0].delta.content or "" for p in pieces if p.choices]
    assert "".join(said) == "abcdefghijklmnopqrstuvwxyz abc" and len(said) > 20
    assert pieces[-1].usage is not None and pieces[-1].usage.completion_tokens == 30


def test_a_completion_comes_in_pieces(client: OpenAI) -> None:
    pieces = client.completions.create(model="letters", prompt="v", temperature=0, max_tokens=4, stream=True)
    assert "".join(p.choices[0].text for p in pieces) == "wxyz"


def test_the_same_seed_gives_the_same_text_and_another_another(client: OpenAI) -> None:
    def said(seed: int) -> str:
        answer = client.completions.create(
            model="letters",
            prompt="0",
            seed=seed,
            temperature=1,
            max_tokens=40,
            extra_body={"grammar": "root ::= [a-z]*"},
        )
        return answer.choices[0].text

    assert said(1) == said(1) != said(2)


def test_an_answer_follows_a_json_schema(client: OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"severity": {"enum": ["LOW", "HIGH"]}, "sure": {"type": "boolean"}},
        "required": ["severity", "sure"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="letters", messages=HELLO, temperature=0, max_tokens=100,
        response_format={"type": "json_schema", "json_schema": {"name": "level", "schema": schema, "strict": True}},
    )  # fmt: skip
    said = json.loads(answer.choices[0].message.content or "")
    assert set(said) == {"severity", "sure"} and said["severity"] in ("LOW", "HIGH") and said["sure"] in (True, False)


@pytest.mark.parametrize(
    "format", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": {"enum": [7]}}}]
)
def test_a_completion_takes_a_format_like_a_chat(format: dict[str, Any], client: OpenAI) -> None:
    answer = client.completions.create(
        model="letters", prompt="a", temperature=0, max_tokens=20, extra_body={"response_format": format}
    )
    assert answer.choices[0].text.startswith("{" if format["type"] == "json_object" else "7")


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#/nowhere"}, {"type": "strange"}, {"type": "string", "format": "strange"}, {"not": {"type": "string"}}],
)
@pytest.mark.parametrize("again", [False, True])
def test_a_schema_that_would_not_be_held_is_refused(schema: dict[str, Any], again: bool, client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as e:
        client.chat.completions.create(
            model="letters", messages=HELLO, max_tokens=3,
            response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
        )  # fmt: skip
    assert (e.value.code, e.value.param) == ("unsupported_schema", "response_format")


def test_an_answer_follows_a_grammar(client: OpenAI) -> None:
    grammar = {"grammar": 'root ::= "check orders" | "drop orders"'}
    answer = client.chat.completions.create(model="letters", messages=HELLO, temperature=0, extra_body=grammar)
    assert answer.choices[0].message.content in ("check orders", "drop orders")


def test_a_token_can_be_made_likelier(client: OpenAI) -> None:
    bias = {str(ord("q")): 100}
    answer = client.completions.create(model="letters", prompt="a", temperature=0, max_tokens=2, logit_bias=bias)
    assert answer.choices[0].text == "qq"


def test_a_chat_tells_how_likely_its_tokens_were(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="letters", messages=HELLO, temperature=0, max_tokens=2, logprobs=True, top_logprobs=3
    )
    found = answer.choices[0].logprobs
    assert found is not None and found.content is not None
    assert [(t.token, round(t.logprob, 3), len(t.top_logprobs)) for t in found.content] == [("a", 0, 3), ("b", 0, 3)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_tells_how_likely_its_tokens_were(stream: bool, client: OpenAI) -> None:
    answer: Any = client.completions.create(
        model="letters", prompt="a", temperature=0, max_tokens=3, logprobs=2, stream=stream
    )
    found = [p.choices[0].logprobs for p in (answer if stream else [answer])]
    assert [t for f in found if f for t in f.tokens] == ["b", "c", "d"]
    assert [n for f in found if f for n in f.text_offset] == [0, 1, 2]
    assert all(
        len(o) == 2 and x > -0.01 for f in found if f for o, x in zip(f.top_logprobs, f.token_logprobs, strict=True)
    )


def test_a_prefix_that_comes_again_is_computed_once(server: Serving, client: OpenAI) -> None:
    prefix = "These are the tables of the workspace. " * 100

    def asked(question: str) -> tuple[int, float, float]:
        before = server.metric("llamacpp:prompt_tokens_total"), server.metric("llamacpp:prompt_tokens_cached_total")
        answer = client.completions.create(model="letters", prompt=prefix + question, temperature=0, max_tokens=2)
        after = server.metric("llamacpp:prompt_tokens_total"), server.metric("llamacpp:prompt_tokens_cached_total")
        assert answer.usage is not None and answer.usage.prompt_tokens_details is not None
        return answer.usage.prompt_tokens_details.cached_tokens or 0, after[0] - before[0], after[1] - before[1]

    assert asked("which?") == (0, len(prefix) + 6, 0)
    reused, computed, counted = asked("what?")
    assert reused == counted >= len(prefix) and computed <= 6


def test_eight_requests_at_once_are_all_answered_right(client: OpenAI) -> None:
    def asked(letter: str) -> str:
        return client.completions.create(model="letters", prompt=letter, temperature=0, max_tokens=200).choices[0].text

    circle = "abcdefghijklmnopqrstuvwxyz " * 9
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(asked, "abcdefgh"))
    assert said == [circle[i + 1 : i + 201] for i in range(8)]


@pytest.mark.parametrize(
    ("asked", "error", "code", "param"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found", "model"),
        ({"prompt": "a" * (CONTEXT + 1)}, openai.BadRequestError, "context_length_exceeded", "messages"),
        ({"prompt": ""}, openai.BadRequestError, "missing_required_parameter", "prompt"),
        ({"prompt": ["a", "b"]}, openai.BadRequestError, "invalid_type", "prompt"),
        ({"temperature": "hot"}, openai.BadRequestError, "invalid_type", "temperature"),
        ({"temperature": -1}, openai.BadRequestError, "invalid_value", "temperature"),
        ({"max_tokens": 0}, openai.BadRequestError, "invalid_value", "max_tokens"),
        ({"max_tokens": True}, openai.BadRequestError, "invalid_type", "max_tokens"),
        ({"logprobs": 21}, openai.BadRequestError, "invalid_value", "logprobs"),
        ({"n": 2}, openai.BadRequestError, "invalid_value", "n"),
        ({"extra_body": {"id_slot": 0}}, openai.BadRequestError, "unknown_parameter", "id_slot"),
        ({"logit_bias": {"x": 5}}, openai.BadRequestError, "invalid_value", "logit_bias"),
        ({"extra_body": {"samplers": ["magic"]}}, openai.BadRequestError, "invalid_value", "samplers"),
        (
            {"extra_body": {"response_format": {"type": "xml"}}},
            openai.BadRequestError,
            "invalid_value",
            "response_format",
        ),
        ({"extra_body": {"grammar": "a" * 65_537}}, openai.BadRequestError, "invalid_value", "grammar"),
        ({"extra_body": {"grammar": "%llguidance {}"}}, openai.BadRequestError, "invalid_value", "grammar"),
        (
            {"extra_body": {"grammar": 'root ::= "a"', "json_schema": {}}},
            openai.BadRequestError,
            "invalid_value",
            "grammar",
        ),
        ({"extra_body": {"grammar": 'root ::= root "a"'}}, openai.BadRequestError, None, None),
        ({"extra_body": {"grammar": "no grammar"}}, openai.BadRequestError, None, None),
    ],
)
def test_what_can_t_be_is_refused_in_the_shape_of_openai(
    asked: dict[str, Any], error: type[openai.APIStatusError], code: str | None, param: str | None, client: OpenAI
) -> None:
    with pytest.raises(error) as e:
        client.completions.create(**{"model": "letters", "prompt": "a", "max_tokens": 3, **asked})
    body: Any = e.value.body
    assert (body["code"], body["param"]) == (code, param) and set(body) == {"message", "type", "param", "code"}
    assert body["message"]


def test_a_chat_that_is_too_long_is_refused_even_as_a_stream(client: OpenAI) -> None:
    long: list[Any] = [{"role": "user", "content": "a" * CONTEXT}]
    with pytest.raises(openai.BadRequestError) as e:
        client.chat.completions.create(model="letters", messages=long, stream=True)
    assert e.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/completions", b"{", 400, "invalid_json"),
        ("POST", "/v1/completions", b"[]", 400, "invalid_json"),
        ("POST", "/v1/completions", b'{"prompt": "a", "temperature": NaN}', 400, "invalid_json"),
        ("POST", "/v1/completions", b"[" * 200_000, 400, "invalid_json"),
        ("POST", "/v1/completions", b'{"prompt": "\\ud800"}', 400, "invalid_json"),
        ("POST", "/v1/completions", b"a" * 1_000_001, 413, "body_too_large"),
        ("POST", "/v1/chat/completions", b'{"messages": ["hello"]}', 400, "invalid_type"),
        ("POST", "/v1/chat/completions", IMAGE, 400, "invalid_value"),
        ("POST", "/v1/chat/completions", b'{"messages": [{"role": "user", "content": "a"}], "tools": [5]}', 400, None),
        ("POST", "/v1/embeddings", b"{}", 404, "unknown_url"),
        ("GET", "/v1/completions", b"", 405, "method_not_allowed"),
        ("GET", "/v1/models/other", b"", 404, "model_not_found"),
        ("GET", "/slots", b"", 404, "unknown_url"),
    ],
)
def test_a_request_that_is_none_gets_the_right_status(
    method: str, path: str, body: bytes, status: int, code: str | None, server: Serving
) -> None:
    answer = server.http.request(method, path, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_site_that_names_this_machine_otherwise_is_refused(server: Serving) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert server.http.get("/v1/models", headers=headers).status_code == 403
    assert server.http.get("/v1/models", headers={"Origin": server.url}).status_code == 200


def test_health_and_metrics_tell_how_it_goes(server: Serving, client: OpenAI) -> None:
    before = server.metric("intendant_model_requests_total", route="/v1/completions", status="200")
    client.completions.create(model="letters", prompt="a", temperature=0, max_tokens=3)
    assert server.metric("intendant_model_requests_total", route="/v1/completions", status="200") == before + 1
    assert server.metric("intendant_model_request_seconds_count", route="/v1/completions") >= before + 1
    assert server.metric("intendant_model_slots") == 4
    assert server.metric("llamacpp:tokens_predicted_total") >= 3
    assert server.http.get("/health").json() == {"status": "ok"}
