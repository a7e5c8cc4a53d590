"""The table's past at the gate: a load is compared with it before it is published, and joins it after."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from intendant.actions.base import Staged
from intendant.checks.history import Drift, Limits, Profile, comparable, drift, keep, latest_load, measured, profile_of
from intendant.checks.history.shelf import KEEP, read_file
from intendant.engines.duckdb import DuckDB
from intendant.errors import DiskFull, EngineError
from intendant.lake import Lake, Stage
from intendant.lake.disk import write_json
from intendant.language import print_step
from intendant.types import Finding, Snapshot, Step
from intendant.workspace import Workspace

__all__ = ["drifted", "drifted_since", "remember", "waiting"]

PROFILE = "_profile.json"
SHAPING = ("resource", "target")
"""What of an `ingest` says where from and where to; the rest says which rows."""


def drifted(workspace: Workspace, lake: Lake, engine: DuckDB, stage: Stage, staged: Staged, step: Step) -> list[Drift]:
    """What a stage changes against the table's earlier loads; its profile waits beside it until it is published."""
    part = staged.mode != "replace" and lake.exists(staged.table)
    try:
        now = measured(engine, stage.snapshot(), verb=step.verb, origin=origin(step), part=part)
        past = comparable(engine, lake, now)
    except EngineError as e:
        return [Drift(unmeasured(staged.table, stage.rows, e), False)]
    with suppress(OSError, DiskFull):
        write_json(stage.folder / PROFILE, now.as_dict())
    return drift(now, past, limits(workspace, staged.table))


def drifted_since(workspace: Workspace, lake: Lake, engine: DuckDB, table: str) -> list[Finding]:
    """The same for the newest load of a table that is published already; profiles that are missing are measured."""
    version = latest_load(lake, table)
    now = profile_of(engine, lake, table, version) if version is not None else None
    if now is None:
        return []
    past = comparable(engine, lake, now, before=version, fill=KEEP)
    return [d.finding for d in drift(now, past, limits(workspace, table))]


def waiting(stage: Stage) -> Profile | None:
    """The profile that a stage's audit left; None when it has none."""
    return read_file(stage.folder / PROFILE)


def remember(lake: Lake, profile: Profile | None, done: Snapshot) -> None:
    """Keeps the profile with the version that its stage became; what can't be kept now is measured when needed."""
    if profile is not None:
        named = replace(profile, table=done.table, version=done.version, at=done.at, run=done.run, step=done.step)
        with suppress(OSError, DiskFull):
            keep(lake, named)


def limits(workspace: Workspace, table: str) -> Limits:
    t = workspace.thresholds_of(table)
    return Limits(t.drift_budget, t.drift_versions, t.drift_volume, t.drift_share, t.drift_distance)


def origin(step: Step) -> str:
    """Which rows were asked for: two loads are alike when this is equal."""
    return print_step(Step(step.verb, {**step.args, "resource": "source.resource", "target": "t"}))


def unmeasured(table: str, rows: int, error: EngineError) -> Finding:
    return Finding("drift", table, None, "LOW", 0, rows, f"The load can't be compared with its past: {error.message}")
