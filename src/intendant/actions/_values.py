"""What stands between a step and its engine: rows that an operator can't work on are set aside with a reason, are an error
that names them, or get NULL; a join that would explode is stopped.

The query runs strictly first. Only where a value stops it is it compiled anew, rows without a value apart (`guarded`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb

from intendant.actions.base import Context, place
from intendant.engines.base import text
from intendant.errors import EngineError
from intendant.language.guard import strict
from intendant.operators._compile import sql_text
from intendant.operators._guard import REASON, Aside, guarded
from intendant.operators._matches import Budget, exploding, refused
from intendant.operators.base import Relation
from intendant.types import Finding, Json, Severity, Snapshot, Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["ASIDE", "BadRows", "answered", "fill", "of_values", "strict_sql", "within_budget"]

ASIDE = "aside"
"""The folder of a stage in which the rows that are set aside wait."""
STOPS = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)
MEND = (
    "Say what shall stand there: `a / nullif(b, 0)`, `cast a to integer or empty`, `if(b > 0, a / b, 0)`; "
    "or leave the rows out with `filter`."
)
STAYS = "They are still in {table}: mend them there, or leave them out with `filter`."
BadRows = list[tuple[Aside, int, str]]
"""By operator: how many rows, and the reason of one of them."""


def strict_sql(relation: Relation) -> str:
    return sql_text(strict(relation.query))


def within_budget(step: Step, snapshots: Mapping[str, Snapshot], context: Context) -> None:
    """Raises PolicyError for a join that would make too many rows, unless a person has approved it with the plan."""
    policy, steps = context.workspace.policy, step.get("operators") or ()
    budget = Budget(policy.join_budget_rows, policy.join_budget_factor)
    asked = context.journal.get(context.stamp.run, "plan.proposed")
    approved = str(asked.data.get("needs_approval", "")) if asked else ""
    for found in exploding(
        step.args["table"], steps, context.catalog, context.typing, context.engine, snapshots, budget
    ):
        if f"`{found.said}` would make" not in approved:
            raise refused(found, place(step))


def of_values(e: EngineError) -> bool:
    """Whether values have stopped a query, rather than its text, the memory or the disk."""
    return isinstance(e.__cause__, STOPS) or bool(e.facts.get("refused"))


def fill(
    step: Step, relation: Relation, stage: Stage, snapshots: Mapping[str, Snapshot], context: Context
) -> dict[str, Json]:
    """Stages the relation's rows; the facts of those that are set aside, {} when there are none.

    Raises EngineError that names them where `[policy] on_bad_value` says so, and for rows that come from the quarantine.
    """
    worker = context.engine.worker
    try:
        if worker is not None:
            stage.add_work(worker, strict_sql(relation), snapshots)
        else:
            stage.add_sql(context.engine, strict_sql(relation), snapshots)
        return {}
    except EngineError as e:
        if not of_values(e):
            raise
        return apart(step, stage, snapshots, context)


def apart(
    step: Step, stage: Stage, snapshots: Mapping[str, Snapshot], context: Context
) -> dict[str, Json]:
    """Stages the rows that can be worked on, and the others beside them."""
    keep = context.workspace.policy.on_bad_value == "null"
    table, steps = step.args["table"], step.args["operators"]
    good, aside = guarded(table, steps, context.catalog, context.typing, place(step), keep=keep)
    bad = found(aside, snapshots, context)
    if bad and (context.workspace.policy.on_bad_value == "fail" or table.startswith("quarantine.")):
        raise said(bad, step, STAYS.format(table=table) if table.startswith("quarantine.") else MEND)
    if bad and not keep:
        led_out([a for a, _, _ in bad], step, stage, snapshots, context)
    stage.add_sql(context.engine, sql_text(good.query), snapshots)
    if bad and not keep and not stage.rows:
        raise said(bad, step, f"No row would be left. {MEND}")
    what = [{"operator": a.operator, "said": a.said, "rows": n, "example": why} for a, n, why in bad]
    return {ASIDE: {"rows": 0 if keep else sum(n for _, n, _ in bad), "kept": keep, "what": what}} if bad else {}


def found(aside: Sequence[Aside], snapshots: Mapping[str, Snapshot], context: Context) -> BadRows:
    out: BadRows = []
    for a in aside:
        sql = f"SELECT count(*), min({REASON}) FROM ({sql_text(a.query)}) AS t"
        rows, why = context.engine.rows(sql, snapshots)[1][0]
        if rows:
            out.append((a, rows, why))
    return out


def led_out(
    aside: Sequence[Aside], step: Step, stage: Stage, snapshots: Mapping[str, Snapshot], context: Context
) -> None:
    """Writes the rows beside the stage, in its own folder: they go with it, or with it to the quarantine."""
    from intendant.lake.stage import Stage, quarantine_of

    out = Stage(quarantine_of(stage.table), stage.stamp, stage.folder / ASIDE, context.engine, context.lake.stage)
    for a in aside:
        origin = f"{text(place(step).strip('`'))} AS _step, {text(stage.stamp.run)} AS _run"
        out.add_sql(context.engine, f"SELECT *, {origin} FROM ({sql_text(a.query)}) AS t", snapshots)
    out.save()


def said(bad: BadRows, step: Step, mend: str) -> EngineError:
    """The error that names what stands in the way."""
    rows = sum(n for _, n, _ in bad)
    one = f"a row of {step.args['table']!r} has" if rows == 1 else f"{rows:,} rows of {step.args['table']!r} have"
    return EngineError(f"{one} no value: {bad[0][2]}", where=place(step), hint=mend, rows=rows)


def answered(
    step: Step, sql: str, snapshots: Mapping[str, Snapshot], context: Context
) -> tuple[list[str], list[tuple[Json, ...]], list[Finding]]:
    """The rows of a query, and a finding for each operator that some rows have no value for: they are empty there.

    Raises EngineError that names the value where `[policy] on_bad_value` says "fail", and where half of the rows have none.
    """
    try:
        return (*(context.engine.worker or context.engine).rows(sql, snapshots), [])
    except EngineError as e:
        if not of_values(e):
            raise
        table, steps, fails = step.args["table"], step.get("operators") or (), context.workspace.policy.on_bad_value == "fail"
        good, aside = guarded(table, steps, context.catalog, context.typing, place(step), keep=True)
        bad, total = found(aside, snapshots, context), sum(s.rows for s in snapshots.values())
        if bad and (fails or any(2 * n >= total for _, n, _ in bad)):
            raise said(bad, step, MEND) from e
        rows = context.engine.rows(sql_text(good.query), snapshots)
        return (*rows, [empty_there(table, n, total, why) for _, n, why in bad])


def empty_there(table: str, rows: int, total: int, why: str) -> Finding:
    one = "1 row has no value, and is empty there" if rows == 1 else f"{rows:,} rows have no value, and are empty there"
    severity: Severity = "HIGH" if rows > total / 20 else "MEDIUM" if rows > total / 1000 else "LOW"
    return Finding("value", table, None, severity, rows, total, f"{one}, e.g. {why}.")
