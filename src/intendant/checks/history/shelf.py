"""Profiles are kept beside a table's data, one small note a version, and go where the table goes (trash and back)."""

from __future__ import annotations

import json
from pathlib import Path

from intendant.checks.history.profile import Profile
from intendant.lake import Lake
from intendant.lake.disk import locked
from intendant.lake.names import lock_name

__all__ = ["KEEP", "held", "keep", "read", "read_file", "remove"]

KIND = "profiles"
KEEP = 60
"""Profiles of one table; older ones are removed."""


def keep(lake: Lake, profile: Profile) -> None:
    """Writes a profile, whole or not at all, and removes those beyond `KEEP`. Raises DiskFull."""
    with locked(lake.root / "locks" / f"profiles.{lock_name(profile.table)}"):
        text = json.dumps(profile.as_dict(), ensure_ascii=False, indent=1)
        lake.set_note(profile.table, KIND, _name(profile.version), text)
        for version in sorted(held(lake, profile.table))[:-KEEP]:
            remove(lake, profile.table, version)


def held(lake: Lake, table: str) -> list[int]:
    """The versions that have a profile."""
    return [int(name) for name in lake.notes(table, KIND) if name.isdigit()]


def read(lake: Lake, table: str, version: int) -> Profile | None:
    """None when there is none, or none that can be read: it is measured again where the data is still there."""
    try:
        return _profile(lake.note(table, KIND, _name(version)) or "")
    except UnicodeDecodeError:
        return None


def read_file(file: Path) -> Profile | None:
    """The same for a profile that is kept elsewhere."""
    try:
        return _profile(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _profile(text: str) -> Profile | None:
    try:
        return Profile.of(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def remove(lake: Lake, table: str, version: int) -> None:
    lake.remove_note(table, KIND, _name(version))


def _name(version: int) -> str:
    return f"{version:08}"
