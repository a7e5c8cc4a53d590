"""The move of a workspace's journal from a file into PostgreSQL, with its chain verified at both ends."""

from __future__ import annotations

from pathlib import Path

from intendant.errors import Busy, StateError, UsageError
from intendant.lake import Lake
from intendant.run.journal import Journal, in_text
from intendant.run.state import JOURNAL, database_of
from intendant.types import Event, Json
from intendant.workspace import Workspace

__all__ = ["move"]

FILES = (JOURNAL, "runs.sqlite")


def move(workspace: Workspace, lake: Lake) -> dict[str, Json]:
    """Copies every fact, verifies the chain there, then sets the files aside: {"facts", "where", "kept"}.

    All or nothing; done again it goes on. Raises UsageError, Busy (a process runs it, or runs are unfinished), Damaged,
    StateError (the database holds other facts).
    """
    from intendant.run.state_journal import PostgresJournal

    path = workspace.state / JOURNAL
    if not workspace.control.url:
        raise UsageError(
            "there is nowhere to move to", hint='Put [state] url = "postgresql://..." into intendant.toml first.'
        )
    if not path.exists():
        raise UsageError("there is no journal to move", where=str(path), hint="The state is in the database already.")
    with alone(workspace):
        local, database = Journal(path), database_of(workspace, lake, moving=True)
        try:
            local.verify()
            facts = local.events()
            unfinished(facts)
            copy(facts, PostgresJournal(database))
            if local.events(after=len(facts)):
                raise Busy("a process wrote to the journal meanwhile", where=str(path), hint="Stop it, and move again.")
        finally:
            local.close()
        kept = [set_aside(workspace.state / name) for name in FILES if (workspace.state / name).exists()]
        database.close()
    return {"facts": len(facts), "where": database.where, "kept": kept}


class alone:
    """Holds the lock of the folder's files, so that no process writes them meanwhile."""

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.state / "owner.lock"

    def __enter__(self) -> None:
        import fcntl

        self.handle = self.path.open("a+")
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.handle.close()
            raise Busy("a process runs this workspace", where=str(self.path), hint="Stop it, and move then.") from None

    def __exit__(self, *_: object) -> None:
        self.handle.close()


def unfinished(facts: list[Event]) -> None:
    """Raises Busy for runs that are queued or half done: what is recorded of their steps stays in the file."""
    ended = {e.run: e.seq for e in facts if e.kind == "run.finished"}
    left = [e.run for e in facts if e.kind == "run.queued" and ended.get(e.run, -1) < e.seq]
    if left:
        raise Busy(
            f"{len(set(left))} runs are unfinished, {left[0]!r} first",
            hint="Take [state] out of intendant.toml, finish them with `intendant resume`, and move then.",
        )


def copy(facts: list[Event], to: Journal) -> None:
    """Puts the facts into an empty journal in one transaction, as they are, and verifies them there.

    A journal that has them already, since a move broke off behind that, may have others behind them: of other machines.
    """
    from intendant.run.state_database import Connection
    from intendant.run.state_journal import INSERT, LOCK, PostgresJournal

    assert isinstance(to, PostgresJournal)
    rows = [(e.seq, e.at, e.run, e.key, e.kind, in_text(e.data), e.prev, e.hash) for e in facts]
    there = to.events()
    if there[: len(facts)] != facts[: len(there)]:
        raise StateError(
            f"the database holds {len(there):,} facts of another history",
            where=to.database.where,
            hint="Choose another [state] schema for this workspace.",
        )

    def put(con: Connection) -> None:
        con.execute(LOCK, (to.database.schema,))
        con.cursor().executemany(INSERT, rows)

    if rows := rows[len(there) :]:
        to.database.run(put)
    to.verify()
    if len(to.events()) < len(facts):
        raise StateError("not every fact arrived", where=to.database.where, hint="Nothing was set aside. Move again.")


def set_aside(path: Path) -> str:
    """Renames a file of the old state, and what SQLite keeps beside it; its new name."""
    moved = path.with_name(f"{path.name}.moved")
    for end in ("-wal", "-shm"):
        if (beside := path.with_name(path.name + end)).exists():
            beside.rename(moved.with_name(moved.name + end))
    return path.rename(moved).name
