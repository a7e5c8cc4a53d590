"""A load's columns against its table's: what changed, and what the table's contract (`[tables."NAME"] schema`) makes of it.

A column counts as known when the table has it or the load before had it: what was derived, renamed or dropped in place
between two loads is a person's change, not the source's.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from intendant.actions.base import Staged
from intendant.checks.history import latest_load
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.errors import LakeError
from intendant.lake import Lake, Stage
from intendant.lake.schema import NULL, unify, unify_columns
from intendant.language import print_step
from intendant.language.to_sql import TYPE_NAMES, kind_of_type
from intendant.operators.base import table_sql
from intendant.run.conform import unfit
from intendant.run.journal import Journal
from intendant.run.renames import renames
from intendant.types import Column, Finding, Json, Severity, Snapshot, Step
from intendant.workspace import SchemaContract

__all__ = ["KEEPING", "Change", "become", "changes", "findings", "held", "said", "taken"]

LOADS = ("ingest", "load")
VERBS = (*LOADS, "transform", "provision")
KEEPING = ("freeze", "quarantine", "ask")
"""Under these a value that fits the table's type takes it."""
STRICT = ("freeze", "ask", "quarantine", "evolve", "")
"""Of two policies the stricter one holds."""
SEVERITY: dict[str, Severity] = {"freeze": "HIGH", "ask": "HIGH", "quarantine": "MEDIUM", "evolve": "LOW"}
DOES = {"freeze": "stops the load", "ask": "asks a person", "quarantine": "sets such rows aside", "evolve": "takes it"}


@dataclass(frozen=True)
class Change:
    """One column's change. `kind` is new, missing, widened, narrowed, retyped or renamed; `other` is the load's name of a
    renamed column; `before` and `now` are DuckDB types ("" where there is none).

    `policy` is the contract's word for it, "" without one. `rows` of the load carry a new column, or have values that don't
    fit the type before (0 where it wasn't counted); `why` says what speaks for a renaming.
    """

    kind: str
    column: str
    before: str = ""
    now: str = ""
    other: str = ""
    policy: str = ""
    rows: int = 0
    why: str = ""

    def as_dict(self) -> dict[str, Json]:
        return {k: v for k, v in self.__dict__.items() if v not in ("", 0)}

    @property
    def keeps_type(self) -> bool:
        """Whether the load's values are brought to the type before (nested ones stay as they are)."""
        plain = kind_of_type(self.before) != "other"
        return self.policy in KEEPING and plain and (self.kind == "narrowed" or not self.rows or self.aside)

    @property
    def aside(self) -> bool:
        return self.policy == "quarantine" and self.kind in ("new", "widened", "retyped")

    @property
    def matters(self) -> bool:
        """Whether the policy has something to say: a column that only needs to be written in the type before hasn't."""
        return bool(self.policy) and (self.kind in ("missing", "renamed", "new") or bool(self.rows))

    def stops(self, policy: str) -> bool:
        return self.policy == policy and self.matters

    @property
    def reason(self) -> str:
        """Why a row is set aside."""
        if self.kind == "new":
            return f"{self.column}: not a column of the table"
        return f"{self.column}: doesn't fit {self.before}"

    @property
    def predicate(self) -> str:
        """The SQL of the rows that carry the change."""
        if self.kind == "new":
            return f"({quoted(self.column)} IS NOT NULL)"
        return unfit(self.column, self.now, self.before)


def held(lake: Lake, staged: Staged, step: Step) -> bool:
    """Whether a stage is held against its table's contract: it brings new rows to a table that is there. A step that changes a
    table in place is a person's own change of it."""
    inputs = staged.facts.get("inputs", {})
    return step.verb in VERBS and staged.table not in inputs and lake.exists(staged.table)


def changes(
    engine: DuckDB, lake: Lake, journal: Journal | None, stage: Stage, mode: str, step: Step, contract: SchemaContract
) -> list[Change]:
    """What the stage changes in its table's columns, with the contract's word for each. Raises EngineError, Damaged."""
    table = lake.snapshot(stage.table)
    old = {c.name.casefold(): c for c in table.columns}
    last = {c.name.casefold(): c for c in _last(lake, journal, stage.table, step.verb) or table.columns}
    new = {c.name.casefold(): c for c in stage.columns}
    missing = [c for k, c in old.items() if k in last and k not in new]
    added = [c for k, c in new.items() if k not in old and not (mode == "replace" and k in last)]
    snapshot = stage.snapshot()
    out = []
    for was, now, why in renames(engine, table, snapshot, missing, added) if missing and added else ():
        missing.remove(was)
        added.remove(now)
        out.append(Change("renamed", was.name, was.type, now.type, now.name, _of_renamed(contract), why=why))
    asked = "ask" if contract.missing == "quarantine" else contract.missing
    out += [Change("missing", c.name, c.type, "", policy=asked) for c in missing]
    out += [Change("new", c.name, "", "VARCHAR" if c.type == NULL else c.type, policy=contract.new) for c in added]
    for key in [k for k in new if k in old]:
        alike = mode == "replace" and key in last and last[key].type == new[key].type
        kind = "" if alike else _kind(old[key].type, new[key].type)
        if kind:
            out.append(Change(kind, new[key].name, old[key].type, new[key].type, policy=getattr(contract, kind)))
    return _counted(engine, snapshot, out)


