"""Where a workspace's control state is: files of its folder, or a schema in PostgreSQL that machines share. Never both.

The state and the lake belong together: an id in the database, in the lake and in the folder says so, and a folder, a database
or a lake that belongs elsewhere is refused instead of being begun anew.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intendant.errors import StateError
from intendant.lake import Lake
from intendant.run.journal import Journal
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.run.state_database import Connection, Database
    from intendant.run.state_team import Team

__all__ = ["BOUND", "JOURNAL", "State", "bound", "database_of", "state_of"]

JOURNAL, BOUND = "journal.sqlite", "state.json"
MARK = "workspace.id"
"""The file in the lake's folder that names the state it belongs to."""


@dataclass(frozen=True)
class State:
    """The journal, and the team of workers where the state is shared."""

    journal: Journal
    team: Team | None = None


def state_of(workspace: Workspace, lake: Lake) -> State:
    """The control state of a workspace; PostgreSQL is contacted at the first use.

    Raises StateError for a folder whose state was put into PostgreSQL and that doesn't say so any more.
    """
    if not workspace.control.url:
        if kept := bound(workspace):
            raise StateError(
                f"the control state of this workspace is in PostgreSQL ({kept['where']}), but intendant.toml has no [state] url",
                where=str(workspace.root / "intendant.toml"),
                hint=f"Put the url back. To begin with an empty journal in files instead, delete {workspace.state / BOUND}.",
            )
        return State(Journal(workspace.state / JOURNAL))
    from intendant.run.state_journal import PostgresJournal
    from intendant.run.state_team import Team

    database = database_of(workspace, lake)
    journal = PostgresJournal(database)
    team = Team(database, journal, workspace.control.lease_seconds)
    lake.store.fence = team.renew
    return State(journal, team)


def database_of(workspace: Workspace, lake: Lake, *, moving: bool = False) -> Database:
    """The database of `[state] url`. At its first use folder, lake and database are checked to belong together."""
    from intendant.run.state_database import Database

    control = workspace.control

    def meet(con: Connection, made: bool) -> None:
        if not moving:
            refuse_two(workspace)
        join(workspace, lake, con, made, database.where)

    database = Database(workspace.control_url(), control.schema, control.wait_seconds, meet)
    return database


def bound(workspace: Workspace) -> dict[str, str]:
    """What the folder says of its state in PostgreSQL: {"id", "where"}, {} when there is nothing."""
    try:
        found = json.loads((workspace.state / BOUND).read_text(encoding="utf-8"))
        return {"id": str(found["id"]), "where": str(found["where"])}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        raise StateError(
            "the file that names this workspace's control state can't be read",
            where=str(workspace.state / BOUND),
            hint="Delete it: it is written again from the database.",
        ) from None


def refuse_two(workspace: Workspace) -> None:
    """Raises StateError when the folder has a journal of its own beside `[state] url`."""
    path = workspace.state / JOURNAL
    if not path.exists():
        return
    local = Journal(path)
    try:
        facts = len(local.events(limit=1))
    finally:
        local.close()
    if facts:
        raise StateError(
            "this folder has a journal in a file, and intendant.toml names a database for it",
            where=str(path),
            hint="Take it along: `intendant state move`. To leave it behind, move the file out of .intendant.",
        )


def join(workspace: Workspace, lake: Lake, con: Connection, made: bool, where: str) -> None:
    """Binds folder, lake and database to each other, or checks that they are."""
    if made:
        con.execute("INSERT INTO intendant_meta VALUES ('id', %s)", (str(uuid.uuid4()),))
    own = str(con.execute("SELECT value FROM intendant_meta WHERE key = 'id'").fetchall()[0][0])
    kept = bound(workspace)
    if kept and kept["id"] != own:
        raise StateError(
            f"this folder belongs to another control state ({kept['where']})",
            where=where,
            hint="Is [state] url, or its schema, the right one? Was the database made anew? "
            f"To bind the folder to this one, delete {workspace.state / BOUND}.",
        )
    join_lake(workspace, lake, own, made, where)
    if not kept:
        (workspace.state / BOUND).write_text(json.dumps({"id": own, "where": where}) + "\n", encoding="utf-8")


def join_lake(workspace: Workspace, lake: Lake, own: str, made: bool, where: str) -> None:
    found = lake.store.read(MARK)
    held = found[0].strip() if found else ""
    if held == own:
        return
    if held or not made:
        other = "belongs to another control state" if held else "is not the one of the workspace's other machines"
        raise StateError(
            f"the lake that this folder reaches {other}",
            where=f"{lake.store.shown(MARK)} and {where}",
            hint="All machines need one lake and one [state]: give the same [lake] url, or link .intendant/lake to the shared "
            f"folder. Only if you are sure that they belong together, write {own} into that file.",
        )
    try:
        lake.store.create(MARK, own + "\n")
    except FileExistsError:
        join_lake(workspace, lake, own, False, where)
