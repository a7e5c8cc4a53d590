"""Decide: ready, shown for confirmation, one question, or a refusal with its reason. Asking beats guessing wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from intendant.language.plans import print_plan
from intendant.planner.check import Checked
from intendant.planner.confidence import confidence, limits
from intendant.planner.ground import Grounding
from intendant.types import Choice, Json, Proposal, Question

__all__ = ["Thresholds", "decide"]


@dataclass(frozen=True)
class Thresholds:
    """Confidence at and above `ready` runs; at and above `confirm` it is shown first; below it is asked about.

    None: as fitted with the model (model/confidence.json).
    """

    ready: float | None = None
    confirm: float | None = None

    def both(self) -> tuple[float, float]:
        ready, show = limits()
        return ready if self.ready is None else self.ready, show if self.confirm is None else self.confirm


DECLINED = 0.5
"""Probability of `ask` or `refuse` from which the model is taken at its word."""

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
EMPTY_RESULT = "On the tables as they are it would find no row."
EMPTY = "There is nothing to do in an empty sentence."


def decide(
    found: Sequence[Checked], grounding: Grounding, thresholds: Thresholds, choices: Callable[[str], tuple[Choice, ...]]
) -> Proposal:
    """The proposal for what was checked. `choices(slot)` makes plans to choose from for a question."""
    trace: dict[str, Json] = {
        "prompt": " ".join(grounding.reading),
        "proposals": [[c.text, round(c.logprob, 3), round(c.certainty, 2), c.error or c.short or "ok"] for c in found],
        "candidates": {c.id: c.text for c in grounding.candidates.values()},
    }
    ranked = sorted(((confidence(c, found), c) for c in found if c.plan is not None), key=lambda r: -r[0])
    ready, show = thresholds.both()
    if ranked and ranked[0][0] >= show:
        score, top = ranked[0]
        if not top.unused and not (top.empty and score < ready):
            return Proposal("ready", top.plan, score, confirm=score < ready, trace=trace)
    declined = max((c for c in found if c.short), key=lambda c: c.logprob, default=None)
    sure = math.exp(declined.logprob) if declined else 0.0
    if declined and (sure >= DECLINED or not ranked):
        if declined.short == "refuse":
            return Proposal("refused", confidence=round(sure, 3), reason=REFUSAL, trace=trace)
        slot = declined.short.split()[1]
        return ask(slot, choices(slot), round(sure, 3), "", trace)
    if not ranked:
        first = found[0] if found else None
        slot = (first.slot if first else "") or "other"
        return ask(slot, choices(slot), 0.0, first.error if first else "", trace)
    return which(ranked, trace)


def which(ranked: Sequence[tuple[float, Checked]], trace: Mapping[str, Json]) -> Proposal:
    """A question with the likeliest plans as its choices."""
    score, top = ranked[0]
    likely = [c for s, c in ranked[:4] if c is top or s > score / 25]
    texts = [print_plan(c.plan) for c in likely if c.plan is not None]
    left = f"Nothing uses {', '.join(map(repr, top.unused))}." if top.unused else EMPTY_RESULT if top.empty else ""
    text = "Is this what you mean?" if len(texts) == 1 else "Which of these do you mean?"
    question = Question(text, "plan", tuple(Choice(t, t) for t in texts))
    return Proposal("ask", top.plan, score, question=question, reason=left, trace=trace)


def ask(slot: str, choices: tuple[Choice, ...], score: float, reason: str, trace: Mapping[str, Json]) -> Proposal:
    return Proposal(
        "ask", confidence=score, question=Question(QUESTIONS[slot], slot, choices), reason=reason, trace=trace
    )
