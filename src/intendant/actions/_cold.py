"""The workspace's archives: the place that `[storage] cold` names, and what the journal tells of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.errors import Damaged, LakeError, UnknownName, did_you_mean
from intendant.lake.cold import Folder, Place, archive_id, out_of
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.actions.base import Context
    from intendant.lake import Lake
    from intendant.run.journal import Journal
    from intendant.workspace import Workspace

__all__ = ["archives", "chosen", "place_of", "work_of"]


def place_of(workspace: Workspace) -> Place:
    """Where archives go. Raises WorkspaceError for keys of the storage that are missing."""
    cold = workspace.storage.cold
    if cold.startswith("s3://"):
        from intendant.actions._bucket import Bucket  # it loads pyarrow, which commands that archive nothing need not

        return Bucket(cold, workspace.cold_keys())
    return Folder(workspace.root / cold)


def work_of(context: Context) -> Path:
    """A folder for what is on its way into or out of the cold place in this step."""
    return context.workspace.state / "archiving" / archive_id(context.stamp.run, context.stamp.step)


def archives(lake: Lake, journal: Journal, table: str) -> list[dict[str, Json]]:
    """The table's archives, oldest first: {"id", "rows", "bytes", "at", "where", "sentence", "state", "digest"}.

    `state` is archived (the rows are out of the table) or restored (they are in it again, by whatever way).
    """
    out, known = [], _logged(lake, table)
    for e in journal.events(kinds=["table.published"]):
        said = e.data.get("archive")
        if not isinstance(said, Mapping) or str(e.data["table"]).lower() != table.lower():
            continue
        gone = known.get(said["id"], True)  # of an earlier table of this name
        out.append({**said, "at": e.at, "sentence": e.data["step"], "state": "archived" if gone else "restored"})
    return out


def _logged(lake: Lake, table: str) -> Mapping[str, bool]:
    try:
        return out_of(lake, table)
    except Damaged:
        return {}


def chosen(lake: Lake, journal: Journal, table: str, wanted: str) -> dict[str, Json]:
    """The archive of that id, or the only one whose rows are out. Raises UnknownName, LakeError."""
    known = archives(lake, journal, table)
    if wanted:
        found = next((a for a in known if a["id"] == wanted), None)
        if found is None:
            raise UnknownName(
                f"{table!r} has no archive {wanted!r}", hint=did_you_mean(wanted, [a["id"] for a in known], "archive")
            )
        if found["state"] == "restored":
            raise LakeError(
                f"the rows of the archive {wanted!r} are in {table!r} already",
                where=table,
                hint=f"`intendant history {table}` shows since which version.",
            )
        return found
    waiting = [a for a in known if a["state"] == "archived"]
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise LakeError(
            f"{table!r} has no archive whose rows are out of it",
            where=table,
            hint="They are all back."
            if known
            else f"Nothing was archived: `intendant history {table}` shows what was done.",
        )
    listed = ", ".join(f"'{a['id']}' ({a['rows']:,} rows, {a['at'][:10]})" for a in waiting)
    raise LakeError(
        f"{table!r} has {len(waiting)} archives",
        where=table,
        hint=f"Name one: `restore {table} from archive 'ID'`, with ID one of {listed}.",
    )
