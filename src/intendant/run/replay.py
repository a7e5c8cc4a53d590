"""Rows that were set aside, put back once they are mended: a plan like any other, so the gate looks at them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intendant.checks.split import REASON
from intendant.errors import UsageError
from intendant.language.plans import looks_like_plan, print_plan
from intendant.types import Plan, Step, split_table

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["sentence"]

ORIGIN = (REASON, "_raw", "_step", "_run")
"""What the quarantine knows of a row beside the row."""


def sentence(app: Intendant, table: str, mend: str = "") -> str:
    """The plan that takes the rows of `quarantine.TABLE`, mends them by operators (`derive amount = abs(amount)`), and adds
    them to the table; those that break its rules still go back to quarantine.

    Raises UnknownName for the table, UsageError when nothing is set aside or `mend` isn't made of operators.
    """
    name = app.lake.snapshot(table).table
    aside = f"quarantine.{name}"
    if not app.lake.exists(aside):
        raise UsageError(f"no rows of {name!r} are set aside", hint=f"`intendant check {name}` looks at what is there.")
    snapshot = app.lake.snapshot(aside)
    staged = f"staging.replayed_{split_table(name)[1]}"
    if app.lake.exists(staged):
        raise UsageError(f"{staged!r} is there already", hint=f"It is what replaying uses: `drop {staged}` first.")
    there = {c.name for c in app.lake.snapshot(name).columns}
    kept = tuple(c.name for c in snapshot.columns if c.name in there and c.name not in ORIGIN)
    steps = (
        Step("transform", {"table": aside, "operators": (*operators(mend), Step("select", {"columns": kept})), "target": staged}),
        Step("drop", {"table": aside}),
        Step("transform", {"table": name, "operators": (Step("union", {"table": staged}),)}),
        Step("drop", {"table": staged}),
    )  # fmt: skip
    return print_plan(Plan(steps))


def operators(mend: str) -> tuple[Step, ...]:
    """The operators of a mend, as they stand after `transform TABLE`. Raises UsageError."""
    if not mend.strip():
        return ()
    plan = looks_like_plan(f"transform t {mend}")
    if plan is None or len(plan.steps) != 1 or plan.steps[0].get("target"):
        raise UsageError(f"{mend!r} are no operators", hint="Write them as in a transform: derive amount = abs(amount).")
    found: tuple[Step, ...] = plan.steps[0].args["operators"]
    return found
