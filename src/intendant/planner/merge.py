"""The two readers' answers side by side: the model's proposals and the readings by frames, one entry per plan.

A plan that both reach on their own is far likelier right than one that either has alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.language.expression import Binary, Expr, parse_expression, print_expression
from intendant.language.plans import print_plan
from intendant.planner.check import Checked, Describe, check, check_plan, resolve
from intendant.planner.frames import Reading
from intendant.planner.ground import Grounding
from intendant.types import Plan, Step

__all__ = ["FLOOR", "merged", "settled"]

FLOOR = -9.0
"""The log-probability of a plan that the model didn't propose."""


def merged(
    proposals: Iterable[tuple[str, float]], readings: Sequence[Reading], grounding: Grounding, describe: Describe
) -> list[Checked]:
    """Everything that was proposed or read, checked, the likeliest first; equal plans once."""
    found = [check(text, logprob, grounding, describe) for text, logprob in variants(proposals, grounding)]
    found += [check_plan(r, FLOOR, grounding, describe) for r in readings]
    out: dict[str, Checked] = {}
    for c in found:
        key = settled(c.plan, grounding.catalog, describe) if c.plan is not None else c.short or c.text
        held = out.get(key)
        out[key] = c if held is None else both(held, c)
    return sorted(out.values(), key=lambda c: -c.rank)


def variants(proposals: Iterable[tuple[str, float]], g: Grounding) -> list[tuple[str, float]]:
    """The proposals; one that optimizes a table although a saved query was spoken of becomes one that optimizes the query."""
    query = next((c.id for c in g.candidates.values() if c.family == "Q" and c.said), None)
    if query is None or not re.search(r"(?i)\b(?:query|queries|report|dashboard)\b", g.sentence):
        return list(proposals)
    out = [(re.sub(r"\boptimize (?:T\d+|it)\b", f"optimize query {query}", text), p) for text, p in proposals]
    return list({text: (text, p) for text, p in reversed(out)}.values())[::-1]


def both(a: Checked, b: Checked) -> Checked:
    """One entry for a plan that was reached twice: the better score of each reader."""
    best = a if a.logprob >= b.logprob else b
    framed = max((a, b), key=lambda c: c.certainty)
    return replace(best, certainty=framed.certainty, unexplained=framed.unexplained)


def settled(plan: Plan, catalog: Catalog, describe: Describe) -> str:
    """The plan's text with its defaults filled in and the terms of `and` in order, so that equal plans compare equal."""
    try:
        steps = resolve(plan, catalog, describe)
    except IntendantError:
        steps = plan.steps
    return print_plan(Plan(tuple(map(ordered, steps))))


def ordered(step: Step) -> Step:
    args = dict(step.args)
    for name in ("condition", "where"):
        if isinstance(args.get(name), str):
            terms = sorted(print_expression(t) for t in anded(parse_expression(args[name])))
            args[name] = " and ".join(t if not re.search(r"\bor\b", t) else f"({t})" for t in terms)
    if step.get("operators"):
        args["operators"] = tuple(map(ordered, step.args["operators"]))
    return replace(step, args=args)


def anded(e: Expr) -> list[Expr]:
    return [*anded(e.left), *anded(e.right)] if isinstance(e, Binary) and e.op == "and" else [e]
