"""Rows that were set aside, put back once they are mended: a plan like any other, so the gate looks at them again.

What broke a rule is as it was in the table and goes back as it is. What a transform couldn't work on is as it reached the
operator: it takes the rest of that transform, from there on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from intendant.errors import IntendantError, TypeMismatch, UsageError
from intendant.language.expression import Binary, Col, IsNull, Literal, parse_expression, print_expression
from intendant.language.plans import looks_like_plan, print_plan, print_step
from intendant.language.to_sql import TYPE_NAMES, kind_of_type, words
from intendant.operators._compile import Typing, apply
from intendant.operators._guard import KNOWN_OF, OPERATOR, from_place
from intendant.operators.base import table_sql
from intendant.run.lineage import CAME_BACK
from intendant.types import Column, Plan, Snapshot, Step, split_table

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["sentence"]

ROW_BY_ROW = frozenset(
    "filter drop_rows drop_columns select derive cast trim clip rename split explode join asof_join drop_missing unpivot "
    "wide_to_long fill sort".split()
)
"""Operators that give a row the same whatever other rows there are; some of their forms don't (`alone`)."""
STEP, RUN, RAW = "_step", "_run", "_raw"
LETTER = Step("filter", {"condition": f"{RAW} is not null"})
NO_LETTER = Step("filter", {"condition": f"{RAW} is null"})
"""What no source could read as a row has its text, and no columns of its own."""


def sentence(app: Intendant, table: str, mend: str = "") -> str:
    """The plan that takes the rows of `quarantine.TABLE`, mends them by operators (`derive amount = abs(amount)`), and adds
    them to the table; those that break its rules still go back to quarantine, and those that the mend doesn't fit by their
    types stay there.

    Raises UnknownName for the table, UsageError when nothing is set aside, `mend` isn't made of operators, or a row can't be
    put back by itself.
    """
    name = app.lake.snapshot(table).table
    aside = f"quarantine.{name}"
    if not app.lake.exists(aside):
        raise UsageError(f"no rows of {name!r} are set aside", hint=f"`intendant check {name}` looks at what is there.")
    there = app.lake.snapshot(name).columns
    letters, others = told_apart(app, app.lake.snapshot(aside))
    if letters and (not others or re.search(rf"\b{RAW}\b", mend)):
        return print_plan(Plan(again_as_messages(app, name, aside, operators(mend), others)))
    first = list[Step]()
    every = [(NO_LETTER, *g) if letters else g for g in grouped(app, app.lake.snapshot(aside), there, operators(mend))]
    if not every:
        hint = f"What made {name!r} has run again since, without them: `drop {aside}`, or leave them."
        raise UsageError(f"no rows of {name!r} are set aside any more", where=aside, hint=hint)
    groups = fitting(app, name, every)
    staged = [free(app, f"{CAME_BACK[0]}{split_table(name)[1]}{f'_{i}' if i else ''}") for i in range(len(groups))]
    for target, steps in zip(staged, groups, strict=True):
        first.append(Step("transform", {"table": aside, "operators": steps, "target": target}))
    if len(groups) == len(every) and not letters:
        first.append(Step("drop", {"table": aside}))
    else:
        first.append(Step("transform", {"table": aside, "operators": tuple(gone(g, letters) for g in groups)}))
    for target in staged:
        first.append(Step("transform", {"table": name, "operators": (Step("union", {"table": target}),)}))
        first.append(Step("drop", {"table": target}))
    return print_plan(Plan(tuple(first)))


def fitting(app: Intendant, name: str, groups: Sequence[tuple[Step, ...]]) -> list[tuple[Step, ...]]:
    """The groups whose mend and operators their columns admit, and give rows as the table has them. Raises what the first one
    does when there is none."""
    out, errors = list[tuple[Step, ...]](), list[IntendantError]()
    catalog, typing = app.knowledge.catalog(), Typing(app.engine, app.lake.snapshot)
    for steps in groups:
        try:
            made = apply(f"quarantine.{name}", steps[:-1], catalog, typing, "").columns
            alike(made, [c for c in catalog.table(name).columns if c.name in steps[-1].args["columns"]], name)
            out.append(steps)
        except IntendantError as e:
            errors.append(e)
    if errors and not out:
        raise errors[0]
    return out


