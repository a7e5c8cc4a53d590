"""How much of the lake's past is kept, and the housekeeping that lets go of the rest.

Where a run may yet be taken back nothing is cleaned: an undo finds every version.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from intendant.errors import LakeError
from intendant.lake import Lake
from intendant.run.journal import Journal
from intendant.types import Json, Stamp
from intendant.workspace import Workspace

__all__ = ["Here", "Keeper", "Kept", "kept_for", "loaded", "open_tables", "tidied", "vacuumed"]

Tell = Callable[[str, str, Mapping[str, Json]], None]
Kept: TypeAlias = tuple[int | None, float | None]
"""How many versions of a table are kept, and of how many days; None for all."""


class Here(Protocol):
    """What housekeeping needs of a workspace."""

    workspace: Workspace
    lake: Lake
    journal: Journal


def kept_for(workspace: Workspace, lake: Lake, table: str) -> Kept:
    """How many versions of a table are kept, and of how many days: by its own `retain`, else by [storage]; None for all."""
    settings = lake.settings(table)
    own = (settings.get("snapshots"), settings.get("retention_days"))
    if own != (None, None):
        return own
    return workspace.storage.keep_versions or None, workspace.storage.keep_days or None


def vacuumed(lake: Lake, table: str, keep: Kept, tell: Tell, key: str) -> int:
    """Lets go of a table's older versions; the bytes freed."""
    if keep == (None, None):
        return 0
    freed = lake.vacuum(table, *keep)
    if freed:
        tell(key, "table.vacuumed", {"table": table, "bytes_freed": freed, "versions": keep[0], "days": keep[1]})
    return freed


def loaded(app: Here, table: str, run: str) -> None:
    """What retention lets go after a load from outside the loop; trouble is told and fails nothing."""

    def tell(key: str, kind: str, data: Mapping[str, Json]) -> None:
        app.journal.append(run, key, kind, data)

    try:
        keep = kept_for(app.workspace, app.lake, table)
        if keep != (None, None) and table.lower() not in open_tables(app.journal):
            vacuumed(app.lake, table, keep, tell, f"cleaned.{table}")
    except LakeError as e:
        tell("storage.cleaned", "storage.failed", {"what": "cleaned", "error": e.as_dict()})


def open_tables(journal: Journal, but: str = "") -> set[str]:
    """The tables (in small letters) that runs have touched which haven't ended, or wait for a person; their quarantines too."""
    last = {e.run: e.data["status"] for e in journal.events(kinds=["run.finished"])}
    begun = {e.run: e.seq for e in journal.events(kinds=["run.queued"])}
    ended = {e.run: e.seq for e in journal.events(kinds=["run.finished"])}
    runs = [r for r, seq in begun.items() if ended.get(r, 0) < seq or last[r] == "waiting_approval"]
    found: set[str] = set()
    for run in runs:
        if run != but:
            for e in journal.events(run, kinds=["table.published", "step.done", "data.ready"]):
                found |= {
                    str(t).lower() for t in (e.data.get("table"), *(o["table"] for o in e.data.get("outputs", ()))) if t
                }
    return found | {f"quarantine.{t}" for t in found}


class Keeper:
    """Tidies the lake now and then, for who runs for long."""

    def __init__(self, every: float = 3600.0) -> None:
        self.every, self.last = every, -every

    def look(self, app: Here) -> None:
        """Tidies when it is time to. Raises what the journal raises; other trouble is told there."""
        if time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            try:
                tidied(app)
            except LakeError as e:
                app.journal.append(
                    "storage", f"failed {time.time_ns()}", "storage.failed", {"what": "tidy", "error": e.as_dict()}
                )


def tidied(app: Here) -> dict[str, Json]:
    """The lake's housekeeping: what retention by days lets go, what broken-off writes left, what was dropped long ago.

    The bytes freed, as {"versions_bytes", "leftover_bytes", "trash_bytes"}.
    """
    lake, journal, workspace, key = app.lake, app.journal, app.workspace, f"tidy {time.time_ns()}"

    def tell(key: str, kind: str, data: Mapping[str, Json]) -> None:
        journal.append("storage", key, kind, data)

    freed = 0
    for table in lake.names():
        try:
            keep = kept_for(workspace, lake, table)
            if keep != (None, None) and table.lower() not in open_tables(journal):  # as it is now: a run may have begun
                freed += vacuumed(lake, table, keep, tell, f"{key} {table}")
        except LakeError as e:
            fact = {"what": "retention", "table": table, "error": e.as_dict()}
            tell(f"{key} failed {table}", "storage.failed", fact)
    left = lake.collect(alive(journal), idle_seconds=IDLE_SECONDS)
    trash = lake.empty_trash(workspace.storage.trash_days)
    if left or trash:
        tell(key, "storage.tidied", {"leftover_bytes": left, "trash_bytes": trash})
    return {"versions_bytes": freed, "leftover_bytes": left, "trash_bytes": trash}


IDLE_SECONDS = 24 * 3600
"""A stage that nothing was written to for so long, and that no open run needs, was left by a process that died."""


def alive(journal: Journal) -> list[Stamp]:
    """The steps whose stages are still needed: those of runs that haven't ended."""
    ended = {e.run: (e.seq, e.data["status"]) for e in journal.events(kinds=["run.finished"])}
    out = []
    for e in journal.events(kinds=["data.ready"]):
        seq, status = ended.get(e.run, (0, ""))
        if e.seq > seq or status == "waiting_approval":
            out.append(Stamp(e.run, e.key.partition(".")[0]))
    return out
