"""When a column went that a plan still names: the version of its table, and the run and the intent that made it."""

from __future__ import annotations

from intendant.errors import IntendantError, UnknownName
from intendant.lake import Lake
from intendant.run.journal import Journal
from intendant.types import Snapshot, Step

__all__ = ["tables_of", "told"]

SHOWN = 100
"""Characters of an intent that are shown."""


def told(e: IntendantError, step: Step, lake: Lake, journal: Journal) -> IntendantError:
    """The error, saying of a column that was there once until when, and what left it out."""
    name = str(e.facts.get("name") or "")
    if not isinstance(e, UnknownName) or not name or not e.message.startswith("there is no column"):
        return e
    said = [s for t in tables_of(step) if (s := since(name, t, lake, journal))]
    if said:
        e.hint = " ".join([*said, e.hint]).strip()
    return e


def tables_of(step: Step) -> list[str]:
    """The tables that a step reads, as it names them."""
    named = [step.get("table"), *(o.get("table") for o in step.get("operators") or ())]
    return list(dict.fromkeys(str(n) for n in named if n))


def since(column: str, table: str, lake: Lake, journal: Journal) -> str:
    """'amount' was in orders until version 3; version 4, of run X by `...`, has no such column."""
    try:
        versions = lake.history(table) if lake.exists(table) else []
    except IntendantError:  # a table that can't be read says so where it is read
        return ""
    at = next((i for i, v in enumerate(versions) if has(v, column)), 0)
    if not at:
        return ""
    before, after = versions[at], versions[at - 1]
    return f"{column!r} was in {table} until version {before.version}; version {after.version}{made(after, journal)} has no such column."


def has(version: Snapshot, column: str) -> bool:
    return column.lower() in {c.name.lower() for c in version.columns}


def made(version: Snapshot, journal: Journal) -> str:
    """Which run made it, and the intent."""
    proposed = journal.get(version.run, "plan.proposed") if version.run else None
    if proposed is None:
        return f", made by {version.operation}," if version.operation else ""
    intent = " ".join(str(proposed.data["intent"]).split())
    shown = intent if len(intent) <= SHOWN else f"{intent[:SHOWN]} ..."
    return f", of run {version.run} by `{shown}`,"
