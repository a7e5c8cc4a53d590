"""Intendant: the verbs that every face calls. One object, one workspace."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.engines.duckdb import DuckDB
from intendant.engines.worker import worker_of
from intendant.errors import ApprovalInvalid, IntendantError, UnknownName, UsageError, did_you_mean
from intendant.lake import lake_of
from intendant.language import print_plan
from intendant.language.plans import looks_like_plan
from intendant.operators._compile import Typing
from intendant.run import fixes
from intendant.run.holds import Holds
from intendant.run.knowledge import Knowledge
from intendant.run.loop import Loop, Watcher
from intendant.run.outcome import outcome
from intendant.run.prepare import Prepared, prepare
from intendant.run.state import state_of
from intendant.types import Event, Json, Plan, Proposal, Result, Step
from intendant.views import Views
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.planner import Planner
    from intendant.planner.lessons import Lesson
    from intendant.planner.memory import Memory, Verdict
    from intendant.run.owner import Owner

__all__ = ["Intendant"]


class Intendant(Views):
    """Runs a workspace's pipelines.

        app = Intendant("my_workspace")
        app.do("query orders top 5 by amount").answer

    `watch(kind, data)` is told of progress. Use it as a context manager, or call `close`.
    """

    def __init__(self, workspace: str | Path = ".", *, watch: Watcher | None = None) -> None:
        """Opens a workspace. Raises WorkspaceError when it isn't one or its file is wrong."""
        self.workspace = Workspace.open(Path(workspace))
        state, engine = self.workspace.state, self.workspace.engine
        self.engine = DuckDB(
            threads=engine.threads or None, memory_limit=engine.memory_limit or None, temp=state / "spill"
        )
        self.engine.worker = worker_of(self.workspace, self.engine)
        self.lake = lake_of(self.workspace, self.engine)
        held = state_of(self.workspace, self.lake)
        self.journal, self.team = held.journal, held.team
        self.knowledge = Knowledge(self.workspace, self.lake, self.journal)
        self.loop = Loop(
            self.workspace, self.lake, self.engine, self.journal, self.knowledge, watch or (lambda kind, data: None),
            holds=Holds(self.team),
        )  # fmt: skip
        self._owner: Owner | None = None
        self._planner: Planner | None = None
        self._memory: Memory | None = None

    @classmethod
    def init(cls, folder: str | Path = ".") -> Intendant:
        """Makes a workspace (an existing one is left as it is) and opens it."""
        Workspace.create(Path(folder))
        return cls(folder)

    def __enter__(self) -> Intendant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def owner(self) -> Owner:
        """Who runs this workspace's plans in this process; made when the first plan runs."""
        if self._owner is None:
            from intendant.run.owner import Owner

            self.loop.record = Owner.record
            self._owner = Owner(self.workspace.state, self.loop.run, self.loop.queued, self.team)
        return self._owner

    @property
    def memory(self) -> Memory:
        """What people made of plans here; the planner asks it first."""
        if self._memory is None:
            from intendant.planner.memory import FILE, Memory
            from intendant.planner.secrecy import secrets_of

            self._memory = Memory(self.workspace.state / FILE, lambda: secrets_of(self.workspace))
        return self._memory

    def close(self) -> None:
        """Gives everything back: the lock, DBOS, the engine, the journal's file."""
        if self._owner is not None:
            self._owner.release()
        self.engine.close()
        self.journal.close()

    # ------------------------------------------------------------ doing
    def plan(self, text: str, *, answers: Mapping[str, str] | None = None) -> Result:
        """Compiles and previews; changes nothing."""
        return self.do(text, dry_run=True, answers=answers)

    def do(
        self,
        text: str,
        *,
        approve: bool = False,
        dry_run: bool = False,
        answers: Mapping[str, str] | None = None,
        by: str = "api",
        wait: float | None = None,
        confirm: Callable[[Prepared], bool] | None = None,
        run_id: str = "",
    ) -> Result:
        """Compiles a sentence (or intent language), checks it, and runs it.

        `approve` says yes to steps that need an approval; `confirm(prepared)` is asked instead when given. `answers` maps
        what was asked about to the answer. `wait` limits the seconds waited for the run; a `run_id` that was used already
        starts nothing and answers with that run. Errors come as a Result with
        status "failed" and the error's fields; nothing is raised but UsageError.
        """
        started = time.perf_counter()
        timing: dict[str, float] = {}
        try:
            lessons: list[Lesson] = []
            prepared = self.compiled(text, dict(answers or {}), timing, lessons)
            if isinstance(prepared, Result):
                return prepared
            if dry_run:
                return self._previewed(prepared, timing, started)
            said: list[bool] = []
            result = self._run(
                prepared,
                run_id or new_run_id(),
                approve=approve,
                by=by,
                wait=wait,
                timing=timing,
                started=started,
                confirm=confirm and noting(confirm, said),
            )
            return self._learned(result, lessons[0], said[0] if said else None) if lessons else result
        except UsageError:
            raise
        except IntendantError as e:
            timing["total"] = _ms(started)
            return Result("failed", intent=text[:2000], error=e.as_dict(), timing_ms=timing)

    def _learned(self, result: Result, lesson: Lesson, said: bool | None) -> Result:
        """The result, once the memory was told what a person's word on it teaches. A memory in trouble is told of."""
        from intendant.planner.lessons import verdict_of

        waits = result.status == "waiting_approval" and self.journal.get(result.run_id, "approval") is not None
        verdict = verdict_of(result.status, lesson.answers, waits, said)
        trouble = self.memory.trouble or lesson.learn(verdict, result.run_id)
        return replace(result, reason=result.reason or str(trouble)) if trouble else result

    def _decided(self, request: Event, result: Result, verdict: Verdict) -> Result:
        """The result, once the memory was told what was said about a waiting plan; a review of data is about no plan."""
        if "step" in request.data or (verdict == "approved" and result.status == "failed"):
            return result
        try:
            self.memory.decided(request.run, verdict)
        except IntendantError as e:
            return replace(result, reason=result.reason or str(e))
        return result

    def compiled(
        self, text: str, answers: dict[str, str], timing: dict[str, float], lessons: list[Lesson] | None = None
    ) -> Prepared | Result:
        """Text to a checked plan; a Result when it is refused or must be asked about first. A sentence that became a plan
        is put into `lessons`.
        """
        started = time.perf_counter()
        plan = looks_like_plan(text) if len(text) < 20_000 else None
        confidence: float | None = 1.0
        confirm = False
        if plan is None and (mended := fixes.planned(self, text)) is not None:
            return mended
        if plan is None:
            proposal = self._proposed(text, answers, lessons if lessons is not None else [])
            timing["plan"] = _ms(started)
            if proposal.status != "ready" or proposal.plan is None:
                return self._not_ready(text, proposal, timing, started)
            plan, confidence, confirm = proposal.plan, proposal.confidence, proposal.confirm
        prepared = prepare(text, plan, self.knowledge, Typing(self.engine, self.lake.snapshot), confidence, confirm)
        timing["compile"] = _ms(started)
        return prepared

    def _proposed(self, text: str, answers: dict[str, str], lessons: list[Lesson]) -> Proposal:
        from intendant.planner.lessons import Lesson
        from intendant.run.planning import planner_of

        if self._planner is None:
            self._planner = planner_of(self.workspace, self.engine, self.lake, self.memory)
        catalog, focus = self.knowledge.learn_all(), self._focus()
        found = self._planner.compile(text, catalog, focus=focus, answers=answers, values=self.values)
        if found.status == "ready" and found.plan is not None:
            lessons.append(Lesson(self.memory, self._planner, text, catalog, focus, self.values, answers, found.plan))
        return found

    def _focus(self) -> tuple[str, ...]:
        """The tables that the last runs wrote, newest first: what "it" and "the result" mean."""
        events = self.journal.events(kinds=["table.published"], newest=True, limit=20)
        return tuple(dict.fromkeys(e.data["table"] for e in events if self.lake.exists(e.data["table"])))

    def values(self, table: str, column: str) -> list[str]:
        """Distinct values of a text column, at most 60, for finding mentions of values in sentences."""
        from intendant.engines.base import quoted
        from intendant.operators.base import table_sql

        own = quoted(column)
        sql = f"SELECT {own} FROM {table_sql(table).sql('duckdb')} WHERE {own} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 61"
        rows = self.engine.rows(sql, {table: self.lake.snapshot(table)})[1]
        return [str(r[0]) for r in rows] if len(rows) <= 60 else []

    def _not_ready(self, text: str, proposal: Proposal, timing: dict[str, float], started: float) -> Result:
        timing["total"] = _ms(started)
        if proposal.status == "refused":
            return Result(
                "refused", intent=text[:2000], reason=proposal.reason, confidence=proposal.confidence, timing_ms=timing
            )
        questions = (proposal.question,) if proposal.question else ()
        return Result(
            "needs_answer",
            intent=text[:2000],
            questions=questions,
            reason=proposal.reason,
            plan=print_plan(proposal.plan) if proposal.plan else "",
            confidence=proposal.confidence,
            timing_ms=timing,
        )

    def _previewed(self, prepared: Prepared, timing: dict[str, float], started: float) -> Result:
        from intendant.run.changes import changes

        found = changes(self, prepared)
        timing["total"] = _ms(started)
        return Result(
            "succeeded",
            intent=prepared.text,
            plan=prepared.rendered,
            steps=tuple(prepared.shown),
            confidence=prepared.confidence,
            preview=tuple(prepared.preview),
            timing_ms=timing,
            reason=prepared.needs_approval,
            changes=found,
        )

    def _run(
        self,
        prepared: Prepared,
        run_id: str,
        *,
        approve: bool,
        by: str,
        wait: float | None,
        confirm: Callable[[Prepared], bool] | None,
        timing: dict[str, float],
        started: float,
    ) -> Result:
        needs = prepared.needs_approval or (
            "the plan is not certain enough to run by itself" if prepared.confirm else ""
        )
        if needs and not approve and confirm is not None:
            approve = confirm(prepared)
            if not approve:
                return Result(
                    "refused", intent=prepared.text, plan=prepared.rendered, reason="You said no.", timing_ms=timing
                )
        facts: list[tuple[str, str, Mapping[str, Json]]] = [
            ("intent.received", "intent.received", {"text": prepared.text, "by": by}),
            (
                "plan.proposed",
                "plan.proposed",
                {
                    "plan": prepared.rendered,
                    "intent": prepared.text,
                    "confidence": prepared.confidence,
                    "needs_approval": needs,
                },
            ),
        ]
        if prepared.fixes:
            facts.append(("fix.begun", "fix.begun", prepared.fixes))
        if needs and not approve:
            facts.append(
                (
                    "approval",
                    "approval.requested",
                    {"start": 0, "why": needs, "plan": prepared.rendered, "kind": "plan"},
                )
            )
            facts.append(("finished.waiting_approval", "run.finished", {"status": "waiting_approval"}))
            self.journal.append_all(run_id, facts)
            return self.result(run_id, timing, started)
        if needs:
            facts.append(("approved", "approval.granted", {"by": by, "plan_hash": hash_of(prepared.rendered)}))
        facts.append(("queued.0", "run.queued", {"start": 0, "part": 0}))
        self.journal.append_all(run_id, facts)
        return self._awaited(run_id, 0, 0, wait, timing, started)

    def _awaited(
        self, run_id: str, start: int, part: int, wait: float | None, timing: dict[str, float], started: float
    ) -> Result:
        """Runs it here when this process can own the workspace, otherwise waits for the owner, or for its end."""
        end = None if wait is None else time.monotonic() + wait
        while self._status(run_id, part) is None:
            if self.owner.acquire():
                self.owner.start(run_id, start, part)
                left = None if end is None else end - time.monotonic()
                self.owner.wait(lambda: self._done(run_id, part), left)
                break
            if end is not None and time.monotonic() > end:
                break
            time.sleep(0.1)
        return self.result(run_id, timing, started)

    def _done(self, run_id: str, part: int) -> bool:
        """Whether a part of a run that this process executes has ended, and its lineage was told where that is wanted."""
        telling = bool(self.workspace.openlineage) and f"{run_id}.{part}" in self.owner.running
        return self._status(run_id, part) is not None and not telling

    def _status(self, run_id: str, part: int) -> str | None:
        """The status in which a part of a run ended, None while it is under way."""
        events = self.journal.events(run_id, kinds=["run.finished", "run.queued"])
        after = [e for e in events if e.kind == "run.queued" and e.data["part"] == part]
        done = [e for e in events if e.kind == "run.finished" and (not after or e.seq > after[0].seq)]
        return str(done[-1].data["status"]) if done else None

    def result(self, run_id: str, timing: dict[str, float] | None = None, started: float | None = None) -> Result:
        """What is known of a run, as `do` answers it. Raises UnknownName."""
        events = self.journal.events(run_id)
        if not events:
            raise UnknownName(
                f"there is no run {run_id!r}", hint=did_you_mean(run_id, [r["run_id"] for r in self.runs(50)], "run")
            )
        timing = dict(timing or {})
        if started is not None:
            timing["total"] = _ms(started)
        return fixes.told(outcome(run_id, events, timing), events)

    def resume(self) -> list[str]:
        """Finishes what stopped processes left: queued and half-done runs. The ids of the runs finished now.

        Raises Busy when another process is at it.
        """
        from intendant.errors import Busy

        self.owner.serve()
        if not self.owner.acquire():
            raise Busy("another process runs this workspace", hint="It finishes the runs by itself.")
        waiting = self._queued()
        for run_id, start, part in waiting:
            self.owner.start(run_id, start, part)
        self.owner.wait(lambda: all(self._done(r, p) for r, _, p in waiting))
        return [r for r, _, _ in waiting]

    def _queued(self) -> list[tuple[str, int, int]]:
        """Runs whose last part was queued and hasn't ended: (run, start, part)."""
        ended: dict[str, int] = {e.run: e.seq for e in self.journal.events(kinds=["run.finished"])}
        last = {e.run: e for e in self.journal.events(kinds=["run.queued"])}
        return [(r, e.data["start"], e.data["part"]) for r, e in last.items() if ended.get(r, -1) < e.seq]

    def run(
        self, pipeline: str, given: Mapping[str, str] | None = None, *, approve: bool = False, by: str = "api",
        run_id: str = "", dry_run: bool = False,
    ) -> Result:  # fmt: skip
        """Runs pipelines/NAME.intent with its parameters. Raises UnknownName; other errors come as a Result."""
        from intendant.run.build import run

        return run(self, pipeline, given, approve=approve, by=by, run_id=run_id, dry_run=dry_run)

    def load(
        self, file: str | Path, table: str, types: Mapping[str, str] | None = None, *, sheet: str | None = None
    ) -> dict[str, Json]:
        """Loads a local file as the table's new version; `sheet` is of a workbook. Raises UsageError, SourceError, LakeError."""
        from intendant.run.load import load

        return load(self, Path(file), table, types, sheet)

    # ------------------------------------------------------------ looking
    def check(
        self, subject: str, *, cells: str | Path | None = None, html: str | Path | None = None, explain: bool = False
    ) -> dict[str, Json]:
        """A quality report on a table or a file; nothing changes. `cells` also writes suspicious cells as CSV, `html` the
        report as a page with pictures; `explain` has the language model say what is wrong. Raises ModelError then."""
        from intendant.run.inspect import inspect

        return inspect(self, subject, Path(cells) if cells else None, Path(html) if html else None, explain)

    def rollback(self, table: str, to: int | None = None, *, by: str = "api") -> Result:
        """Makes an earlier version (the previous one by default) current again; also undoes a drop."""
        args: dict[str, Json] = (
            {"table": table, "version": to} if to is not None else {"table": table, "back": "previous"}
        )
        return self.do(print_plan(Plan((Step("restore", args),))), approve=True, by=by)

    # ------------------------------------------------------------ operating
    def approve(self, approval: str, *, by: str = "api", wait: float | None = None) -> Result:
        """Says yes to a waiting plan or review, which then goes on. Raises ApprovalInvalid."""
        started = time.perf_counter()
        request = self._request(approval)
        run_id, data = request.run, request.data
        proposed = self.journal.get(run_id, "plan.proposed")
        if proposed is None or proposed.data["plan"] != data["plan"]:
            raise ApprovalInvalid(
                "the plan is not the one that was shown",
                where=approval,
                hint="Ask for the plan again: `intendant plan`.",
            )
        part = 1 + sum(e.seq < request.seq for e in self.journal.events(run_id, kinds=["run.queued"]))
        facts: list[tuple[str, str, Mapping[str, Json]]] = [
            (
                f"granted.{request.seq}",
                "approval.granted",
                {"by": by, "request": request.seq, "plan_hash": hash_of(data["plan"])},
            )
        ]
        if "step" in data:
            facts.append((f"{data['step']}.approved", "review.accepted", {"step": data["step"], "by": by}))
        facts.append((f"queued.{part}", "run.queued", {"start": data["start"], "part": part}))
        self.journal.append_all(run_id, facts)
        return self._decided(request, self._awaited(run_id, data["start"], part, wait, {}, started), "approved")

    def reject(self, approval: str, *, by: str = "api") -> Result:
        """Says no: nothing (further) runs, and what the run had published is undone."""
        request = self._request(approval)
        self.journal.append(
            request.run, f"rejected.{request.seq}", "approval.rejected", {"by": by, "request": request.seq}
        )
        self.loop.undo(request.run)
        self.journal.append(request.run, f"finished.rejected.{request.seq}", "run.finished", {"status": "rolled_back"})
        return self._decided(request, self.result(request.run), "rejected")

    def _request(self, approval: str) -> Event:
        run_id, _, seq = approval.rpartition(".")
        waiting = {a["id"] for a in self.approvals()}
        if approval not in waiting:
            decided = any(str(e.seq) == seq for e in self.journal.events(run_id, kinds=["approval.requested"]))
            said = "was decided already" if decided else "does not exist"
            raise ApprovalInvalid(f"the approval {approval!r} {said}", hint=did_you_mean(approval, waiting, "approval"))
        return next(e for e in self.journal.events(run_id, kinds=["approval.requested"]) if str(e.seq) == seq)

    def advise(self, described: Mapping[str, Json]) -> dict[str, Json]:
        """Strategy, severity, priority and recommendations for a described pipeline (measured where its source is ours)."""
        from intendant.run.advise import advise

        return advise(described, self.workspace.thresholds, self)

    def doctor(self) -> list[dict[str, Json]]:
        """What is installed, reachable, misconfigured, each with the mend: [{"what", "state", "detail", "mend"}]"""
        from intendant.run.doctor import doctor

        return doctor(self)


def noting(confirm: Callable[[Prepared], bool], said: list[bool]) -> Callable[[Prepared], bool]:
    """`confirm` that also puts what was said into `said`."""

    def asked(prepared: Prepared) -> bool:
        said.append(confirm(prepared))
        return said[-1]

    return asked


def new_run_id() -> str:
    return datetime.now(UTC).strftime("%y%m%d-%H%M%S-") + secrets.token_hex(3)


def hash_of(plan: str) -> str:
    """What an approval is bound to."""
    return hashlib.sha256(plan.encode()).hexdigest()


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
