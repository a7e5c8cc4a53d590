"""The quality gate: between a stage and its publish; it passes, warns, sets bad rows aside, asks, or stops."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from intendant import checks
from intendant.actions.base import Context, Staged
from intendant.checks import rules as rule_kinds
from intendant.checks.split import REASON, split_sql
from intendant.engines.base import quoted, text
from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged, GateStop, TypeMismatch, VolumeGuard
from intendant.lake import Lake, Stage
from intendant.lake.disk import write_json
from intendant.language import print_step
from intendant.run import evolution, faults, impact, setaside
from intendant.run.conform import Misfit, misfits
from intendant.run.drifting import drifted
from intendant.run.evolution import Change
from intendant.types import Finding, Json, OnFailure, Rule, Snapshot, Stamp, Step
from intendant.workspace import Workspace

__all__ = ["Gate", "Verdict"]

FINDINGS = "_findings.json"
LOOK_AT_MOST = 5_000_000
"""Above so many rows a load isn't searched for what nobody declared; `check` still does when asked."""
STRICT: tuple[OnFailure, ...] = ("rollback", "review", "quarantine", "warn")
"""Of two failures the stricter answer holds."""


@dataclass(frozen=True)
class Verdict:
    """`predicates` are (reason, SQL) of the rows to set aside; `schema` what a publish changes in the table's columns."""

    passed: bool
    on_failure: OnFailure
    findings: tuple[Finding, ...] = ()
    rules: list[Json] = field(default_factory=list)
    predicates: list[list[str]] = field(default_factory=list)
    why: str = ""
    schema: list[Json] = field(default_factory=list)


