"""What `[lake]` of intendant.toml says."""

from __future__ import annotations

from dataclasses import dataclass, fields

from intendant.errors import WorkspaceError

__all__ = ["LakePlace"]


@dataclass(frozen=True)
class LakePlace:
    """`[lake]`: where the tables are: in the workspace's folder, or below the `url` "s3://BUCKET/FOLDER" on S3-compatible
    storage, reached with the other keys as [an S3 source](sources.md) is. Its data files are kept in `.intendant/cache`, about
    `cache_gb` of them."""

    url: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    cache_gb: float = 10.0

    def check(self, where: str) -> None:
        """Raises WorkspaceError for keys that can't be used together."""
        if self.url and not self.url.startswith(("s3://", "${")):
            raise WorkspaceError(f"lake.url is {self.url!r}", where=where, hint='Write url = "s3://BUCKET/FOLDER".')
        given = [f.name for f in fields(self) if f.name not in ("url", "cache_gb") and getattr(self, f.name)]
        if given and not self.url:
            raise WorkspaceError(
                f"[lake] has {given[0]} and no url", where=where, hint='Add url = "s3://BUCKET/FOLDER".'
            )
        if self.cache_gb <= 0:
            raise WorkspaceError(f"lake.cache_gb is {self.cache_gb!r}", where=where, hint="It must be greater than 0.")
