"""What follows a run in the lake: old versions go by the tables' retention, and near the quota room is offered, measured.

Nothing is cleaned before its run has succeeded, nor where another run may yet be taken back: an undo finds every version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from intendant.actions._cold import archives
from intendant.errors import IntendantError
from intendant.lake.room import room_of
from intendant.run.storage_keeping import Here, Kept, kept_for, open_tables, vacuumed
from intendant.run.storage_offers import offer
from intendant.types import Json, Stamp

if TYPE_CHECKING:
    from intendant.run.loop import Loop

__all__ = ["before", "settle", "takes"]

Tell = Callable[[str, str, Mapping[str, Json]], None]


def before(loop: Loop, run_id: str) -> None:
    """Notes how large the lake is before a run that was offered to make room."""
    if loop.journal.get(run_id, "proposal") is not None:
        loop.journal.append(run_id, "room.before", "storage.measured", {"bytes": loop.lake.size()})


def settle(loop: Loop, run_id: str, status: str, tell: Tell) -> None:
    """What a run that succeeded leaves to be cleaned, and the room it made; trouble is told and fails nothing."""
    events = loop.journal.events(run_id) if status == "succeeded" else []
    if not any(e.kind in CHANGES or e.data.get("outputs") for e in events):
        return
    for do in (cleaned, measured, offer):
        name = do.__name__
        try:
            do(loop, run_id, tell)
        except IntendantError as e:
            tell(f"storage.{name}", "storage.failed", {"what": name, "error": e.as_dict()})


CHANGES = ("table.published", "table.dropped", "retention.set")


def cleaned(loop: Loop, run_id: str, tell: Tell) -> None:
    """Old versions of what the run wrote go by retention; what it dropped with all versions goes for good."""
    events, lake = loop.journal.events(run_id), loop.lake
    wanted: list[tuple[str, str, Kept]] = []
    for e in events:
        if e.kind == "retention.set":
            wanted.append((e.data["table"], f"cleaned.{e.key}", (e.data["versions"], e.data["days"])))
        elif e.kind == "table.dropped" and e.data.get("versions"):
            freed = lake.empty_trash(0, Stamp(run_id, e.key.partition(".")[0]))
            tell(f"cleaned.{e.key}", "table.purged", {"table": e.data["table"], "bytes_freed": freed})
    written = [e.data["table"] for e in events if e.kind == "table.published"]
    written += [o["table"] for e in events if e.kind == "step.done" for o in e.data.get("outputs", ())]
    wanted += [(t, f"cleaned.{t}", kept_for(loop.workspace, lake, t)) for t in dict.fromkeys(written) if lake.exists(t)]
    wanted = [w for w in wanted if w[2] != (None, None)]
    busy = open_tables(loop.journal, run_id) if wanted else set()
    for table, key, keep in wanted:
        if lake.exists(table) and table.lower() not in busy:
            vacuumed(lake, table, keep, tell, key)


def measured(loop: Loop, run_id: str, tell: Tell) -> None:
    """What a run that was offered to make room really freed, beside what was said."""
    was, offered = loop.journal.get(run_id, "room.before"), loop.journal.get(run_id, "proposal")
    if was is None or offered is None:
        return
    now = loop.lake.size()
    fact = {
        "said_bytes": offered.data["bytes"],
        "freed_bytes": was.data["bytes"] - now,
        "was_bytes": was.data["bytes"],
        "is_bytes": now,
        "table": offered.data["table"],
        "quota_bytes": loop.workspace.policy.quota_gb * 1e9,
    }
    tell("room", "storage.freed", fact)


def takes(app: Here, table: str) -> dict[str, Json]:
    """What a table takes: {"bytes", "files"} of its current version, {"old_bytes", "old_files"} of all that is kept besides,
    and its archives."""
    room = room_of(app.lake, table)
    return {
        "bytes": room.live,
        "files": room.files,
        "old_bytes": room.kept,
        "old_files": room.kept_files,
        "archives": [{k: v for k, v in a.items() if k != "digest"} for a in archives(app.lake, app.journal, table)],
    }
