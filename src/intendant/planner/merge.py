"""The two readers' answers side by side: the model's proposals and the readings by frames, one entry per plan.

A plan that both reach on their own is far likelier right than one that either has alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.language.plans import print_plan
from intendant.planner.canonical import canonical
from intendant.planner.check import Checked, Describe, check, check_plan, resolve
from intendant.planner.frames import Reading
from intendant.planner.ground import Grounding
from intendant.planner.propose import Draft
from intendant.types import Plan, Step

__all__ = ["FLOOR", "merged", "settled"]

FLOOR = -9.0
"""The log-probability of a plan that the model didn't propose."""


def merged(
    proposals: Iterable[Draft], readings: Sequence[Reading], grounding: Grounding, describe: Describe
) -> list[Checked]:
    """Everything that was proposed or read, checked, the likeliest first; equal plans once."""
    found = [check(d.text, d.logprob, grounding, describe) for d in variants(proposals, grounding)]
    found += [check_plan(r, FLOOR, grounding, describe) for r in readings]
    out: dict[str, Checked] = {}
    for c in found:
        key = form(c.steps) if c.plan is not None else c.short or c.text
        held = out.get(key)
        out[key] = c if held is None else both(held, c)
    return sorted(out.values(), key=lambda c: -c.rank)


def variants(proposals: Iterable[Draft], g: Grounding) -> list[Draft]:
    """The proposals; one that optimizes a table although a saved query was spoken of becomes one that optimizes the query."""
    query = next((c.id for c in g.candidates.values() if c.family == "Q" and c.said), None)
    if query is None or not re.search(r"(?i)\b(?:query|queries|report|dashboard)\b", g.sentence):
        return list(proposals)
    out = [d._replace(text=re.sub(r"\boptimize (?:T\d+|it)\b", f"optimize query {query}", d.text)) for d in proposals]
    return list({d.text: d for d in reversed(out)}.values())[::-1]


def both(a: Checked, b: Checked) -> Checked:
    """One entry for a plan that was reached twice: what the model gives both ways of saying it, the better of the frames."""
    best = a if a.logprob >= b.logprob else b
    framed = max((a, b), key=lambda c: c.certainty)
    logprob = best.logprob
    if min(a.logprob, b.logprob) > FLOOR:
        logprob = min(math.log(math.exp(a.logprob) + math.exp(b.logprob)), 0.0)
    return replace(best, logprob=logprob, certainty=framed.certainty, unexplained=framed.unexplained)


def settled(plan: Plan, catalog: Catalog, describe: Describe) -> str:
    """The text of the plan's form with its defaults filled in: equal for plans that do the same."""
    try:
        steps = resolve(plan, catalog, describe)
    except IntendantError:
        steps = plan.steps
    return form(steps)


def form(steps: tuple[Step, ...]) -> str:
    """The text of the form of resolved steps."""
    return print_plan(canonical(Plan(steps)))
