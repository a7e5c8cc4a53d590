"""The loads of a table that one may be compared with: of the same kind, before it, and not taken back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from intendant.checks.history.measure import measured
from intendant.checks.history.profile import Profile
from intendant.checks.history.shelf import KEEP, held, keep, read, remove
from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged, DiskFull, IntendantError
from intendant.lake import Lake
from intendant.types import Snapshot

__all__ = ["comparable", "latest_load", "profile_of"]

LOADS = ("ingest", "load")
"""Verbs that bring rows from outside; the versions that others make were changed on purpose."""
RESTORED = "restore to version "


def comparable(
    engine: DuckDB, lake: Lake, tested: Profile, *, before: int | None = None, fill: int = 8
) -> list[Profile]:
    """Profiles of the earlier loads like `tested`, oldest first; up to `fill` missing ones are measured, newest first.

    `before` is the version from which on nothing counts (None: all that are there). Raises Damaged, EngineError.
    """
    if not lake.exists(tested.table):
        return []
    history = lake.history(tested.table)
    standing, undone = told(history)
    for version in set(held(lake, tested.table)) & undone:
        remove(lake, tested.table, version)
    floor = min((s.version for s in history), default=0)
    old = [v for v in held(lake, tested.table) if v < floor]
    known = {s.version: s for s in standing if s.operation in LOADS}
    out: list[Profile] = []
    for version in sorted({*old, *known}, reverse=True)[:KEEP]:
        if before is not None and version >= before:
            continue
        profile = read(lake, tested.table, version)
        if profile is None or (version in known and not _same(profile, known[version])):
            if not fill or version not in known:
                continue
            fill -= 1
            profile = filled_in(engine, lake, tested.table, version)
        if profile is not None and alike(profile, tested):
            out.append(profile)
    return out[::-1]


def latest_load(lake: Lake, table: str) -> int | None:
    """The version of the newest load that stands; None when the table's rows came another way."""
    standing, _ = told(lake.history(table))
    return next((s.version for s in standing if s.operation in LOADS), None)


def profile_of(engine: DuckDB, lake: Lake, table: str, version: int) -> Profile | None:
    """The profile of one load, measured and kept if it wasn't yet; None when its data is gone."""
    return read(lake, table, version) or filled_in(engine, lake, table, version)


def told(history: Sequence[Snapshot]) -> tuple[list[Snapshot], set[int]]:
    """(versions that stand, newest first; versions that were taken back), of a history that is newest first."""
    standing, undone = [], set()
    limit = None
    for s in history:
        if limit is not None and s.version > limit:
            undone.add(s.version)
            continue
        standing.append(s)
        if s.operation.startswith(RESTORED):
            limit = int(s.operation.removeprefix(RESTORED))
    return standing, undone


def filled_in(engine: DuckDB, lake: Lake, table: str, version: int) -> Profile | None:
    """Measures what a version added to the one before it."""
    try:
        snapshot = lake.snapshot(table, version)
    except IntendantError:
        return None
    earlier: set[str] = set()
    if version:
        with suppress(IntendantError):
            earlier = set(lake.snapshot(table, version - 1).files)
    added = tuple(f for f in snapshot.files if f not in earlier)
    part = len(added) < len(snapshot.files)
    try:
        profile = measured(engine, replace(snapshot, files=added), verb=snapshot.operation, part=part)
    except Damaged:
        return None
    with suppress(OSError, DiskFull):
        keep(lake, profile)
    return profile


def alike(one: Profile, other: Profile) -> bool:
    return one.part == other.part and (one.origin == other.origin or not one.origin or not other.origin)


def _same(profile: Profile, snapshot: Snapshot) -> bool:
    """A version's number can be used again after damage; its run and step can't."""
    return (profile.run, profile.step) == (snapshot.run, snapshot.step)
