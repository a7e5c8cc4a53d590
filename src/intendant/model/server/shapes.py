"""What shape an answer must have: a JSON schema or a GBNF grammar, and the proof that the engine will hold it.

llama.cpp writes freely when it can't follow a schema, and says nothing. So each schema is tried once with one token:
letters that begin no JSON are made the likeliest; where one of them comes out, nothing holds the answer.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from intendant.model.server.refusal import Refusal, shaped
from intendant.types import Json

if TYPE_CHECKING:
    import httpx

__all__ = ["Shapes", "with_shape"]

LARGEST = 65_536
"""Characters of a schema or a grammar: larger ones hold up everybody."""
NO_JSON = "#!@"
LIKELY = 100
KEPT = 256
OBJECT = {"type": "object"}


def with_shape(wish: dict[str, Json]) -> dict[str, Json]:
    """The wish with `response_format` as `json_schema`, checked. Raises Refusal."""
    schema = schema_of(wish.pop("response_format", None))
    if schema is not None:
        wish["json_schema"] = schema
    grammar = wish.get("grammar", "")
    if grammar and "json_schema" in wish:
        raise refused("grammar", "an answer follows a grammar or a JSON schema, not both")
    if grammar.lstrip().startswith("%"):
        raise refused("grammar", "the grammar must be GBNF")
    for field in ("grammar", "json_schema"):
        if field in wish and len(json.dumps(wish[field])) > LARGEST:
            raise refused(field, f"{field} is larger than {LARGEST:,} characters")
    return wish


def schema_of(wanted: Json) -> Json:
    """The schema of OpenAI's `response_format`, or None for free text."""
    if wanted is None or wanted.get("type") == "text":
        return None
    if wanted.get("type") == "json_object":
        return wanted.get("schema") or OBJECT
    inner = wanted.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if wanted.get("type") != "json_schema" or not isinstance(schema, dict):
        raise refused(
            "response_format",
            'it must be {"type": "json_schema", "json_schema": {"schema": {...}}}, json_object or text',
        )
    return schema


def refused(field: str, message: str, code: str = "invalid_value") -> Refusal:
    return Refusal(400, message, code=code, param=field)


class Shapes:
    """Remembers which schemas the engine holds."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.known: OrderedDict[bytes, bool] = OrderedDict()

    async def check(self, wish: dict[str, Json]) -> None:
        """Raises Refusal when the engine would not hold the wish's schema."""
        if "json_schema" not in wish:
            return
        schema = wish["json_schema"]
        key = hashlib.sha256(json.dumps(schema).encode()).digest()
        if key not in self.known:
            self.known[key] = await self.holds(schema)
            if len(self.known) > KEPT:
                self.known.popitem(last=False)
        if not self.known[key]:
            raise refused(
                "response_format",
                "the schema can't be followed: it has a keyword, a format or a reference that the engine doesn't know",
                "unsupported_schema",
            )

    async def holds(self, schema: Json) -> bool:
        bias = [[letter, LIKELY] for letter in NO_JSON]
        tried = {"prompt": [0], "max_tokens": 1, "temperature": 0, "cache_prompt": False}
        answer = await self.client.post("/v1/completions", json={**tried, "json_schema": schema, "logit_bias": bias})
        if answer.status_code != 200:
            raise shaped(answer.status_code, answer.content)
        return not str(answer.json()["choices"][0]["text"]).startswith(tuple(NO_JSON))