class Gate:
    def __init__(self, workspace: Workspace, lake: Lake, engine: DuckDB) -> None:
        self.workspace, self.lake, self.engine = workspace, lake, engine

    def audit(self, stage: Stage, staged: Staged, step: Step, context: Context | None = None) -> Verdict:
        """The verdict on a stage; with the step's `context` it names who would break by new columns.

        Raises VolumeGuard, TypeMismatch, UnknownName (a stored rule's column is gone).
        """
        snapshot = stage.snapshot()
        self.guard_volume(snapshot, staged, step)
        settings = self.lake.settings(staged.table) if self.lake.exists(staged.table) else {}
        declared = rule_kinds.rules_of(settings)
        read = [t for r in declared for t in rule_kinds.kinds()[r.type].reads(r)]
        look = step.verb == "ingest" and snapshot.rows <= LOOK_AT_MOST
        others = checks.parents(replace(snapshot, table=staged.table), self.lake.names(), self.lake.snapshot, read, look)
        unfit = setaside.findings(staged)
        if snapshot.rows == 0:
            return Verdict(True, self.on_failure(settings), tuple(unfit))
        changed = self.changes(stage, staged, step, context)
        said = self.said_of_columns(changed, stage, staged, context)
        if any(c.stops("freeze") for c in changed):
            return Verdict(False, "rollback", tuple(said), why="; ".join(f.evidence for f in said))
        odd = [*unfit, *said, *self.conform(stage, staged, step, changed)]
        snapshot = stage.snapshot()
        if any(c.aside for c in changed):
            self.guard_volume(snapshot, staged, step)
        taken = [c.as_dict() for c in evolution.taken(changed, stage, staged.mode)]
        asks = [f.evidence for f in said] if any(c.stops("ask") for c in changed) else []
        if snapshot.rows == 0:
            return Verdict(not asks, "review" if asks else self.on_failure(settings), tuple(odd), why="; ".join(asks), schema=taken)
        broken = checks.audit(self.engine, staged.table, snapshot, declared, others)
        found = (
            checks.detect(self.engine, staged.table, snapshot, others=others)
            if step.verb == "ingest" and snapshot.rows <= LOOK_AT_MOST
            else []
        )
        moved = drifted(self.workspace, self.lake, self.engine, stage, staged, step) if step.verb == "ingest" else []
        decided = {c.column for c in changed if c.policy}
        breaks = [
            d.finding for d in moved if d.breaks and not (d.finding.check == "drift_schema" and d.finding.column in decided)
        ]
        on_failure = self.on_failure(settings)
        predicates = [[said_by(f, declared), f.where] for f in broken if f.where] if on_failure == "quarantine" else []
        why = "; ".join([*asks, *(f.evidence for f in (*broken, *breaks))])
        asked: list[OnFailure] = ["review"] if asks else []
        return Verdict(
            not broken and not breaks and not asks,
            strictest(asked + [on_failure] * bool(broken) + [self.on_break(settings)] * bool(breaks)) or on_failure,
            (*odd, *broken, *(d.finding for d in moved), *found),
            [r.as_dict() for r in declared],
            predicates,
            why,
            taken,
        )

    def changes(self, stage: Stage, staged: Staged, step: Step, context: Context | None) -> list[Change]:
        """What the stage changes in its table's columns; [] for a table that is new or changed in place."""
        if not evolution.held(self.lake, staged, step):
            return []
        contract = self.workspace.contract_of(staged.table)
        journal = context.journal if context else None
        return evolution.changes(self.engine, self.lake, journal, stage, staged.mode, step, contract)

    def load(self, stage: Stage) -> list[Json]:
        """Holds a file that replaces a table against its contract: what it changes in the columns, once it is published.

        Nobody is asked and no row set aside here. Raises GateStop where the contract wants either, or a stop.
        """
        staged, step = Staged(stage.table, "replace"), Step("load")
        try:
            changed = self.changes(stage, staged, step, None)
        except Damaged:  # a file replaces it whole
            return []
        stopped = [c for c in changed if c.policy in evolution.KEEPING and c.matters]
        if stopped:
            raise GateStop(
                "; ".join(evolution.said(c, stage.table, stage.rows) for c in stopped),
                where=stage.table,
                hint="`ingest` asks and sets rows aside as the contract says; `load` can't. Mend the file, or use another table.",
            )
        self.conform(stage, staged, step, changed)
        return [c.as_dict() for c in evolution.taken(changed, stage, "replace")]

    def said_of_columns(
        self, changed: list[Change], stage: Stage, staged: Staged, context: Context | None
    ) -> list[Finding]:
        """What the table's contract says of the changes; where it stops them or asks, also who would break by them."""
        table, rows = staged.table, stage.rows
        found = evolution.findings(changed, table, rows)
        if context is None or not any(c.stops("freeze") or c.stops("ask") for c in changed):
            return found
        before, old = context.catalog, self.lake.snapshot(table).columns
        after = before.with_table(table, evolution.become(old, stage, staged.mode))
        readers = impact.readers(self.workspace, context.journal, before)
        broken = impact.impacts(before, after, readers, context.typing)
        return [*found, *(Finding("schema_impact", table, None, "HIGH", 0, rows, f"If it is taken, {i}.") for i in broken)]

    def conform(
        self, stage: Stage, staged: Staged, step: Step, changed: Sequence[Change] = ()
    ) -> list[Finding]:
        """Moves rows with a value of the wrong type, or that the table's contract sets aside, to the quarantine's stage; the
        columns take back their type. What the contract has a word for is its own matter, not that of odd cells."""
        exists, before, decided = self.lake.exists(staged.table), stage.snapshot(), [c for c in changed if c.policy]
        expected = {c.name: c.type for c in self.lake.snapshot(staged.table).columns} if exists else {}
        mixed, names = staged.facts.get("mixed", ()), {c.column for c in decided}
        odd = (
            misfits(self.engine, before, expected, mixed, strict=staged.mode != "replace", skip=names, **_lenient(staged))
            if step.verb == "ingest"
            else []
        )
        aside = [c for c in decided if c.aside and c.rows]
        left_out = {c.column for c in decided if c.aside and c.kind == "new"}
        values = {m.column: m.value for m in odd}
        values |= {c.column: f"TRY_CAST({quoted(c.column)} AS {c.before})" for c in decided if c.before and c.keeps_type}
        if not values and not left_out:
            return self.conformed(stage)
        predicates = [(m.reason, m.predicate) for m in odd if m.rows] + [(c.reason, c.predicate) for c in aside]
        findings = [self.finding(m, before) for m in odd if m.rows]
        good_sql, bad_sql = split_sql(stage.table, before.columns, predicates)
        if predicates:
            bad = self.lake.stage(f"quarantine.{stage.table}", stage.stamp)
            bad.add_sql(self.engine, with_origin(bad_sql, step, stage.stamp), {stage.table: before})
            bad.save()
            kept = [*findings, *evolution.findings(aside, staged.table, before.rows)]
            write_json(bad.folder / FINDINGS, [dict(f.__dict__) for f in kept])
        shown = ", ".join(
            f"{values[c.name]} AS {quoted(c.name)}" if c.name in values else quoted(c.name)
            for c in before.columns
            if c.name not in left_out
        )
        if not shown:
            raise TypeMismatch(
                f"the load has no column of {staged.table!r}",
                where=staged.table,
                hint="Look at the source, or load it `into` another table.",
            )
        stage.rewrite(self.engine, f"SELECT {shown} FROM ({good_sql})", {stage.table: before})
        return findings

    def conformed(self, stage: Stage) -> list[Finding]:
        """What an audit found that was interrupted after it had set the odd rows aside; [] when there was none."""
        bad = self.lake.reopen(f"quarantine.{stage.table}", stage.stamp)
        if bad is None or not (bad.folder / FINDINGS).exists():
            return []
        return [Finding(**f) for f in json.loads((bad.folder / FINDINGS).read_text(encoding="utf-8"))]

    def on_failure(self, settings: Mapping[str, Json]) -> OnFailure:
        value: OnFailure = settings.get("on_failure") or self.workspace.policy.on_failure
        return value

    def on_break(self, settings: Mapping[str, Json]) -> OnFailure:
        """What a load does that breaks with the table's past; there are no rows to set aside, so a person is asked."""
        value = self.workspace.policy.on_drift or self.on_failure(settings)
        return "review" if value == "quarantine" else value

    def finding(self, misfit: Misfit, snapshot: Snapshot) -> Finding:
        share = misfit.rows / snapshot.rows
        return Finding(
            "type",
            snapshot.table,
            misfit.column,
            "MEDIUM" if share > 0.001 else "LOW",
            misfit.rows,
            snapshot.rows,
            f"{misfit.rows} of {snapshot.rows} values of {misfit.column!r} are {misfit.reason.partition(': ')[2]}; "
            f"their rows are set aside in quarantine.{snapshot.table}.",
            1.0,
            "",
            misfit.predicate,
        )

    def guard_volume(self, snapshot: Snapshot, staged: Staged, step: Step) -> None:
        """Stops a replacing load that would empty or shrink the table beyond the policy's share."""
        if staged.mode != "replace" or staged.facts.get("shrinks") or not self.lake.exists(staged.table):
            return
        before = self.lake.snapshot(staged.table).rows
        if not before:
            return
        where, keep = staged.table, f"The table stays as it is ({before:,} rows)."
        if not snapshot.rows and (step.verb == "ingest" or staged.table in staged.facts.get("inputs", {})):
            raise VolumeGuard(
                f"{step.verb} would empty {staged.table!r}",
                where=where,
                hint=f"{keep} If it shall be emptied, `drop {staged.table}`.",
            )
        bounded = any(step.get(k) for k in ("where", "columns"))
        expected = min(before, step.get("count") or before)
        if (
            step.verb == "ingest"
            and not bounded
            and snapshot.rows < expected * (1 - self.workspace.policy.volume_guard)
        ):
            raise VolumeGuard(
                f"the load has {snapshot.rows:,} rows where {before:,} are",
                where=where,
                hint=f"{keep} If the source really shrank, raise policy.volume_guard or drop the table first.",
            )

    def set_aside(self, stage: Stage, audited: Mapping[str, Json], stamp: Stamp, step: Step) -> int:
        """Publishes the quarantine: rows of the wrong type, rejected ones, rows that break a rule. How many there are.

        The bad rows are committed to the quarantine before they leave the stage, so an interruption loses none; after
        one, the commit is found and only the stage is cleaned.
        """
        predicates = [(r, p) for r, p in audited.get("predicates", ())]
        snapshot = stage.snapshot()
        tables = {**self.others(audited), stage.table: snapshot}
        good_sql, bad_sql = split_sql(stage.table, snapshot.columns, predicates)
        rows = self.already_aside(stage.table, stamp)
        if rows is None:
            origin = with_origin(bad_sql, step, stamp) if predicates else ""
            rows = self.publish_bad(origin, tables, audited, stage, step, stamp)
        elif left := self.lake.reopen(f"quarantine.{stage.table}", stage.stamp):
            left.discard()
        faults.boundary(f"aside:{stamp.step}")
        if predicates:
            stage.rewrite(self.engine, good_sql, tables)
        return rows

    def publish_bad(
        self, bad_sql: str, tables: Mapping[str, Snapshot], audited: Mapping[str, Json], stage: Stage, step: Step, stamp: Stamp
    ) -> int:
        name = f"quarantine.{stage.table}"
        bad = self.lake.reopen(name, stage.stamp) or self.lake.stage(name, stamp)  # what the audit had set aside
        bad.stamp = stamp
        for held in setaside.held(stage, audited.get("facts", {})):
            bad.add_sql(self.engine, self.engine.scan(held), {})
        rejected = audited.get("facts", {}).get("rejected", ())
        if bad_sql:
            bad.add_sql(self.engine, bad_sql, tables)
        if rejected:
            import pyarrow as pa

            rows = [
                {REASON: r["reason"], "_raw": r["raw"], "_step": print_step(step), "_run": stamp.run} for r in rejected
            ]
            bad.add(pa.Table.from_pylist(rows))
        set_aside = bad.rows
        if set_aside:
            self.lake.publish(bad, "append", operation="quarantine")
        else:
            bad.discard()
        return set_aside

    def already_aside(self, table: str, stamp: Stamp) -> int | None:
        """How many rows this step's commit put into the quarantine, None when it made none."""
        name = f"quarantine.{table}"
        done = self.lake.published(name, stamp) if self.lake.exists(name) else None
        if done is None:
            return None
        earlier = [s.rows for s in self.lake.history(name) if s.version == done.version - 1]
        return done.rows - (earlier[0] if earlier else 0)

    def others(self, audited: Mapping[str, Json]) -> dict[str, Snapshot]:
        refs = {str(r["ref"]).rpartition(".")[0] for r in audited.get("rules", ()) if r.get("ref")}
        return {t: self.lake.snapshot(t) for t in refs if self.lake.exists(t)}


def _lenient(staged: Staged) -> dict[str, float]:
    """A stream goes on, however few its messages are and however many of them don't fit: it would stand still for ever."""
    return {"most": 1.0} if staged.facts.get("move") and staged.mode != "replace" else {}


def strictest(policies: list[OnFailure]) -> OnFailure | None:
    return min(policies, key=STRICT.index, default=None)


def said_by(finding: Finding, declared: list[Rule]) -> str:
    """The sentence of the rule that a finding is about."""
    for rule in declared:
        if rule.type == finding.check and (rule.column or (rule.columns or (None,))[0]) == finding.column:
            return rule_kinds.sentence_of(rule)
    return f"{finding.check} {finding.column or ''}".strip()


def with_origin(bad_sql: str, step: Step, stamp: Stamp) -> str:
    """The bad rows with where they came from: the step and the run."""
    return f"SELECT *, {text(print_step(step))} AS _step, {text(stamp.run)} AS _run FROM ({bad_sql})"
