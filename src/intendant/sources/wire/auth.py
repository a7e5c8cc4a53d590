"""How a request proves who asks: headers and query parameters, and which of their values are secrets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from intendant.errors import WorkspaceError, did_you_mean
from intendant.types import Json

__all__ = ["Auth"]

KINDS = ("bearer", "basic", "api_key")


@dataclass(frozen=True)
class Auth:
    """Headers and query parameters that every request carries; `secrets` are the texts no error may show."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, Json], where: str) -> Auth:
        """One of {bearer}, {basic = {user, password}}, {api_key = {header | query, value}}; {} is no auth."""
        if not config:
            return cls()
        for key in config:
            if key not in KINDS:
                raise WorkspaceError(f"auth.{key} is not a way to sign in", where=where,
                                     hint=did_you_mean(key, KINDS, "way"))
        if len(config) > 1:
            raise WorkspaceError("auth names two ways to sign in", where=where, hint=f"Keep one of {', '.join(KINDS)}.")
        if "bearer" in config:
            token = _text(config["bearer"], "auth.bearer", where)
            return cls({"Authorization": f"Bearer {token}"}, {}, (token,))
        if "basic" in config:
            return cls.basic(config["basic"], where)
        return cls.api_key(config["api_key"], where)

    @classmethod
    def basic(cls, config: Json, where: str) -> Auth:
        if not isinstance(config, Mapping) or "user" not in config:
            raise WorkspaceError("auth.basic needs user and password", where=where)
        user = _text(config["user"], "auth.basic.user", where)
        password = str(config.get("password", ""))
        joined = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls({"Authorization": f"Basic {joined}"}, {}, tuple(s for s in (password, joined) if s))

    @classmethod
    def api_key(cls, config: Json, where: str) -> Auth:
        if not isinstance(config, Mapping) or "value" not in config or ("header" in config) == ("query" in config):
            raise WorkspaceError("auth.api_key needs value and one of header or query", where=where,
                                 hint='Write auth = { api_key = { header = "X-Api-Key", value = "${KEY}" } }.')
        value = _text(config["value"], "auth.api_key.value", where)
        if "header" in config:
            return cls({_text(config["header"], "auth.api_key.header", where): value}, {}, (value,))
        return cls({}, {_text(config["query"], "auth.api_key.query", where): value}, (value,))


def _text(value: Json, name: str, where: str) -> str:
    if not isinstance(value, str) or not value or any(ord(c) < 32 for c in value):
        raise WorkspaceError(f"{name} must be a text of one line that isn't empty", where=where)
    return value
