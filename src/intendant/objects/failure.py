"""What object storage answers when it doesn't do what it was asked, told apart by what helps."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Failure", "Kind", "failure_of"]

Kind = Literal["missing", "taken", "refused", "busy", "unreachable", "damaged", "unable"]
"""no such object; a condition doesn't hold; no bucket, keys, region or clock; slow down; no answer; bytes that aren't what they
should be; something the storage can't do."""
CODE, MESSAGE = re.compile(r"<Code>([^<]*)</Code>"), re.compile(r"<Message>([^<]*)</Message>")
BUSY = (
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "ServiceUnavailable",
    "RequestLimitExceeded",
    "ConditionalRequestConflict",
    "OperationAborted",
)
CUT = ("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeout", "ContentSHA256Mismatch")
REGION = (
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
)
REFUSALS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("NoSuchBucket",), "There is no bucket {bucket!r}", "Check the bucket's name, and endpoint and region."),
    (
        ("InvalidAccessKeyId", "InvalidClientTokenId"),
        "The access key is not known there",
        "Check access_key, and that it belongs to this endpoint.",
    ),
    (("SignatureDoesNotMatch",), "The secret key doesn't fit the access key", "Check secret_key."),
    (
        ("ExpiredToken", "TokenRefreshRequired", "InvalidToken"),
        "The session token has expired",
        "Get a new session_token.",
    ),
    (
        ("RequestTimeTooSkewed", "RequestExpired"),
        "This machine's clock is wrong",
        "Set the clock; requests are signed with it.",
    ),
    (REGION, "The bucket {bucket!r} is in another region", "Set region to the bucket's."),
)


class Failure(Exception):
    """`kind` tells what helps; `again` whether asking once more may."""

    def __init__(self, kind: Kind, message: str, hint: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.hint, self.retry_after = kind, message, hint, retry_after

    @property
    def again(self) -> bool:
        return self.kind in ("busy", "unreachable", "damaged")


def failure_of(status: int, body: str, bucket: str, retry_after: str = "") -> Failure:
    """The failure that an answer with this status and body is."""
    found = CODE.search(body)
    code = found[1] if found else ""
    said = MESSAGE.search(body)
    shown = f"{code or 'HTTP'} ({status}){': ' + said[1][:200] if said else ''}"
    for codes, message, hint in REFUSALS:
        if code in codes:
            return Failure("refused", message.format(bucket=bucket), hint)
    if status in (301, 302, 307, 308):
        return Failure("refused", f"The bucket {bucket!r} is in another region", "Set region to the bucket's.")
    if code in BUSY or status in (429, 503):
        return Failure(
            "busy",
            f"The storage asks to slow down: {shown}",
            "Try later, or with fewer workers.",
            retry_after=float(retry_after) if retry_after.isdigit() else None,
        )
    if code in CUT:
        return Failure(
            "damaged", f"What was sent did not arrive whole: {shown}", "Run it again; look at the network if it stays."
        )
    if status == 412:
        return Failure("taken", f"The object was changed by another writer: {shown}")
    if status in (401, 403):
        return Failure(
            "refused",
            f"Access to the bucket {bucket!r} is denied",
            "Check the keys, and that they may list, read, write and delete there.",
        )
    if status == 404:
        return Failure("missing", f"The object is not there: {shown}", "It was deleted meanwhile; run it again.")
    if status == 501 or code == "NotImplemented":
        return Failure("unable", f"The storage can't do this: {shown}", "Use storage that keeps to the S3 protocol.")
    if status >= 500:
        return Failure(
            "unreachable", f"The storage answered with an error: {shown}", "Try later; look at its log if it stays."
        )
    return Failure("refused", f"The storage refuses the request: {shown}", "Check endpoint, bucket and region.")
