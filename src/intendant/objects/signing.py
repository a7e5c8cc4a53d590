"""AWS Signature Version 4: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from intendant.objects.access import Access

__all__ = ["encoded", "query_text", "signed"]


def encoded(text: str, *, safe: str = "-_.~") -> str:
    """The text percent-encoded as signatures want it."""
    return quote(text, safe=safe)


def query_text(query: Mapping[str, str]) -> str:
    """A query in the order in which it is signed."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(query.items()))


def signed(
    access: Access,
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    digest: str,
    now: datetime,
) -> dict[str, str]:
    """The headers of a request with its signature; `path` is encoded, `digest` is the body's SHA-256 in hex."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    out = {**headers, "host": host, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    if not access.access_key:
        return out
    if access.session_token:
        out["x-amz-security-token"] = access.session_token
    names = sorted(name.lower() for name in out)
    lower = {name.lower(): " ".join(value.split()) for name, value in out.items()}
    request = "\n".join(
        [method, path, query_text(query), *(f"{n}:{lower[n]}" for n in names), "", ";".join(names), digest]
    )
    scope = f"{stamp[:8]}/{access.region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{access.secret_key}".encode()
    for part in (stamp[:8], access.region, "s3", "aws4_request"):
        key = _mac(key, part)
    out["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access.access_key}/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={_mac(key, text).hex()}"
    )
    return out


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