def alike(made: Sequence[Column], there: Sequence[Column], table: str) -> None:
    """Raises UsageError where the mended rows lack a column of the table, TypeMismatch where they have one of another kind."""
    has = {c.name.lower(): c for c in made}
    if lacking := [c.name for c in there if c.name.lower() not in has]:
        raise UsageError(
            f"the mended rows have no {', '.join(map(repr, lacking))}, and {table!r} has",
            where=f"quarantine.{table}",
            hint=f"Let the mend make it: `derive {lacking[0]} = ...`.",
        )
    for c in there:
        own = has[c.name.lower()]
        if kind_of_type(c.type) != kind_of_type(own.type):
            raise TypeMismatch(
                f"the mended {c.name!r} is {own.type}, and {c.type} in {table!r}",
                where=f"quarantine.{table}",
                hint=f"Mend it as {words(kind_of_type(c.type))}: `derive {c.name} = ...`, or `cast` it.",
            )


def told_apart(app: Intendant, aside: Snapshot) -> tuple[int, int]:
    """How many letters the quarantine holds (messages that were no rows), and how many rows."""
    if not any(c.name == RAW for c in aside.columns):
        return 0, aside.rows
    sql = f"SELECT count({RAW}) FROM {table_sql(aside.table).sql('duckdb')}"
    letters = app.engine.rows(sql, {aside.table: aside})[1][0][0]
    return letters, aside.rows - letters


def again_as_messages(app: Intendant, name: str, aside: str, mend: tuple[Step, ...], others: int) -> tuple[Step, ...]:
    """Mended letters are read as messages are; those that are still no rows are set aside again."""
    target = free(app, f"{CAME_BACK[1]}{split_table(name)[1]}")
    rest = Step("transform", {"table": aside, "operators": (NO_LETTER,)}) if others else Step("drop", {"table": aside})
    return (
        Step("transform", {"table": aside, "operators": (LETTER, *mend), "target": target}),
        rest,
        Step("ingest", {"resource": target, "mode": "append", "target": name}),
        Step("drop", {"table": target}),
    )


def gone(group: Sequence[Step], letters: int = 0) -> Step:
    """Takes the rows of a group out: its first filters are what it is."""
    if letters:
        rows = parse_expression(gone(group[1:]).args["condition"]) if group[1:2] and group[1].verb == "filter" else None
        own = IsNull(Col(RAW))
        return Step("drop_rows", {"condition": print_expression(Binary("and", own, rows) if rows else own)})
    condition = parse_expression(group[0].args["condition"])
    if not isinstance(condition, IsNull):
        condition = Binary("and", condition, parse_expression(group[1].args["condition"]))
    return Step("drop_rows", {"condition": print_expression(condition)})


def free(app: Intendant, staged: str) -> str:
    if app.lake.exists(staged):
        raise UsageError(f"{staged!r} is there already", hint=f"It is what replaying uses: `drop {staged}` first.")
    return staged


def grouped(
    app: Intendant, aside: Snapshot, there: Sequence[Column], mend: tuple[Step, ...]
) -> Iterator[tuple[Step, ...]]:
    """The operators for the rows that came from one place, for each such place."""
    names = [c.name for c in aside.columns]
    known = {c.name for c in there}
    plain = Step("select", {"columns": tuple(n for n in names if n in known and n not in KNOWN_OF)})
    if OPERATOR not in names:
        yield (*mend, plain)
        return
    own = f"SELECT {OPERATOR}, {STEP}, list(DISTINCT {RUN}) FROM {table_sql(aside.table).sql('duckdb')} GROUP BY ALL"
    for operator, step, runs in sorted(app.engine.rows(own, {aside.table: aside})[1], key=str):
        if operator is None:
            chosen: Step = Step("filter", {"condition": print_expression(IsNull(Col(OPERATOR)))})
            yield (chosen, *mend, plain)
            continue
        last = last_run(app, aside.table.removeprefix("quarantine."), str(step))
        if last and last not in runs:
            continue
        these = [equal(OPERATOR, operator), equal(STEP, step), *([equal(RUN, last)] if last else ())]
        rest = tuple(s for s in following(app, aside, str(operator), str(step), last or max(runs), mend) if s.verb != "sort")
        chosen_by = (Step("filter", {"condition": c}) for c in these)
        yield (*chosen_by, *rest, Step("select", {"columns": tuple(c.name for c in there)}))


