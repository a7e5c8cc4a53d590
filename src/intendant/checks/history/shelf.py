"""Profiles are kept beside a table's data, one small file a version, and go where the table goes (trash and back)."""

from __future__ import annotations

import json
from pathlib import Path

from intendant.checks.history.profile import Profile
from intendant.lake import Lake
from intendant.lake.disk import locked, write_json
from intendant.lake.names import find_folder, lock_name

__all__ = ["KEEP", "held", "keep", "read", "read_file", "remove"]

FOLDER = "_profiles"
KEEP = 60
"""Profiles of one table; older ones are removed."""


def keep(lake: Lake, profile: Profile) -> None:
    """Writes a profile, whole or not at all, and removes those beyond `KEEP`. Raises DiskFull."""
    folder = _folder(lake, profile.table)
    with locked(lake.root / "locks" / f"profiles.{lock_name(profile.table)}"):
        folder.mkdir(exist_ok=True)
        write_json(_file(folder, profile.version), profile.as_dict())
        for version in sorted(held(lake, profile.table))[:-KEEP]:
            remove(lake, profile.table, version)


def held(lake: Lake, table: str) -> list[int]:
    """The versions that have a profile."""
    return [int(f.stem) for f in _folder(lake, table).glob("*.json") if f.stem.isdigit()]


def read(lake: Lake, table: str, version: int) -> Profile | None:
    """None when there is none, or none that can be read: it is measured again where the data is still there."""
    return read_file(_file(_folder(lake, table), version))


def read_file(file: Path) -> Profile | None:
    """The same for a profile that is kept elsewhere."""
    try:
        return Profile.of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove(lake: Lake, table: str, version: int) -> None:
    _file(_folder(lake, table), version).unlink(missing_ok=True)


def _folder(lake: Lake, table: str) -> Path:
    return find_folder(lake.root, table) / FOLDER


def _file(folder: Path, version: int) -> Path:
    return folder / f"{version:08}.json"
