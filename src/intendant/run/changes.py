"""What plans would change, row by row, before they run: their steps are carried out over the tables as they are, into a
scratch lake that is thrown away.

The same actions and the same quality gate do it as in a run; nothing is published and no source is asked. What is loaded
is only described, and what depends on it is unknown until then.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from intendant.actions import actions
from intendant.actions.archive import Archive
from intendant.actions.base import Action, Context, Effect, Staged, TableAction
from intendant.actions.restore import Restore
from intendant.catalog import Catalog
from intendant.checks.rules import kinds, rule_of, rules_of
from intendant.errors import IntendantError, LakeError, SourceError
from intendant.lake.scratch import Scratch
from intendant.language import parse, print_step
from intendant.operators._compile import Typing, apply, sql_text
from intendant.operators.base import table_sql
from intendant.run.cost import Meter
from intendant.run.gate import Gate
from intendant.run.knowledge import Knowledge
from intendant.run.prepare import Prepared
from intendant.run.rowdiff import columns_of, compared
from intendant.run.rules import reaction_to
from intendant.types import Json, Resource, Snapshot, Stamp, Step

if TYPE_CHECKING:
    from intendant.app import Intendant
    from intendant.lake import Stage

__all__ = ["MOST_ROWS", "Preview", "changes", "plan_diff"]

MOST_ROWS = 5_000_000
"""Rows that one preview reads; a step beyond is only estimated."""
LEFTOVER_SECONDS = 24 * 3600
MADE = ("transform", "provision")
NO_ROWS = ("query", "export", "schedule", "limit", "retain", "optimize")
"""Verbs after which every table has the rows it had."""
KEEPS_KEYS = frozenset(("filter", "drop_rows", "drop_missing", "sort", "top", "derive", "fill", "cast", "trim", "clip"))
ENDS = {"ask": "waiting_approval", "roll_back": "rolled_back", "fail": "failed"}


def changes(app: Intendant, prepared: Prepared, most: int = MOST_ROWS) -> dict[str, Json]:
    """The changes of one plan, as `Preview.of` says them."""
    with Preview(app, most) as preview:
        return preview.of(prepared)


class Stop(Exception):
    """The run would end here."""

    def __init__(self, status: str, why: str) -> None:
        self.status, self.why = status, why


@dataclass(frozen=True)
class Untried:
    """Why a step isn't tried: `root` is the reason, of the step that made the table `needs` unknown if one is named."""

    root: str
    needs: str = ""
    estimated: bool = False

    @property
    def text(self) -> str:
        return f"it needs {self.needs}, and {self.root}" if self.needs else self.root


