"""What a request is refused with, in the shape of OpenAI's errors."""

from __future__ import annotations

import json
from dataclasses import dataclass

from intendant.types import Json

__all__ = ["Refusal", "shaped"]

KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
UNREADABLE = "Failed to parse"
"""How llama.cpp's message begins when messages or tools can't be read, though it calls that its own fault."""
TOO_LONG = "exceed_context_size_error"


@dataclass
class Refusal(Exception):
    """`status` is HTTP's; `retry_after` in whole seconds, 0 for never; `close` when the connection can't go on."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int = 0
    close: bool = False

    def body(self) -> dict[str, Json]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    @property
    def reason(self) -> str:
        """One word for the metrics."""
        return self.code or self.kind


def shaped(status: int, body: bytes) -> Refusal:
    """An error of llama.cpp's server as a Refusal."""
    try:
        said = json.loads(body)["error"]
        message, kind = str(said["message"]), str(said.get("type", ""))
    except (ValueError, KeyError, TypeError):
        message, kind = "the model server gave an error without words", "server_error"
    if kind == TOO_LONG:
        return Refusal(400, message, code="context_length_exceeded", param="messages")
    if status >= 500 and (kind == "invalid_request_error" or message.startswith(UNREADABLE)):
        status = 400
    return Refusal(status, message, KINDS.get(status, "server_error"))
