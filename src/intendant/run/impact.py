"""Who would break by a change of tables: pipelines, schedules, saved queries and the steps that make tables, each resolved
anew against the catalog as it would be.

A reader counts only when it can be resolved now and could not be then; what is broken already is nobody's fault here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from intendant.actions import actions
from intendant.actions.base import TableAction
from intendant.catalog import Catalog
from intendant.engines.base import quoted
from intendant.engines.readonly import checked
from intendant.errors import IntendantError
from intendant.language import print_step
from intendant.language.plans import looks_like_plan
from intendant.operators._compile import Typing
from intendant.run.journal import Journal
from intendant.run.knowledge import Knowledge
from intendant.run.pipelines import filled, pipeline, read, read_by
from intendant.run.schedules import schedules
from intendant.types import SCHEMAS, Plan, split_table
from intendant.workspace import Workspace

__all__ = ["Impact", "Reader", "altered", "impacts", "needs", "readers", "told"]

WORDS = {"pipeline": "pipeline", "schedule": "the schedule of", "query": "saved query", "table": "the making of table"}
HOLDING = ("pipeline", "schedule", "query")
"""What somebody relies on to run again; a table keeps its rows when it can't be made anew."""


@dataclass(frozen=True)
class Reader:
    """Somebody who reads tables: a `kind` (pipeline, schedule, query or table), its name, and what it runs: a plan or SQL."""

    kind: str
    name: str
    plan: Plan | None = None
    sql: str = ""


@dataclass(frozen=True)
class Impact:
    """A reader that would break: `step` is where (text of the intent language, or the SQL), `why` what it would say."""

    kind: str
    name: str
    step: str
    why: str

    @property
    def who(self) -> str:
        return f"{WORDS[self.kind]} {self.name!r}"

    @property
    def where(self) -> str:
        return "" if self.kind == "query" else f" at `{self.step}`"

    def __str__(self) -> str:
        return f"{self.who} breaks{self.where}: {self.why}"


def readers(workspace: Workspace, journal: Journal, catalog: Catalog) -> list[Reader]:
    """Everybody who reads tables of the workspace; a pipeline file that can't be read is left out."""
    out: list[Reader] = []
    for name, path in workspace.pipelines().items():
        with suppress(IntendantError):
            out.append(Reader("pipeline", name, pipeline(name, filled(read(path), {}, path.name), path).plan))
    for s in schedules(journal):
        plan = looks_like_plan(s["plan"]) if s["kind"] != "pipeline" else None
        out += [Reader("schedule", s["target"], plan)] if plan else []
    out += [Reader("query", q.name, sql=q.sql) for q in catalog.queries.values()]
    for table in catalog.tables.values():
        made = looks_like_plan(str(table.settings.get("made_by", "")))
        if made and made.steps[0].get("table") != table.name:
            out.append(Reader("table", table.name, made))
    return out


def altered(before: Catalog, after: Catalog) -> set[str]:
    """The tables, in small letters, that are gone or lose or retype a column."""
    out = set()
    for name, table in before.tables.items():
        now = {c.name: c.type for c in after.table(name).columns} if after.has(name) else {}
        if any(now.get(c.name) != c.type for c in table.columns):
            out.add(name.lower())
    return out


def impacts(
    before: Catalog, after: Catalog, who: Iterable[Reader], typing: Typing, running: Plan | None = None
) -> list[Impact]:
    """The readers that work on the catalog `before` and break on `after`, in their order; nothing is run.

    `running` is the plan that makes the change: it isn't its own victim. Who needs only tables that stay as they are isn't
    resolved at all.
    """
    changed = altered(before, after)
    if not changed:
        return []
    out = []
    for reader in who:
        if (running is not None and reader.plan == running) or not _concerned(reader, changed, before):
            continue
        if _broken(reader, before, before, typing) is None and (found := _broken(reader, after, before, typing)):
            out.append(found)
    return out


def needs(found: Sequence[Impact]) -> str:
    """Why a person must approve what breaks them, "" when nobody relies on them."""
    names = [i.who for i in found if i.kind in HOLDING]
    return f"it breaks {', '.join(names)}" if names else ""


def _concerned(reader: Reader, changed: set[str], catalog: Catalog) -> bool:
    if reader.plan is None:
        try:
            return any(t.lower() in changed for t in checked(reader.sql, catalog.tables)[1])
        except IntendantError:
            return False
    return any(t.lower() in changed for step in reader.plan.steps for t in (*read_by(step), str(step.get("target", ""))))


def _broken(reader: Reader, catalog: Catalog, before: Catalog, typing: Typing) -> Impact | None:
    """Where and why the reader doesn't resolve; None when it does."""
    if reader.plan is None:
        try:
            _described(reader.sql, catalog, typing)
        except IntendantError as e:
            return Impact(reader.kind, reader.name, reader.sql, e.message)
        return None
    for step in reader.plan.steps:
        action = actions()[step.verb]
        try:
            step = action.resolve(step, catalog, typing)
            after = action.after(step, catalog, typing)
        except IntendantError as e:
            return Impact(reader.kind, reader.name, print_step(step), e.message)
        if step.verb == "ingest" and isinstance(action, TableAction):
            after = _refilled(action.target(step), str(step.args["resource"]), catalog, after, before)
        catalog = after
    return None


def _refilled(target: str, resource: str, catalog: Catalog, after: Catalog, before: Catalog) -> Catalog:
    """A load of a resource whose columns nobody has asked for brings what it brought until now."""
    if catalog.resource(resource).columns or not before.has(target):
        return after
    return replace(after, tables={**after.tables, target: replace(after.table(target), columns=before.table(target).columns)})


def _described(sql: str, catalog: Catalog, typing: Typing) -> None:
    """Binds read-only SQL to empty tables of the catalog. Raises SqlRefused, EngineError."""
    statement, used = checked(sql, catalog.tables)
    with typing.engine.session() as con:
        for schema in SCHEMAS:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for name in used:
            schema, rest = split_table(name)
            columns = ", ".join(f"{quoted(c.name)} {c.type}" for c in catalog.table(name).columns)
            con.execute(f"CREATE TABLE {schema}.{quoted(rest)} ({columns})")
        con.execute(f"DESCRIBE {statement}")


def told(plan: Plan, before: Catalog, after: Catalog, knowledge: Knowledge, typing: Typing) -> tuple[list[str], list[str]]:
    """(lines of a preview, reasons to ask a person) for a plan that makes `after` of `before`: whom it breaks."""
    after = _restored(plan, before, after, knowledge)
    if not altered(before, after):
        return [], []
    who = readers(knowledge.workspace, knowledge.journal, before)
    found = impacts(before, after, who, typing, plan)
    why = needs(found) if knowledge.workspace.policy.on_impact == "review" else ""
    return [f"break {i.who}{i.where}: {i.why}" for i in found], [why] if why else []


def _restored(plan: Plan, before: Catalog, after: Catalog, knowledge: Knowledge) -> Catalog:
    """The catalog with the columns that a plan of one `restore` brings back; a version that isn't there changes nothing."""
    [step, *more] = plan.steps
    name = str(step.get("table", ""))
    if step.verb != "restore" or step.get("cold") or more or not before.has(name):
        return after
    with suppress(IntendantError):
        versions = {s.version: s for s in knowledge.lake.history(name)}
        number = step.get("version") if step.get("version") is not None else sorted(versions)[-2:][0]
        if number in versions:
            return after.with_table(before.table(name).name, versions[number].columns)
    return after
