"""The lake that a workspace's settings name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.engines.duckdb import DuckDB
from intendant.errors import WorkspaceError
from intendant.lake.lake import Lake
from intendant.objects.access import Access
from intendant.objects.addresses import Address
from intendant.types import Json
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.lake.remote import Remote

__all__ = ["lake_of", "remote_of"]

WHERE = "lake"


def lake_of(workspace: Workspace, engine: DuckDB) -> Lake:
    """The lake in the workspace's folder, or the one that `[lake] url` names; nobody is contacted yet.

    Raises WorkspaceError for settings that can't be used and secrets that aren't set.
    """
    place = workspace.lake_place()
    if not place["url"]:
        return Lake(workspace.lake, engine)
    return Lake(workspace.lake, engine, remote_of(place, workspace.lake, workspace.state / "cache"))


def remote_of(place: Mapping[str, Json], root: Path, cache: Path) -> Remote:
    """The store that the keys of `[lake]` describe; `root` and `cache` are folders of this machine. Raises WorkspaceError."""
    from intendant.lake.remote import Remote  # a lake in a folder needs no HTTP
    from intendant.objects.bucket import Bucket

    address = Address.of(str(place["url"]), WHERE)
    if any(c in address.key for c in "*?["):
        raise WorkspaceError(f"{str(address)!r} holds a pattern", where=WHERE, hint='Write url = "s3://BUCKET/FOLDER".')
    bucket = Bucket(Access.of(place, WHERE), address.bucket)
    return Remote(bucket, address.key, root, cache, int(float(place["cache_gb"]) * 1e9))