class Preview:
    """Tries plans one after the other, each over what those before it would leave. A context manager; not for threads.

    `knowledge` and `typing` know the tables as they would be, for making the next plan ready.
    """

    def __init__(self, app: Intendant, most: int = MOST_ROWS) -> None:
        spill = app.workspace.state / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        sweep(spill)
        self.app, self.most, self.read = app, most, 0
        self.folder = Path(tempfile.mkdtemp(prefix="preview-", dir=spill))
        self.lake = Scratch(self.folder, app.lake, app.engine)
        self.knowledge = Knowledge(app.workspace, self.lake, app.journal)
        self.typing = Typing(app.engine, self.lake.snapshot)
        self.resources: dict[str, Resource] = {}
        self.needs: dict[str, Untried] = {}
        self.estimated: dict[str, int | None] = {}
        self.tried = 0

    def __enter__(self) -> Preview:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def of(self, prepared: Prepared) -> dict[str, Json]:
        """{"tables", "described", "stops", "cost", "ms"}: what the plan would do to each table that it writes, steps that were
        not tried with the reason, where the run would stop (None when it wouldn't), and what it costs (`Meter.total`).

        A table is {"table", "state", "why", "rows_before", "rows_after", "added", "changed", "removed", "by", "columns",
        "samples"}; its state is known, estimated (counts only) or unknown.
        """
        started = time.perf_counter()
        self.resources |= prepared.catalog.resources
        before, unknown = dict(self.lake.own), dict(self.lake.unknown)
        touched: dict[str, str] = {}
        described: list[Json] = []
        stops: dict[str, Json] | None = None
        meter = Meter(self, self.app.engine, self.app.journal)
        for step in prepared.plan.steps:
            try:
                with meter.step(step):
                    written = self.step(step, described)
                for table in written:
                    touched.setdefault(table.lower(), table)
            except (IntendantError, Stop) as e:
                stops = {"step": print_step(step), "status": "failed", "why": str(e)}
                if isinstance(e, IntendantError) and (join := e.facts.get("join")) and f"`{join}`" in prepared.needs_approval:
                    stops["status"] = "waiting_approval"
                if isinstance(e, Stop):
                    stops |= {"status": e.status, "why": e.why}
                break
        touched |= {k: s.table for k, s in self.lake.own.items() if s is not None and before.get(k) is not s}
        tables = [self.table(name, before, unknown, prepared.plan.steps) for key, name in touched.items()]
        ms = round((time.perf_counter() - started) * 1000, 1)
        shown = [t for t in tables if t]
        return {"tables": shown, "described": described, "stops": stops, "cost": meter.total(), "ms": ms}

    def catalog(self) -> Catalog:
        """The tables as they would be now, and the resources that the plans know."""
        found = self.knowledge.catalog()
        return replace(found, resources={**found.resources, **self.resources})

    # ------------------------------------------------------------ steps
    def step(self, step: Step, described: list[Json]) -> list[str]:
        """Tries one step; the tables that it writes. Raises Stop or IntendantError where a run would end."""
        if step.verb in NO_ROWS:
            return []
        action, catalog = actions()[step.verb], self.catalog()
        context = self.context(catalog)
        footprint = action.footprint(step, catalog)
        writes = [str(t) for t in footprint.writes]
        why = self.untried(step, action, footprint.reads, catalog)
        if why:
            described.append({"step": print_step(step), "why": why.text})
            self.guess(step, action, writes, catalog, why)
        elif step.verb == "drop":
            for table in writes:
                self.lake.take_away(table)
        elif isinstance(action, Restore):
            self.restore(action, step, context)
        elif isinstance(action, Effect):
            self.act(action, step, context)
        elif isinstance(action, TableAction):
            self.write(action, step, context)
        return writes

    def untried(self, step: Step, action: Action, reads: Iterable[str], catalog: Catalog) -> Untried | None:
        """Why a step is only described; None when it can be tried."""
        if step.verb == "ingest":
            return Untried(f"what {step.args['resource']} holds is known once it is loaded")
        if step.verb == "restore":
            if step.get("cold"):
                return Untried("archived rows are fetched when it runs")
            return None if catalog.has(step.args["table"]) else Untried("it comes back from the trash")
        if step.verb not in (*MADE, "archive", "check", "drop"):
            return Untried(f"`{step.verb}` is not tried")
        if step.verb == "drop":
            return None
        names = [*reads, *(t for r in map(rule_of, step.get("rules") or ()) for t in kinds()[r.type].reads(r))]
        lacking = next((t for t in names if t.lower() in self.lake.unknown), "")
        if lacking:
            return Untried(self.lake.unknown[lacking.lower()], lacking)
        rows = sum(self.lake.snapshot(t).rows for t in dict.fromkeys(names))
        if self.read + rows > self.most:
            said = f"it reads {rows:,} rows, and a preview reads {self.most:,}: its rows are estimated, not counted"
            return Untried(said, estimated=True)
        self.read += rows
        return None

    def guess(self, step: Step, action: Action, writes: Sequence[str], catalog: Catalog, why: Untried) -> None:
        if step.verb in (*MADE, "ingest"):
            catalog = action.after(step, catalog, self.typing)
        for table in writes:
            columns = catalog.table(table).columns if catalog.has(table) else ()
            if why.estimated:
                self.estimated[table.lower()] = self.estimate(step)
            self.lake.guess(table, columns, why.root)
            if why.needs.lower() != table.lower():  # what is unknown already stays so for its own reason
                self.needs[table.lower()] = why

    def estimate(self, step: Step) -> int | None:
        """How many rows the engine expects of a transform, from what it knows of the files; None for other steps."""
        if step.verb == "provision":
            return self.lake.snapshot(step.args["table"]).rows
        if step.verb != "transform":
            return None
        before = self.catalog()
        relation = apply(step.args["table"], step.args["operators"], before, self.typing, "")
        reads = actions()["transform"].footprint(step, before).reads
        tables = {t: self.lake.snapshot(t) for t in reads}
        plan = self.app.engine.rows(f"EXPLAIN (FORMAT json) {sql_text(relation.query)}", tables)[1][0][1]
        return expected(json.loads(plan))

    def write(self, action: TableAction, step: Step, context: Context) -> None:
        """Stage, audit and publish, as the loop does, into the scratch lake."""
        stage = self.lake.stage(action.target(step), context.stamp)
        staged = (
            self.archived(action, step, stage, context)
            if isinstance(action, Archive)
            else action.stage(step, stage, context)
        )
        stage.save()
        gate = Gate(self.app.workspace, self.lake, self.app.engine)
        verdict = gate.audit(stage, staged, step, context)
        event = "quality.passed" if verdict.passed else "quality.failed"
        reaction = reaction_to(event, {"on_failure": verdict.on_failure})
        if reaction != "publish":
            raise Stop(ENDS[reaction or "fail"], verdict.why or "the check failed")
        audited = {
            "facts": dict(staged.facts),
            "rules": verdict.rules,
            "predicates": [] if verdict.passed else verdict.predicates,
        }
        gate.set_aside(stage, audited, stage.stamp, step)
        self.lake.publish(stage, staged.mode, staged.keys, operation=step.verb)

    def archived(self, action: Archive, step: Step, stage: Stage, context: Context) -> Staged:
        """The rows that an archive leaves in the table; none is written to the archive."""
        table = action.target(step)
        leaves = action.condition(step, context.catalog)
        stays = exp.Not(this=exp.Coalesce(this=exp.paren(leaves), expressions=[exp.false()]))
        query = exp.Select(expressions=[exp.Star()]).from_(table_sql(table)).where(stays)
        stage.add_sql(context.engine, sql_text(query), context.snapshots([table]))
        return Staged(table, "replace", facts={"shrinks": True, "inputs": {table: self.lake.snapshot(table).version}})

    def act(self, action: Effect, step: Step, context: Context) -> None:
        facts = action.act(step, context)
        if (verdict := facts.get("verdict")) in ("failed", "review"):
            said = "; ".join(str(f["evidence"]) for f in facts.get("findings", ())[:3])
            raise Stop("waiting_approval" if verdict == "review" else "rolled_back", said or "the check failed")

    def restore(self, action: Restore, step: Step, context: Context) -> None:
        name, version = str(step.args["table"]), step.get("version")
        found = self.lake.snapshot(name, action.previous(name, context) if version is None else version)
        current = self.lake.newest_whole(name)
        self.lake.put(replace(found, version=(current or found).version + 1))

    def context(self, catalog: Catalog) -> Context:
        def source(name: str) -> NoReturn:
            raise SourceError(f"{name} is not read in a preview", where=name, hint="Run the plan.")

        self.tried += 1
        stamp, app = Stamp("preview", str(self.tried)), self.app
        return Context(app.workspace, self.lake, app.engine, catalog, app.journal, stamp, lambda k, d: None, source)

    # ------------------------------------------------------------ tables
    def table(
        self, name: str, before: Mapping[str, Snapshot | None], unknown: Mapping[str, str], steps: Sequence[Step]
    ) -> dict[str, Json] | None:
        """What became of a table; None when nothing did."""
        key = name.lower()
        old = before[key] if key in before else self.standing(name)
        new = self.lake.snapshot(name) if self.lake.exists(name) else None
        if key in self.lake.unknown:
            cause, count = self.needs[key], self.estimated.get(key)
            if not cause.estimated:
                return blank(name, "unknown", cause.text, None if key in unknown else old, None)
            return blank(name, "estimated", cause.text, old, None) | {"rows_after": count}
        if key in unknown:
            return blank(name, "unknown", f"it was not known before: {unknown[key]}", None, None)
        if old is None and new is None:
            return None
        rows = sum(s.rows for s in (old, new) if s)
        if old and new and rows > 2 * self.most:
            why = f"the two versions have {rows:,} rows, too many to compare"
            return blank(name, "estimated", why, old, new) | {
                "added": max(0, new.rows - old.rows),
                "removed": max(0, old.rows - new.rows),
            }
        done = compared(self.app.engine, old, new, self.keys(name, steps))
        return {"table": name, "state": "known", "why": "", "new": old is None, "dropped": new is None, **done}

    def standing(self, name: str) -> Snapshot | None:
        if not self.app.lake.exists(name):
            return None
        with suppress(LakeError):
            return self.app.lake.snapshot(name)
        return self.app.lake.newest_whole(name)

    def keys(self, name: str, steps: Sequence[Step]) -> list[tuple[str, ...]]:
        """What may tell the table's rows apart: unique rules, the keys of upserts, the groups that made it, and those of the
        tables that it is made of. Whether one does is seen by the rows."""
        makers = [s for s in steps if s.verb in MADE and str(s.get("target") or s.get("table")).lower() == name.lower()]
        names = dict.fromkeys([name, *(str(s.args["table"]) for s in makers)])
        out = [
            tuple(r.columns or (r.column or "",))
            for t in names
            for r in rules_of(self.lake.settings(t))
            if r.type == "unique"
        ]
        wanted = {t.lower() for t in names}
        for e in self.app.journal.events(kinds=["table.published"], newest=True, limit=500):
            if e.data.get("mode") == "upsert" and str(e.data["table"]).lower() in wanted:
                with suppress(IntendantError):
                    out += [tuple(s.get("keys") or ()) for s in parse(str(e.data["step"])).steps]
        out += [grouped(s) for s in makers]
        return [k for k in dict.fromkeys(out) if k]


