"""What `[storage]` of intendant.toml says."""

from __future__ import annotations

from dataclasses import dataclass

from intendant.errors import WorkspaceError

__all__ = ["Storage"]


@dataclass(frozen=True)
class Storage:
    """`[storage]`: where archived rows go (`cold`: a folder, or s3:// with its `endpoint`, `region` and keys), how much of a
    table's past is kept where `retain` didn't say (0: all), for how many days a dropped table can be brought back, and after
    how many days a staging table that nobody reads is offered to be dropped (0: never)."""

    cold: str = ".intendant/archive"
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    keep_versions: int = 0
    keep_days: float = 0.0
    trash_days: float = 30.0
    unused_days: float = 30.0

    def check(self, where: str) -> None:
        """Raises WorkspaceError for a place that is none and for negative numbers."""
        if not self.cold or ("://" in self.cold and not self.cold.startswith("s3://")):
            raise WorkspaceError(
                f"storage.cold is {self.cold!r}", where=where, hint='Write a folder, or cold = "s3://BUCKET/FOLDER/".'
            )
        if min(self.keep_versions, self.keep_days, self.trash_days, self.unused_days) < 0:
            raise WorkspaceError(
                "a number of [storage] is negative", where=where, hint="0 keeps every version; days are 0 or more."
            )
