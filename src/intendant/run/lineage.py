"""Where values came from, answered from the journal: table and column, up to source, intent and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from intendant.errors import UnknownName, did_you_mean
from intendant.run.journal import Journal
from intendant.types import Event, Json

__all__ = ["CAME_BACK", "Origin", "lineage", "made", "maker", "named", "published", "recipe"]

CAME_BACK = ("staging.replayed_", "staging.letters_")
"""How the tables are called in which a replay mends what was set aside; what it adds isn't what makes a table."""
DEEPEST = 200
"""Hops; a table that was added to more often has its older additions left out."""


@dataclass(frozen=True)
class Origin:
    """One hop: `name` (table or table.column, or a source's), made by `step` of `run`, from `inputs`."""

    name: str
    kind: str
    step: str = ""
    run: str = ""
    intent: str = ""
    at: str = ""
    version: int | None = None
    inputs: tuple[Origin, ...] = ()

    def as_dict(self) -> dict[str, Json]:
        out = {k: v for k, v in self.__dict__.items() if v not in ("", None, ()) and k != "inputs"}
        out["inputs"] = [i.as_dict() for i in self.inputs]
        return out


def published(journal: Journal) -> dict[str, list[Event]]:
    """The publishing events of each table, oldest first; rolled-back ones left out."""
    undone = {(e.data["table"], e.data["undone"]) for e in journal.events(kinds=["table.rolled_back"])}
    out: dict[str, list[Event]] = {}
    for e in journal.events(kinds=["table.published", "table.restored", "table.dropped"]):
        if (e.data["table"], e.data.get("version")) not in undone:
            out.setdefault(e.data["table"], []).append(e)
    return out


def lineage(journal: Journal, name: str, tables: Mapping[str, list[str]]) -> Origin:
    """The tree of origins of "table" or "table.column"; `tables` gives the columns of each table.

    Raises UnknownName.
    """
    history = published(journal)
    table, column = named(name, tables)
    return _column(journal, history, table, column, None, ()) if column else _table(journal, history, table, None, ())


def named(name: str, tables: Mapping[str, list[str]]) -> tuple[str, str]:
    """(table, column) of "table" or "table.column", the column "" in the first case. Raises UnknownName."""
    if name in tables:
        return name, ""
    table, _, column = name.rpartition(".")
    if table in tables:
        if column not in tables[table]:
            raise UnknownName(
                f"table {table!r} has no column {column!r}", hint=did_you_mean(column, tables[table], "column")
            )
        return table, column
    raise UnknownName(f"there is no table {name!r}", hint=did_you_mean(name, tables, "table"))


def maker(history: Mapping[str, list[Event]], table: str, before: int | None) -> Event | None:
    """The event that made the table's rows as they were before a sequence number."""
    events = [e for e in history.get(table, ()) if before is None or e.seq < before]
    if not events:
        return None
    last = events[-1]
    if last.kind == "table.restored":
        version = last.data.get("from_version")
        return next((e for e in events if e.data.get("version") == version and e.kind == "table.published"), last)
    return last


def made(history: Mapping[str, list[Event]], table: str, before: int) -> Event | None:
    """The publish that a step added its rows to; None when there was none."""
    found = maker(history, table, before)
    return found if found is not None and found.kind == "table.published" else None


def _table(
    journal: Journal,
    history: Mapping[str, list[Event]],
    table: str,
    before: int | None,
    seen: tuple[tuple[str, int], ...],
) -> Origin:
    event = maker(history, table, before)
    if event is None or (table, event.seq) in seen or len(seen) > DEEPEST:
        return Origin(table, "table")
    below = (*seen, (table, event.seq))
    inputs = tuple(_table(journal, history, t, event.seq, below) for t in event.data.get("inputs", {}))
    if event.data.get("resource"):
        inputs += (Origin(event.data["resource"], "source"),)
    if event.data.get("file"):
        inputs += (Origin(event.data["file"], "file"),)
    return _origin(table, "table", event, inputs)


def _column(
    journal: Journal,
    history: Mapping[str, list[Event]],
    table: str,
    column: str,
    before: int | None,
    seen: tuple[tuple[str, int], ...],
) -> Origin:
    event = maker(history, table, before)
    name = f"{table}.{column}"
    if event is None or (name, event.seq) in seen or len(seen) > DEEPEST:
        return Origin(name, "column")
    below = (*seen, (name, event.seq))
    inputs = []
    for source in event.data.get("columns", {}).get(column, ()):
        parent, _, child = source.rpartition(".")
        if parent in event.data.get("inputs", {}):
            inputs.append(_column(journal, history, parent, child, event.seq, below))
        else:
            inputs.append(Origin(source, "source"))
    if event.data.get("file"):
        inputs.append(Origin(f"{event.data['file']}:{column}", "file"))
    if event.data.get("mode") in ("append", "upsert") and made(history, table, event.seq) is not None:
        inputs.append(_column(journal, history, table, column, event.seq, below))
    return _origin(name, "column", event, tuple(inputs))


def _origin(name: str, kind: str, event: Event, inputs: tuple[Origin, ...]) -> Origin:
    d = event.data
    return Origin(name, kind, d.get("step", ""), event.run, d.get("intent", ""), event.at, d.get("version"), inputs)


def recipe(journal: Journal, table: str, before: int | None = None, depth: int = 0) -> list[str]:
    """The steps (text) that make a table anew: from its last whole load on, inputs first."""
    events = [e for e in published(journal).get(table, ()) if before is None or e.seq < before]
    start = next(
        (
            i
            for i in range(len(events) - 1, -1, -1)
            if events[i].data.get("mode") == "replace" and table not in events[i].data.get("inputs", {})
        ),
        0,
    )
    out: list[str] = []
    if events and start < len(events) and not events[start].data.get("step"):
        return []  # a loaded file can't be asked again: the table is taken as it is
    for event in events[start:]:
        if event.kind != "table.published" or not event.data.get("step") or event.data.get("archive"):
            continue  # what left for the archive isn't what makes the table
        if any(parent.startswith(CAME_BACK) for parent in event.data.get("inputs", {})):
            continue
        for parent in event.data.get("inputs", {}):
            if parent != table and depth < 20:
                out += [s for s in recipe(journal, parent, event.seq, depth + 1) if s not in out]
        if event.data["step"] not in out:
            out.append(event.data["step"])
    return out
