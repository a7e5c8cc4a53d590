"""The loop: each step of a run goes from phase to phase as its events call for; every phase is recorded and repeatable.

A phase is: recorded? then its result; else do it, tell the journal, record it. All phases are safe to repeat: a commit
carries the stamp of its run and step, a fact its key.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from intendant.actions import actions
from intendant.actions.base import Context, Effect, Staged, TableAction
from intendant.agents import deciders
from intendant.catalog import Catalog
from intendant.engines.duckdb import DuckDB
from intendant.errors import IntendantError, SourceError, SourceOverloaded
from intendant.lake import Lake, Stage
from intendant.language import parse, print_step
from intendant.run import faults, fixes, following, restage, storage
from intendant.run.drifting import remember, waiting
from intendant.run.gate import Gate
from intendant.run.holds import Holds
from intendant.run.journal import Journal
from intendant.run.knowledge import Knowledge
from intendant.run.rules import reaction_to
from intendant.run.undo import LAYOUT, Undo
from intendant.telemetry import openlineage
from intendant.types import Json, Stamp, Step
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.sources.base import Source

__all__ = ["Loop", "Watcher"]

SOURCE_ATTEMPTS = 2
"""Whole reads of a source in one phase: it tries each request again by itself."""
MEND = "Nothing of this run is kept. Mend what is named, and run it again."
MENDS = {
    "source_unreachable": "Nothing was changed. Run it again when the source answers.",
    "source_damaged": "Nothing was changed. Run it again; if it stays so, ask who keeps the source.",
}
Facts = dict[str, Json]
Recorder = Callable[[str, Callable[[], Facts]], Facts]
"""Does a phase once: what was recorded under its name before a crash is not done again."""
Watcher = Callable[[str, Mapping[str, Json]], None]


@dataclass
class Loop:
    """Runs plans of one workspace. `watch` is told of progress as it happens."""

    workspace: Workspace
    lake: Lake
    engine: DuckDB
    journal: Journal
    knowledge: Knowledge
    watch: Watcher = lambda kind, data: None
    record: Recorder = lambda name, do: do()
    holds: Holds = field(default_factory=Holds)

    def run(self, run_id: str, start: int, part: int = 0) -> str:
        """One part of a run, from step `start` on; its status. What a DBOS workflow executes."""
        storage.before(self, run_id)
        return Part(self, run_id, part).go(start)

    def queued(self, after: int = 0) -> list[tuple[int, str, int, int]]:
        """Parts of runs queued behind the journal's fact `after` that haven't ended: (fact, run, start, part)."""
        last = {e.run: e for e in self.journal.events(kinds=["run.queued"], after=after)}
        ended = {e.run: e.seq for e in self.journal.events(kinds=["run.finished"], after=after)} if last else {}
        return [(e.seq, r, e.data["start"], e.data["part"]) for r, e in last.items() if ended.get(r, 0) < e.seq]

    def undo(self, run_id: str) -> None:
        """Takes back what a run did so far: the answer to a person's no."""
        Undo(self.lake, self.journal, run_id, lambda *fact: self.journal.append(run_id, *fact)).all()


