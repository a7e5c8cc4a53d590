"""What a request may ask for: known fields of the right type; anything else is refused by name, nothing is dropped silently."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from intendant.model.server.refusal import Refusal
from intendant.model.server.shapes import with_shape
from intendant.types import Json

__all__ = ["CHAT", "COMPLETION", "read_wish"]

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
NUMBER = (int, float)
BOTH: Mapping[str, tuple[type, ...]] = {
    "model": (str,),
    "max_tokens": (int,),
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_k": (int,),
    "min_p": NUMBER,
    "seed": (int,),
    "stop": (str, list),
    "stream": (bool,),
    "stream_options": (dict,),
    "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER,
    "repeat_penalty": NUMBER,
    "logit_bias": (dict,),
    "grammar": (str,),
    "json_schema": (dict,),
    "response_format": (dict,),
    "samplers": (list,),
    "cache_prompt": (bool,),
}
FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    CHAT: {
        **BOTH,
        "messages": (list,),
        "max_completion_tokens": (int,),
        "logprobs": (bool,),
        "top_logprobs": (int,),
        "tools": (list,),
        "tool_choice": (str, dict),
        "parallel_tool_calls": (bool,),
        "chat_template_kwargs": (dict,),
    },
    COMPLETION: {**BOTH, "prompt": (str, list), "logprobs": (int,), "n_probs": (int,)},
}
WITHOUT_EFFECT = ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key")
"""Fields of OpenAI's service that mean nothing on one's own machine."""
ONLY: Mapping[str, tuple[Json, ...]] = {"n": (1,), "best_of": (1,), "echo": (False,), "suffix": ("",)}
"""Fields that may only say what is so anyway."""
MOST_PROBABILITIES = 20
MOST_STOPS = 16
TOKEN = re.compile(r"[0-9]{1,9}")
SAMPLERS = ("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature")
BOUNDS: Mapping[str, tuple[float, float]] = {
    "max_tokens": (1, 2**31 - 1),
    "max_completion_tokens": (1, 2**31 - 1),
    "temperature": (0, 10),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "top_k": (0, 2**31 - 1),
    "seed": (-(2**63), 2**63 - 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "repeat_penalty": (0, 10),
    "logprobs": (0, MOST_PROBABILITIES),
    "top_logprobs": (0, MOST_PROBABILITIES),
    "n_probs": (0, MOST_PROBABILITIES),
}


def read_wish(path: str, body: bytes, name: str) -> dict[str, Json]:
    """The body as llama.cpp shall get it, for the model of this name. Raises Refusal naming the field."""
    asked = parsed(body)
    known = FIELDS[path]
    wish: dict[str, Json] = {}
    for field, value in asked.items():
        if field in WITHOUT_EFFECT or value is None:
            continue
        if field in ONLY:
            if value not in ONLY[field]:
                raise refused(field, f"{field} is {value!r}, only {ONLY[field][0]!r} is offered")
        elif field not in known:
            raise refused(field, f"{field!r} is not known here", "unknown_parameter")
        else:
            wish[field] = checked(field, value, known[field])
    if wish.get("model", name) not in (name, "default"):
        message = f"the model {wish['model']!r} is not here: this server has {name!r}"
        raise Refusal(404, message, "invalid_request_error", "model_not_found", "model")
    wish["model"] = name
    return with_shape((chat if path == CHAT else completion)(wish))


def refused(field: str, message: str, code: str = "invalid_value") -> Refusal:
    return Refusal(400, message, code=code, param=field)


def parsed(body: bytes) -> dict[str, Json]:
    try:
        asked = json.loads(body, parse_constant=_no_constant)
        json.dumps(asked, ensure_ascii=False).encode()  # half a surrogate pair is a text that nobody can send on
    except (ValueError, RecursionError) as e:
        raise Refusal(400, f"the body is not JSON: {e}"[:200], code="invalid_json") from None
    if not isinstance(asked, dict):
        raise Refusal(400, "the body is no JSON object", code="invalid_json")
    return asked


def _no_constant(word: str) -> Json:
    raise ValueError(f"{word} is no number of JSON")


def fits(value: Json, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def checked(field: str, value: Json, types: tuple[type, ...]) -> Json:
    if not fits(value, types):
        words = " or ".join(
            {"str": "text", "int": "whole number", "float": "number"}.get(t.__name__, t.__name__) for t in types
        )
        raise refused(field, f"{field} must be a {words}", "invalid_type")
    low, high = BOUNDS.get(field, (0, 0))
    if field in BOUNDS and isinstance(value, NUMBER) and not isinstance(value, bool) and not low <= value <= high:
        raise refused(field, f"{field} is {value!r}; it must be between {low} and {high}")
    if (
        field == "stop"
        and isinstance(value, list)
        and (len(value) > MOST_STOPS or not all(isinstance(s, str) and s for s in value))
    ):
        raise refused(field, f"stop must be at most {MOST_STOPS} texts")
    if field == "samplers" and not all(s in SAMPLERS for s in value):
        raise refused(field, f"samplers must be of {', '.join(SAMPLERS)}")
    return biases(value) if field == "logit_bias" else value


def biases(value: dict[str, Json]) -> list[list[Json]]:
    """OpenAI's token numbers to biases, as llama.cpp takes them."""
    for token, bias in value.items():
        if not TOKEN.fullmatch(token) or not fits(bias, NUMBER) or not -100 <= bias <= 100:
            raise refused("logit_bias", "logit_bias must give token numbers a number between -100 and 100")
    return [[int(token), bias] for token, bias in value.items()]


def chat(wish: dict[str, Json]) -> dict[str, Json]:
    messages = wish.get("messages")
    if not messages:
        raise refused("messages", "messages is missing or empty", "missing_required_parameter")
    for m in messages:
        if not isinstance(m, dict) or not isinstance(m.get("role"), str):
            raise refused("messages", "every message must be an object with a role", "invalid_type")
        parts = m.get("content")
        if isinstance(parts, list) and not all(isinstance(p, dict) and p.get("type") == "text" for p in parts):
            raise refused("messages", "only text can be read here", "invalid_value")
    if "max_completion_tokens" in wish:
        wish["max_tokens"] = wish.pop("max_completion_tokens")
    return wish


def completion(wish: dict[str, Json]) -> dict[str, Json]:
    """One prompt: a text, or token numbers."""
    prompt = wish.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = wish["prompt"] = prompt[0]
    if not prompt:
        raise refused("prompt", "prompt is missing or empty", "missing_required_parameter")
    if isinstance(prompt, list) and not all(isinstance(t, int) and not isinstance(t, bool) for t in prompt):
        raise refused("prompt", "prompt must be one text or one list of token numbers", "invalid_type")
    return wish