def _of_renamed(contract: SchemaContract) -> str:
    """There are no bad rows to set aside in a renaming, so a person is asked instead."""
    word = contract.renamed or min((contract.new, contract.missing), key=STRICT.index)
    return "ask" if word == "quarantine" else word


def _last(lake: Lake, journal: Journal | None, table: str, verb: str) -> Sequence[Column] | None:
    """The columns that the load before this one brought; None when there was none or it is no longer there."""
    version: int | None = None
    if verb in LOADS:
        version = latest_load(lake, table)
    elif journal is not None:
        for e in journal.events(kinds=["table.published"], newest=True, limit=500):
            if e.data["table"] == table and e.data["step"].startswith(verb) and table not in e.data.get("inputs", {}):
                version = e.data["version"]
                break
    with suppress(LakeError):
        return next((s.columns for s in lake.history(table) if s.version == version), None)
    return None


def _kind(before: str, now: str) -> str:
    if now in (NULL, before):
        return ""
    joint = unify(before, now)
    if joint == before:
        return "narrowed"
    return "retyped" if joint == "VARCHAR" else "widened"


def _counted(engine: DuckDB, snapshot: Snapshot, found: list[Change]) -> list[Change]:
    """With how many rows carry a change, where the contract says something about it."""
    asked = [c for c in found if c.policy and c.kind in ("new", "widened", "retyped")]
    if not asked:
        return found
    counts = ", ".join(f"count(*) FILTER (WHERE {c.predicate})" for c in asked)
    row = engine.rows(f"SELECT {counts} FROM {table_sql(snapshot.table).sql('duckdb')}", {snapshot.table: snapshot})[1][
        0
    ]
    rows = dict(zip(map(id, asked), row, strict=True))
    return [replace(c, rows=int(rows[id(c)])) if id(c) in rows else c for c in found]


def taken(found: Sequence[Change], stage: Stage, mode: str) -> list[Change]:
    """Those that the table will have once the stage, as it is now, is published."""
    types = {c.name.casefold(): c.type for c in stage.columns}

    def real(c: Change) -> bool:
        if c.kind in ("new", "renamed"):
            return (c.other or c.column).casefold() in types
        changed = types.get(c.column.casefold()) != c.before
        return changed and (c.kind != "narrowed" or mode == "replace")

    return [c for c in found if real(c)]


def become(old: Sequence[Column], stage: Stage, mode: str) -> tuple[Column, ...]:
    """The table's columns once the stage is published."""
    columns = unify_columns([stage.columns]) if mode == "replace" else unify_columns([old, stage.columns])
    types = {c.name.casefold(): c.type for c in old}
    return tuple(Column(c.name, types.get(c.name.casefold(), "VARCHAR") if c.type == NULL else c.type) for c in columns)


# ---------------------------------------------------------------- in words
def findings(found: Sequence[Change], table: str, total: int) -> list[Finding]:
    """What the contract has to say: what changed, what becomes of it, and the mend."""
    return [
        Finding(f"schema_{c.kind}", table, c.column, SEVERITY[c.policy], _rows(c, total), total, said(c, table, total),
                mend=mend(c, table), where=c.predicate if c.aside else "")
        for c in found if c.matters
    ]  # fmt: skip


def _rows(c: Change, total: int) -> int:
    return c.rows if c.kind in ("new", "widened", "retyped") else total


def said(c: Change, table: str, total: int) -> str:
    what = {
        "new": f"Column {c.column!r} ({c.now}) is new: {c.rows:,} of {total:,} rows carry it",
        "missing": f"Column {c.column!r} ({c.before}) is gone",
        "renamed": f"Column {c.column!r} is gone and {c.other!r} is new; it looks renamed: {c.why}",
    }.get(c.kind, f"Column {c.column!r} is {c.now}; {c.rows:,} of {total:,} values don't fit {c.before}")
    offered = mend(c, table)
    mended = f"`{offered}` lets the table follow. " if offered and c.policy in ("freeze", "ask") else ""
    where = f'schema of [tables."{table}"]'
    return f"{what}. The table's contract {DOES[c.policy]} ({c.kind}: {c.policy}, {where}). {mended}".rstrip()


def mend(c: Change, table: str) -> str:
    """The sentence that makes the table like the load, "" where there is none."""
    operator: Step | None = None
    if c.kind == "renamed":
        operator = Step("rename", {"names": ((c.column, c.other),)})
    elif c.kind == "missing":
        operator = Step("drop_columns", {"columns": (c.column,)})
    elif c.kind in ("widened", "retyped"):
        word = {kind.replace(" ", ""): word for word, kind in TYPE_NAMES.items()}.get(c.now.replace(" ", ""))
        operator = Step("cast", {"column": c.column, "type": word}) if word else None
    return print_step(Step("transform", {"table": table, "operators": (operator,)})) if operator else ""