class Part:
    """The steps of one run from a start, in one workflow."""

    def __init__(self, loop: Loop, run_id: str, part: int) -> None:
        self.loop, self.run_id, self.part, self.journal = loop, run_id, part, loop.journal
        proposed = self.journal.get(run_id, "plan.proposed")
        assert proposed is not None
        self.proposed = proposed.data
        self.steps = parse(self.proposed["plan"]).steps
        self.stages: dict[int, Stage] = {}
        self.resolutions: dict[int, tuple[Step, Context]] = {}
        self.staged_again: dict[int, int] = {}

    def go(self, start: int) -> str:
        rest = range(start, len(self.steps))
        with self.loop.holds.tables((t for i in rest for t in self.writes(i)), f"{self.run_id}.{self.part}"):
            status = next((s for i in rest if (s := self.step(i)) != "succeeded"), "succeeded")
            if status == "succeeded" and self.journal.get(self.run_id, "fix.begun"):
                status = self.mended()
            self.phase("finish", lambda: self.finish(status))
        return status

    def step(self, i: int) -> str:
        """Runs one step to its end: succeeded, failed, rolled_back or waiting_approval."""
        event = self.begun(i)
        while True:
            reaction = "fail" if "error" in event else reaction_to(event["event"], event)
            if reaction is None:
                return "succeeded"
            if reaction == "ask":
                event = self.phase(f"{i}.ask", partial(self.ask, i, event))
                return "failed" if "error" in event else "waiting_approval"
            if reaction in ("fail", "roll_back"):
                undone = self.phase(f"{i}.undo", self.undo)
                return "failed" if reaction == "fail" or "error" in undone else "rolled_back"
            do = self.audit if reaction == "audit" else self.publish
            event = self.phase(f"{i}.{reaction}", partial(restage.unless_lost, partial(do, i, event)))
            if event.get("event") == restage.LOST:
                self.staged_again[i] = self.staged_again.get(i, 0) + 1
                event = self.phase(f"{i}.stage", partial(restage.again, self, i))

    def begun(self, i: int) -> Facts:
        """The step's first event: its stage is full, its act is done, or a person has accepted its audit."""
        if not isinstance(actions()[self.steps[i].verb], TableAction):
            return self.phase(f"{i}.act", lambda: self.act(i))
        asked = restage.asked_about(self, i)
        if asked is not None and restage.granted(self, asked):
            return {**asked.data["audited"], "accepted": True}
        return self.phase(f"{i}.stage", lambda: self.stage(i))

    def writes(self, i: int) -> tuple[str, ...]:
        step = self.steps[i]
        action = actions()[step.verb]
        if isinstance(action, TableAction) and step.get("target", step.get("table")):
            return (action.target(step),)
        return (str(step.get("table")),) if step.get("table") else ()

    # ------------------------------------------------------------ phases
    def phase(self, name: str, do: Callable[[], Facts]) -> Facts:
        """One recorded phase; its facts, or {"error": ...}."""
        faults.boundary(f"before:{name}")
        out = self.loop.record(name, lambda: self.attempted(name, do))
        faults.boundary(f"recorded:{name}")
        return out

    def attempted(self, name: str, do: Callable[[], Facts]) -> Facts:
        """Does it, again after errors that may pass; the loop's edge, where every error becomes a fact."""
        attempts = self.loop.workspace.policy.attempts
        for attempt in range(1, attempts + 1):
            try:
                out = do()
                faults.boundary(f"after:{name}")
                return out
            except IntendantError as e:
                if not e.retry or attempt == (min(attempts, SOURCE_ATTEMPTS) if isinstance(e, SourceError) else attempts):
                    return self.failed(name, e.as_dict())
                self.retry(name, attempt, e)
            except Exception as e:
                text = f"{type(e).__name__}: {e}"
                trace = "".join(traceback.format_exception(e)[-3:])
                with suppress(OSError):
                    (self.loop.workspace.state / "last_error.txt").write_text(trace, encoding="utf-8")
                return self.failed(
                    name,
                    {
                        "code": "internal",
                        "message": text[:500],
                        "where": name,
                        "hint": "This is a fault of ours; .intendant/last_error.txt says where. Nothing was published by this step.",
                    },
                )
        raise AssertionError("unreachable")

    def failed(self, name: str, error: dict[str, str]) -> Facts:
        """An error as the step's last fact; one that came without a mend gets its code's."""
        error = {**error, "hint": error["hint"] or MENDS.get(error["code"], MEND)}
        self.journal.append(self.run_id, f"{name}.failed", "step.failed", {"phase": name, "error": error})
        return {"error": error}

    def retry(self, name: str, attempt: int, e: IntendantError) -> None:
        wait = min(8.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.0)
        if isinstance(e, SourceOverloaded) and e.retry_after:
            wait = min(60.0, max(wait, e.retry_after))
        self.journal.append(
            self.run_id,
            f"{name}.retry.{attempt}",
            "step.retried",
            {"phase": name, "attempt": attempt, "error": e.as_dict(), "wait_s": round(wait, 2)},
        )
        self.loop.watch("step.retried", {"phase": name, "attempt": attempt, "wait_s": wait, "message": e.message})
        time.sleep(wait)

    def stage(self, i: int) -> Facts:
        """Fills the stage: rows on disk that nobody sees yet."""
        step, context, started = self.resolved(i)
        done = (
            self.loop.lake.published(self.writes(i)[0], context.stamp)
            if self.loop.lake.exists(self.writes(i)[0])
            else None
        )
        action = actions()[step.verb]
        assert isinstance(action, TableAction)
        if done is not None:
            return {"event": "table.published", "table": done.table}
        stage = self.loop.lake.stage(action.target(step), context.stamp)
        staged = action.stage(step, stage, context)
        stage.save()
        self.stages[i] = stage
        snapshot = stage.snapshot()
        if not snapshot.rows and following.idle(self.loop.lake, staged):
            return self.nothing_new(i, staged, stage)
        facts: Facts = {
            "event": "data.ready",
            "table": staged.table,
            "mode": staged.mode,
            "rows": snapshot.rows,
            "bytes": snapshot.bytes,
            "keys": list(staged.keys),
            "partition_by": list(staged.partition_by),
            "sort_by": list(staged.sort_by),
            "facts": dict(staged.facts),
            "stage": stage.mark,
            "ms": _ms(started),
        }
        shown = {k: v for k, v in facts.items() if k not in ("event", "facts", "stage")}
        self.tell(f"{i}.data{restage.suffix(self, i)}", "data.ready", {**shown, "step": print_step(step)})
        return facts

    def nothing_new(self, i: int, staged: Staged, stage: Stage) -> Facts:
        """An incremental load that found no good row leaves the table as it is; rejected ones go to its quarantine."""
        gate, outputs = Gate(self.loop.workspace, self.loop.lake, self.loop.engine), []
        if self.loop.lake.exists(staged.table):
            aside = gate.set_aside(stage, {"facts": staged.facts}, stage.stamp, self.steps[i])
            outputs = [following.unchanged(self.loop.lake, staged.table, aside)]
        self.stages.pop(i).discard()
        said = {"step": print_step(self.steps[i]), "verb": self.steps[i].verb, "note": "nothing new"}
        self.tell(f"{i}.done", "step.done", {"outputs": outputs, "findings": staged.facts.get("findings", []), **said})
        return {"event": "step.done"}

    def audit(self, i: int, ready: Facts) -> Facts:
        """The quality gate looks at the stage."""
        step, context, started = self.known(i)
        stage = self.staged(i, ready, context)
        verdict = Gate(self.loop.workspace, self.loop.lake, self.loop.engine).audit(stage, _staged(ready), step, context)
        kind = "quality.passed" if verdict.passed else "quality.failed"
        data = {
            "table": ready["table"],
            "findings": [f.as_dict() for f in verdict.findings],
            "on_failure": verdict.on_failure,
            "rules": verdict.rules,
            "predicates": verdict.predicates,
            "schema": verdict.schema,
            "why": verdict.why,
            "ms": _ms(started),
        }
        self.tell(f"{i}.audit{restage.suffix(self, i)}", kind, data)
        return {**ready, **data, "event": kind, "accepted": restage.still_accepted(self, i, data["findings"])}

    def publish(self, i: int, audited: Facts) -> Facts:
        """One commit for the table, and one for its quarantine when rows are set aside."""
        step, context, started = self.known(i)
        lake, table, stamp = self.loop.lake, audited["table"], context.stamp
        aside = Stamp(stamp.run, restage.aside_step(self, i))
        self.loop.holds.fence()
        done = lake.published(table, stamp) if lake.exists(table) else None
        if done is None:
            stage = self.staged(i, audited, context)
            gate = Gate(self.loop.workspace, lake, self.loop.engine)
            quarantined = gate.set_aside(stage, audited, aside, step)
            staged = _staged(audited)
            faults.boundary(f"between:{i}.publish")
            before = lake.snapshot(table).rows if lake.exists(table) else None
            profile = waiting(stage)
            done = following.published(stage, staged, step, context)
            remember(lake, profile, done)
            self.loop.watch("table.published", {"table": table, "rows": done.rows, "was": before})
        else:
            quarantined = Gate(self.loop.workspace, lake, self.loop.engine).already_aside(table, aside) or 0
            if left := lake.reopen(table, stamp):
                left.discard()
        self.record_publish(i, step, context, audited, done.version, quarantined, _ms(started))
        self.remember_layout(table, audited, stamp)
        return {"event": "table.published", "table": table}

    def record_publish(
        self, i: int, step: Step, context: Context, audited: Facts, version: int, quarantined: int, ms: float
    ) -> None:
        facts = audited.get("facts", {})
        action = actions()[step.verb]
        snapshot = self.loop.lake.snapshot(audited["table"])
        catalog = (
            context.catalog.with_table(audited["table"], snapshot.columns) if step.verb == "ingest" else context.catalog
        )
        data = {
            "table": audited["table"],
            "version": version,
            "rows": audited["rows"] + len(facts.get("rejected", ())) + facts.get("aside", {}).get("rows", 0) - quarantined,
            "total_rows": snapshot.rows,
            "rows_quarantined": quarantined,
            "mode": audited["mode"],
            "step": print_step(step),
            "intent": self.proposed["intent"],
            "inputs": facts.get("inputs", {}),
            "columns": {k: list(v) for k, v in action.origins(step, catalog, context.typing).items()},
            "resource": facts.get("resource", ""),
            "archive": facts.get("archive", ""),
            **({"note": facts["note"]} if facts.get("note") else {}),
            "layout_before": {k: v for k, v in self.loop.lake.settings(audited["table"]).items() if k in LAYOUT},
            "bytes": snapshot.bytes,
            "ms": ms,
        }
        self.tell(f"{i}.published", "table.published", data)
        if audited.get("schema"):
            changed = {"table": audited["table"], "version": version, "changes": audited["schema"]}
            self.tell(f"{i}.schema", "schema.changed", changed)

    def act(self, i: int) -> Facts:
        """A verb that isn't a table's rows: one repeatable act, and the facts it returns."""
        step, context, started = self.resolved(i)
        action = actions()[step.verb]
        assert isinstance(action, Effect)
        self.loop.holds.fence()
        facts = action.act(step, context)
        for n, (kind, data) in enumerate(facts.get("events", ())):
            said = {"step": print_step(step), "intent": self.proposed["intent"]}
            self.tell(f"{i}.act.{n}", kind, {**data, **said})
            self.follow_up(kind, data, f"{i}.act.{n}")
        verdict = facts.get("verdict", "")
        accepted = self.journal.get(self.run_id, f"{i}.approved") is not None
        shown = {k: v for k, v in facts.items() if k != "events"}
        key = f"{i}.done" if verdict != "review" or accepted else f"{i}.looked"
        self.tell(key, "step.done", {**shown, "step": print_step(step), "verb": step.verb, "ms": _ms(started)})
        if verdict in ("failed", "review"):
            return {
                "event": "quality.failed",
                "on_failure": "review" if verdict == "review" else "rollback",
                "accepted": accepted,
            }
        return {"event": "step.done"}

    def ask(self, i: int, event: Facts) -> Facts:
        """A person must look; the run goes on from here once approved."""
        after = i if isinstance(actions()[self.steps[i].verb], TableAction) else i + 1
        data = {
            "step": i,
            "start": after,
            "why": event.get("why") or "the quality check failed and asks for a person's decision",
            "plan": self.proposed["plan"],
            "kind": "review",
            "audited": event,
        }
        self.tell(f"{i}.approval{restage.suffix(self, i)}", "approval.requested", data)
        return {"event": "approval.requested"}

    def mended(self) -> str:
        """Looks again after mends; what they made worse, or what can't be looked at, is taken back."""
        looked = self.phase("fix", lambda: fixes.look_again(self.loop, self.run_id, self.tell))
        if "error" not in looked and not looked["worse"]:
            return "succeeded"
        undone = self.phase("fix.undo", self.undo)
        return "failed" if "error" in looked or "error" in undone else "rolled_back"

    def undo(self) -> Facts:
        """Returns everything that this run changed to what it was."""
        self.loop.holds.fence()
        for stage in self.stages.values():
            stage.discard()
        fixes.give_back_rules(self.loop, self.run_id)
        Undo(self.loop.lake, self.journal, self.run_id, self.tell).all()
        return {"event": "run.rolled_back"}

    def finish(self, status: str) -> Facts:
        """Says how this part of the run ended: each part says it once."""
        storage.settle(self.loop, self.run_id, status, self.tell)
        self.tell(f"finished.{self.part}.{status}", "run.finished", {"status": status})
        try:
            openlineage.emit(self.loop.workspace, self.journal.events(self.run_id))
        except IntendantError as e:
            self.tell(f"lineage.{self.part}", "openlineage.failed", {"error": e.as_dict()})
        return {"status": status}

    # ------------------------------------------------------------ helpers of the phases
    def tell(self, key: str, kind: str, data: Mapping[str, Json]) -> None:
        faults.boundary(f"tell:{key}")
        self.journal.append(self.run_id, key, kind, data)
        faults.boundary(f"told:{key}")
        self.loop.watch(kind, data)

    def resolved(self, i: int) -> tuple[Step, Context, float]:
        """The step against the catalog as it was before the step, and what it works with."""
        started = time.perf_counter()
        step = self.steps[i]
        learn = (
            [str(step.args["resource"]).partition(".")[0]] if step.verb == "ingest" and self.undeclared(step) else []
        )
        catalog = restage.as_before(self, i, self.loop.knowledge.catalog(learn))
        context = self.context(i, catalog)
        step = actions()[step.verb].resolve(step, catalog, context.typing)
        self.resolutions[i] = step, context
        return step, context, started

    def known(self, i: int) -> tuple[Step, Context, float]:
        """The step as it was resolved for its stage; anew after a crash."""
        started = time.perf_counter()
        return (*self.resolutions[i], started) if i in self.resolutions else self.resolved(i)

    def undeclared(self, step: Step) -> bool:
        return step.args["resource"] not in self.loop.knowledge.catalog().resources

    def context(self, i: int, catalog: Catalog) -> Context:
        def source(full: str) -> Source:
            name, _, resource = full.partition(".")
            return self.loop.knowledge.source(name, resource)

        return Context(
            self.loop.workspace,
            self.loop.lake,
            self.loop.engine,
            catalog,
            self.journal,
            Stamp(self.run_id, str(i)),
            lambda k, d: self.heard(i, k, d),
            source,
        )

    def heard(self, i: int, kind: str, data: Mapping[str, Json]) -> None:
        """What a source tells while it is read; throttling is a fact, progress is not."""
        self.loop.watch(kind, data)
        if kind == "source.throttled":
            n = len(self.journal.events(self.run_id, kinds=["source.throttled"])) + 1
            source = str(self.steps[i].get("resource", "")).partition(".")[0]
            self.journal.append(
                self.run_id, f"{i}.throttled.{n}", "source.throttled", {**data, "source": source, "count": n}
            )
            self.follow_up("source.throttled", {**data, "source": source, "count": n}, f"{i}.throttled.{n}")

    def follow_up(self, kind: str, facts: Mapping[str, Json], key: str) -> None:
        """Asks the agent whose rule fits; its intents become proposals (or, when safe and undone at will, facts)."""
        reaction = reaction_to(kind, facts)
        if reaction and reaction.startswith("agent:"):
            decision = deciders()[reaction.removeprefix("agent:")].decide(kind, facts, self.loop.knowledge.catalog())
            for n, fact in enumerate(decision.facts):
                self.tell(f"{key}.fact.{n}", fact[0], fact[1])
            for n, intent in enumerate(decision.intents):
                self.tell(
                    f"{key}.proposal.{n}",
                    "proposal.made",
                    {"intent": intent, "why": decision.why, "agent": reaction[6:]},
                )

    def staged(self, i: int, ready: Facts, context: Context) -> Stage:
        """The stage of a step, reopened after a crash. Raises StageLost when its files are gone, or are of an earlier stage."""
        if i not in self.stages:
            reopened = self.loop.lake.reopen(ready["table"], context.stamp)
            if reopened is None or reopened.mark != ready.get("stage", reopened.mark):
                raise restage.StageLost(f"the staged rows for {ready['table']!r} are gone", where=print_step(self.steps[i]))
            self.stages[i] = reopened
        return self.stages[i]

    def remember_layout(self, table: str, audited: Facts, stamp: Stamp) -> None:
        settings = dict(self.loop.lake.settings(table))
        layout = {"partition_by": audited["partition_by"], "sort_by": audited["sort_by"]}
        made_by = print_step(self.steps[int(stamp.step)])
        if audited["mode"] == "replace" and {k: settings.get(k, []) for k in layout} | {"made_by": made_by} != {
            **layout,
            "made_by": settings.get("made_by"),
        }:
            self.loop.lake.set_settings(table, {**settings, **layout, "made_by": made_by}, stamp)


def _staged(facts: Facts) -> Staged:
    return Staged(
        facts["table"],
        facts["mode"],
        tuple(facts["keys"]),
        tuple(facts["partition_by"]),
        tuple(facts["sort_by"]),
        facts.get("facts", {}),
    )


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
