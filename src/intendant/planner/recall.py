"""Recall: what the memory says about a sentence, in the planner's own terms, before and after the readers are asked."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.language.plans import print_plan
from intendant.planner.check import Checked, Describe, check_plan
from intendant.planner.frames import Reading
from intendant.planner.ground import Grounding
from intendant.planner.memory import Memory, catalog_key
from intendant.planner.merge import FLOOR
from intendant.planner.skeleton import skeleton_of
from intendant.types import Proposal

__all__ = ["allowed", "answer_to", "readings", "recalled"]


def recalled(memory: Memory, grounding: Grounding, describe: Describe) -> Proposal | None:
    """The plan that a person has approved, corrected or chosen for this very sentence, if the catalog still admits it."""
    for plan, weight in memory.recall(grounding):
        found = check_plan(Reading(plan, (), weight), FLOOR, grounding, describe)
        if weight == 1.0 and found.plan is not None:
            trace = {
                "prompt": " ".join(grounding.reading),
                "proposals": [[found.text, FLOOR, weight, "remembered"]],
                "candidates": {c.id: c.text for c in grounding.candidates.values()},
            }
            return Proposal("ready", found.plan, weight, trace=trace)
    return None


def readings(memory: Memory, grounding: Grounding) -> list[Reading]:
    """What other sentences of the same skeleton were taken to mean, as one more reading beside those by frames."""
    return [Reading(plan, (), weight) for plan, weight in memory.recall(grounding) if weight < 1.0]


def allowed(memory: Memory, grounding: Grounding, found: Sequence[Checked]) -> list[Checked]:
    """The candidates without those that a person has said no to for such a sentence."""
    refused = memory.rejected(grounding)
    return [c for c in found if c.plan is None or print_plan(c.plan) not in refused] if refused else list(found)


def answer_to(memory: Memory, grounding: Grounding, slot: str) -> str | None:
    """What a person has answered to this question before, for such a sentence over this catalog."""
    return memory.answer_for(catalog_key(grounding.catalog, slot), slot, skeleton_of(grounding))
