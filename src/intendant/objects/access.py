"""Where object storage is and with which keys it is spoken to, as settings and the standard AWS variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from intendant.errors import WorkspaceError
from intendant.types import Json

__all__ = ["CREDENTIALS", "Access"]

CREDENTIALS = ("access_key", "secret_key", "session_token")
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class Access:
    """`host` (with its port) is "" for Amazon's own; without `access_key` requests are not signed."""

    region: str
    scheme: str = "https"
    host: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Json], where: str) -> Access:
        """From `endpoint`, `region`, `access_key`, `secret_key`, `session_token` and `anonymous`.

        Without keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN are used, without an endpoint
        AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; no other place is searched, so that nobody undeclared is asked for keys.
        Raises WorkspaceError for keys that are missing or an endpoint that is none.
        """
        return cls(
            **_region(config), **_endpoint(config, where), **({} if config.get("anonymous") else _keys(config, where))
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no error may show."""
        return tuple(s for s in (self.access_key, self.secret_key, self.session_token) if s)


def _keys(config: Mapping[str, Json], where: str) -> dict[str, str]:
    given = any(config.get(name) for name in CREDENTIALS)
    found = {
        key: str(config.get(key) or "") if given else os.environ.get(name, "")
        for key, name in zip(CREDENTIALS, VARIABLES, strict=True)
    }
    for key in CREDENTIALS[:2]:
        if not found[key]:
            raise WorkspaceError(
                f"The S3 storage needs {key}",
                where=where,
                hint=(
                    'Write access_key = "${NAME}" and secret_key = "${NAME}", set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, '
                    "or say anonymous = true for a public bucket."
                ),
            )
    return found


def _region(config: Mapping[str, Json]) -> dict[str, str]:
    region = config.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return {"region": str(region)}


def _endpoint(config: Mapping[str, Json], where: str) -> dict[str, str]:
    endpoint = str(
        config.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    )
    if not endpoint:
        return {}
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        raise WorkspaceError(
            "endpoint must be an http or https address of a host",
            where=where,
            hint='Write endpoint = "https://minio.example.com:9000".',
        )
    return {"scheme": parts.scheme, "host": parts.netloc}