def last_run(app: Intendant, table: str, step: str) -> str:
    """The run in which the step made the table last: it replaced what earlier ones had made, and looked at their rows anew. ""
    where it changes the table in place, and each run's rows count."""
    for e in app.journal.events(kinds=["table.published"], newest=True, limit=500):
        if e.data.get("table") == table and e.data.get("step") == step:
            return "" if table in e.data.get("inputs", {}) else e.run
    return ""


def equal(column: str, value: str) -> str:
    return print_expression(Binary("=", Col(column), Literal(value, "text")))


def following(
    app: Intendant, aside: Snapshot, operator: str, step: str, run: str, mend: tuple[Step, ...]
) -> Iterator[Step]:
    """What makes the rows what they were when they reached the operator, the mend, and the operators from that one on."""
    plan = looks_like_plan(step)
    if plan is None or plan.steps[0].verb != "transform":
        raise UsageError(f"`{step}` can't be read any more", where=aside.table, hint="Put these rows back by a plan of your own.")
    of = plan.steps[0]
    done, rest = from_place(of.args["operators"], operator)
    for s in rest:
        if not alone(s):
            raise UsageError(
                f"rows that `{step}` set aside can't be put back one by one: `{print_step(s)}` looks at all rows",
                where=aside.table,
                hint=f"Mend them in {of.args['table']!r}, and run that step again.",
            )
    yield from as_they_were(app, aside, of, done, run)
    yield from mend
    yield from rest


def alone(step: Step) -> bool:
    """Whether the operator gives a row the same whatever other rows there are."""
    if step.verb == "join":
        return step.get("side") not in ("right", "full")
    return step.verb in ROW_BY_ROW and not (step.verb == "fill" and step.get("how"))


def as_they_were(app: Intendant, aside: Snapshot, step: Step, done: Sequence[Step], run: str) -> Iterator[Step]:
    """The columns that the rows had, of the types that they had: the quarantine holds all columns of all its rows."""
    table = str(step.args["table"])
    try:
        catalog = app.knowledge.catalog()
        if (version := version_read(app, print_step(step), table, run)) is not None:
            catalog = catalog.with_table(table, app.lake.snapshot(table, version).columns)
        before = apply(table, tuple(done), catalog, Typing(app.engine), "").columns
    except IntendantError:  # the table has changed since, and what it was is gone
        return
    held = {c.name: c.type for c in aside.columns}
    if not all(c.name in held for c in before):
        return
    yield Step("select", {"columns": tuple(c.name for c in before)})
    words = {kind: word for word, kind in TYPE_NAMES.items()}
    for c in before:
        if held[c.name] != c.type and c.type in words:
            yield Step("cast", {"column": c.name, "type": words[c.type]})


def version_read(app: Intendant, step: str, table: str, run: str) -> int | None:
    """The version of the table that the step read in that run: it may have changed it in place."""
    published = app.journal.events(run, kinds=["table.published"])
    found = [e.data.get("inputs", {}).get(table) for e in published if e.data.get("step") == step]
    return found[-1] if found else None


def operators(mend: str) -> tuple[Step, ...]:
    """The operators of a mend, as they stand after `transform TABLE`. Raises UsageError."""
    if not mend.strip():
        return ()
    plan = looks_like_plan(f"transform t {mend}")
    if plan is None or len(plan.steps) != 1 or plan.steps[0].get("target"):
        raise UsageError(f"{mend!r} are no operators", hint="Write them as in a transform: derive amount = abs(amount).")
    found: tuple[Step, ...] = plan.steps[0].args["operators"]
    return found
