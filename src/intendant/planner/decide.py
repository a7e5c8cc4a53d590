"""Decide: ready, shown for confirmation, one question, or a refusal with its reason. Asking beats guessing wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from intendant.language.plans import print_plan
from intendant.planner.check import Checked
from intendant.planner.ground import Grounding
from intendant.types import Choice, Json, Proposal, Question

__all__ = ["Thresholds", "decide"]


@dataclass(frozen=True)
class Thresholds:
    """Confidence at and above `ready` runs; at and above `confirm` it is shown first; below it is asked about."""

    ready: float = 0.62
    confirm: float = 0.5


BIAS, PROBABILITY, SHARE, LENGTH = 1.31, 0.57, 0.79, -0.06
UNUSED, UNNAMED, GUESSED = -1.65, -0.83, -1.36
"""Weights of `confidence`."""

QUESTIONS = {
    "table": "Which table do you mean?",
    "resource": "Which source, and which of its resources, do you mean?",
    "column": "Which column do you mean?",
    "value": "Which value do you mean?",
    "number": "How many, or how much?",
    "schedule": "When, or how often?",
    "name": "What should it be called?",
    "other": "I am not sure what you want. Can you say it in other words?",
}
REFUSAL = "This asks for nothing that can be done with the tables and sources here."
EMPTY = "There is nothing to do in an empty sentence."


def confidence(best: Checked, others: Sequence[Checked]) -> float:
    """How likely the plan is right, 0 to 1: a logistic fit on held-out sentences (bench/planner.md).

    It rises with the plan's probability and with its share among proposals that could be; it falls with its length, with
    what it leaves out of the sentence, and with values that no data has shown.
    """
    able = [o for o in others if o.plan is not None or o.short or o.slot]
    own = sum(math.exp(o.logprob) for o in able if o is best or same(o, best))
    share = own / max(sum(math.exp(o.logprob) for o in able), 1e-9)
    score = BIAS + PROBABILITY * best.logprob + SHARE * math.log(max(share, 1e-6)) + LENGTH * len(best.text.split())
    score += UNUSED * len(best.unused) + UNNAMED * len(best.unnamed) + GUESSED * len(best.guessed)
    return round(1 / (1 + math.exp(-score)), 3)


def same(a: Checked, b: Checked) -> bool:
    return a.plan is not None and b.plan is not None and print_plan(a.plan) == print_plan(b.plan)


def decide(
    found: Sequence[Checked], grounding: Grounding, limits: Thresholds, choices: Callable[[str], tuple[Choice, ...]]
) -> Proposal:
    """The proposal for what was checked, best first. `choices(slot)` makes plans to choose from for a question."""
    trace: dict[str, Json] = {
        "prompt": grounding.prompt,
        "proposals": [[c.text, round(c.logprob, 3), c.error or c.short or "ok"] for c in found],
        "candidates": {c.id: c.text for c in grounding.candidates.values()},
    }
    if not found:
        return Proposal("ask", question=Question(QUESTIONS["other"], "other"), trace=trace)
    top = found[0]
    sure = math.exp(top.logprob)
    if top.short == "refuse":
        return Proposal("refused", confidence=round(sure, 3), reason=REFUSAL, trace=trace)
    if top.short:
        slot = top.short.split()[1]
        return ask(slot, choices(slot), round(sure, 3), "", trace)
    if top.plan is None:
        second = next((c for c in found if c.plan is not None and c.logprob > top.logprob - 1.5), None)
        if second is None or top.slot:
            return ask(top.slot or "other", choices(top.slot or "other"), 0.0, top.error, trace)
        top = second
    score = confidence(top, found)
    if score >= limits.ready and not top.unused:
        return Proposal("ready", top.plan, score, trace=trace)
    if score >= limits.confirm and len(top.unused) < 2:
        return Proposal("ready", top.plan, score, confirm=True, trace=trace)
    assert top.plan is not None
    offered = tuple(Choice(print_plan(c.plan), print_plan(c.plan)) for c in distinct(found)[:4] if c.plan is not None)
    left = f"Nothing uses {', '.join(map(repr, top.unused))}." if top.unused else ""
    text = "Is this what you mean?" if len(offered) == 1 else "Which of these do you mean?"
    return Proposal("ask", top.plan, score, question=Question(text, "plan", offered), reason=left, trace=trace)


def distinct(found: Sequence[Checked]) -> list[Checked]:
    """Those with a plan, each plan once."""
    out: dict[str, Checked] = {}
    for c in found:
        if c.plan is not None:
            out.setdefault(print_plan(c.plan), c)
    return list(out.values())


def ask(slot: str, choices: tuple[Choice, ...], score: float, reason: str, trace: Mapping[str, Json]) -> Proposal:
    return Proposal(
        "ask", confidence=score, question=Question(QUESTIONS[slot], slot, choices), reason=reason, trace=trace
    )
