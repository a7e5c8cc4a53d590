"""Whether object storage holds to conditions: without them two writers would overwrite each other without a word."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress

from intendant.objects.bucket import Bucket
from intendant.objects.failure import Failure

__all__ = ["probed"]

HINT = (
    "The lake needs storage that keeps If-None-Match and If-Match when objects are put: Amazon S3, or a newer version of "
    "yours (MinIO, Ceph, R2 have them). Until then leave out [lake] url: the lake is then in the workspace's folder."
)

CONDITIONS: Mapping[str, Mapping[str, object]] = {
    "If-None-Match": {"absent": True},
    "If-Match": {"etag": f'"{"0" * 32}"'},
}
"""None of them holds once an object is there."""


def probed(bucket: Bucket, prefix: str) -> None:
    """Puts an object under conditions that don't hold, and takes it away. Raises Failure when it isn't refused."""
    key = f"{prefix}_probe/{secrets.token_hex(8)}"
    try:
        bucket.put(key, b"1", absent=True)
        for named, condition in CONDITIONS.items():
            if not _refused(bucket, key, condition):
                raise Failure("unable", f"The storage overwrites objects against a condition ({named})", HINT)
    except Failure as failure:
        if failure.kind == "unable":
            raise Failure("unable", failure.message, HINT) from failure
        raise
    finally:
        with suppress(Failure):
            bucket.delete([key])


def _refused(bucket: Bucket, key: str, condition: Mapping[str, object]) -> bool:
    try:
        bucket.put(key, b"2", **condition)  # type: ignore[arg-type]
    except Failure as failure:
        if failure.kind == "taken":
            return True
        raise
    return False
