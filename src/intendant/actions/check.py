"""Look at a table's quality: declared rules, or everything the detectors know."""

from __future__ import annotations

from intendant import checks
from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.checks.rules import kinds, rule_of, rules_of
from intendant.checks.split import split_sql
from intendant.engines.base import text
from intendant.errors import IntendantError, TypeMismatch
from intendant.language import print_step
from intendant.language.to_sql import find_column
from intendant.operators._compile import Typing
from intendant.types import Finding, Json, Rule, Snapshot, Stamp, Step

__all__ = ["Check"]


class Check(Effect):
    verb = "check"
    form = "check <table:table> [for <rules:rules>] [on failure (rollback|quarantine|review|warn):on_failure]"
    agent = "quality"
    summary = "Check a table against rules, which stay with it; without rules, look for whatever is wrong."
    example = "check staging.orders for not null order_id, amount between 0 and 100000 on failure quarantine"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        table = catalog.table(step.args["table"], place(step))
        for rule in map(rule_of, step.get("rules") or ()):
            try:
                kinds()[rule.type].broken(rule, table.columns)
                for other in kinds()[rule.type].reads(rule):
                    find_column(str(rule.ref).rpartition(".")[2], catalog.table(other).columns)
            except IntendantError as e:
                e.where = e.where or place(step)
                raise
        return Step(self.verb, dict(step.args, table=table.name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        table = step.args["table"]
        return Footprint(reads=(table,), writes=(table,) if step.get("on_failure") == "quarantine" else ())

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        table = step.args["table"]
        done = context.lake.published(table, context.stamp)
        declared = [rule_of(s) for s in step.get("rules") or ()]
        stored = self.remember(step, declared, context)
        snapshot = context.lake.snapshot(table, done.version - 1 if done else None)
        rules = declared or stored
        read = [t for r in rules for t in kinds()[r.type].reads(r)]
        others = checks.parents(snapshot, context.lake.names(), context.lake.snapshot, read, look=not declared)
        broken = checks.audit(context.engine, table, snapshot, rules, others)
        detected = [] if declared else checks.detect(context.engine, table, snapshot, others=others)
        t = context.workspace.thresholds_of(table)
        steps = checks.SeverityThresholds(t.severity_low, t.severity_medium)
        report = checks.report(context.engine, table, snapshot, [*broken, *detected], steps, others)
        on_failure = step.get("on_failure") or context.workspace.policy.on_failure
        facts: dict[str, Json] = {
            "findings": [f.as_dict() for f in (*broken, *detected)],
            "rules": [r.as_dict() for r in rules],
            "table": table,
            "completeness": round(report.completeness, 2),
            "consistency": round(report.consistency, 2),
            "severity": report.severity,
            "rows": snapshot.rows,
            "on_failure": on_failure,
        }
        facts["events"] = [
            [
                "quality.failed" if broken else "quality.passed",
                {
                    "table": table,
                    "rules": facts["rules"],
                    "severity": report.severity,
                    "on_failure": on_failure,
                    "broken": [f.as_dict() for f in broken],
                },
            ]
        ]
        asked = declared or step.get("on_failure")
        failing = broken if declared else [*broken, *(f for f in detected if f.where and f.severity != "LOW")]
        return self.verdict(step, facts, failing if asked else broken, on_failure, snapshot, others, context)

    def remember(self, step: Step, declared: list[Rule], context: Context) -> list[Rule]:
        """Keeps declared rules with the table; the rules that are now stored."""
        settings = dict(context.lake.settings(step.args["table"]))
        stored = rules_of(settings)
        merged = [*(r for r in stored if r not in declared), *declared]
        if declared or step.get("on_failure"):
            settings["rules"] = [r.as_dict() for r in merged]
            settings["on_failure"] = (
                step.get("on_failure") or settings.get("on_failure") or context.workspace.policy.on_failure
            )
            context.lake.set_settings(step.args["table"], settings, context.stamp)
        return merged

    def verdict(
        self,
        step: Step,
        facts: dict[str, Json],
        failing: list[Finding],
        on_failure: str,
        snapshot: Snapshot,
        others: dict[str, Snapshot],
        context: Context,
    ) -> dict[str, Json]:
        if not failing:
            return {**facts, "verdict": "passed"}
        if on_failure == "quarantine":
            return {**facts, **self.quarantine(step, failing, snapshot, others, context)}
        return {**facts, "verdict": {"rollback": "failed", "review": "review"}.get(on_failure, "warned")}

    def quarantine(
        self, step: Step, failing: list[Finding], snapshot: Snapshot, others: dict[str, Snapshot], context: Context
    ) -> dict[str, Json]:
        """Moves the bad rows of the table to its quarantine: one commit there, then one here, both stamped."""
        table, lake, stamp = step.args["table"], context.lake, context.stamp
        predicates = [(reason(f), f.where) for f in failing if f.where]
        if not predicates:
            raise TypeMismatch(
                f"the rule is about {table!r} as a whole: there are no rows to set aside",
                where=place(step),
                hint="Use `on failure rollback`, `review` or `warn`.",
            )
        name = f"quarantine.{table}"
        good_sql, bad_sql = split_sql(table, snapshot.columns, predicates)
        tables = {**others, table: snapshot}
        origin = f"SELECT *, {text(print_step(step))} AS _step, {text(stamp.run)} AS _run FROM ({bad_sql})"
        set_aside = lake.published(name, stamp) if lake.exists(name) else None
        bad = lake.stage(name, Stamp(stamp.run, stamp.step))
        bad.add_sql(context.engine, origin, tables)
        rows = bad.rows
        if set_aside is None:
            lake.publish(bad, "append", operation="quarantine")
        else:
            bad.discard()
        good = lake.stage(table, stamp)
        good.add_sql(context.engine, good_sql, tables)
        done = lake.publish(good, "replace", operation="check", follows=snapshot.version)
        output = {"table": table, "version": done.version, "rows_written": done.rows, "rows_quarantined": rows}
        event = {
            "table": table,
            "version": done.version,
            "rows": done.rows,
            "total_rows": done.rows,
            "rows_quarantined": rows,
            "mode": "replace",
            "inputs": {table: snapshot.version},
            "bytes": done.bytes,
            "columns": {c.name: [f"{table}.{c.name}"] for c in snapshot.columns},
        }
        return {"verdict": "quarantined", "outputs": [output], "events": [["table.published", event]]}


def reason(finding: Finding) -> str:
    return f"{finding.check} {finding.column or ''}".strip()