def blank(name: str, state: str, why: str, old: Snapshot | None, new: Snapshot | None) -> dict[str, Json]:
    """A table whose rows aren't compared."""
    return {
        "table": name,
        "state": state,
        "why": why,
        "new": old is None,
        "dropped": False,
        "rows_before": old.rows if old else 0,
        "rows_after": new.rows if new else None,
        "added": None,
        "changed": None,
        "removed": None,
        "by": [],
        "columns": columns_of(old, new),
        "samples": {"added": [], "changed": [], "removed": []},
    }


def grouped(step: Step) -> tuple[str, ...]:
    """The columns that a transform's last grouping is by, where nothing after it renames or adds rows."""
    for operator in reversed(step.get("operators") or ()):
        if operator.verb == "group":
            return tuple(map(str, operator.get("keys") or ()))
        if operator.verb not in KEEPS_KEYS:
            return ()
    return ()


def expected(plan: Json) -> int | None:
    """The estimated cardinality nearest to the root of an explained plan."""
    level = plan if isinstance(plan, list) else [plan]
    while level:
        for node in level:
            if (n := node.get("extra_info", {}).get("Estimated Cardinality")) is not None:
                return int(n)
        level = [c for node in level for c in node.get("children", ())]
    return None


def sweep(folder: Path) -> None:
    """Removes what previews that were killed have left."""
    for old in folder.glob("preview-*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(old, ignore_errors=True)


# ---------------------------------------------------------------- plans
def plan_diff(last: str, now: str) -> dict[str, Json]:
    """{"new", "gone"}: the lines of the plan that the last one hadn't, and the other way round."""
    a, b = last.splitlines(), now.splitlines()
    return {"new": beyond(b, a), "gone": beyond(a, b)}


def beyond(lines: Sequence[str], others: Sequence[str]) -> list[str]:
    left, out = Counter(map(str.strip, others)), []
    for line in map(str.strip, lines):
        if left[line]:
            left[line] -= 1
        else:
            out.append(line)
    return out
