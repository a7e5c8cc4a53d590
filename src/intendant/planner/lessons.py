"""Lessons: what a person's word on a plan teaches, told to the memory. A memory that can't be written stops no run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.language.plans import looks_like_plan
from intendant.planner.ground import Grounding, ground
from intendant.planner.memory import Memory, Verdict, catalog_key
from intendant.planner.planner import Planner, Values, undotted, without_quarantine
from intendant.planner.skeleton import skeleton_of
from intendant.types import Plan

__all__ = ["Lesson", "verdict_of"]


@dataclass(frozen=True)
class Lesson:
    """A sentence as it was read: over which catalog, after which results, with which answers, to which plan."""

    memory: Memory
    planner: Planner
    text: str
    catalog: Catalog
    focus: tuple[str, ...]
    values: Values
    answers: Mapping[str, str]
    plan: Plan

    def learn(self, verdict: Verdict | None, run: str = "") -> IntendantError | None:
        """Keeps the verdict, and the answers of a sentence that ran; the error where the memory can't be written."""
        if verdict is None:
            return None
        try:
            g = self.grounding()
            self.memory.remember(g, self.plan, verdict, run=run)
            if verdict in ("answered", "corrected"):
                for slot, answer in self.answers.items():
                    if looks_like_plan(answer) is None:
                        self.memory.remember_answer(catalog_key(g.catalog, slot), slot, skeleton_of(g), answer.strip())
        except IntendantError as e:
            return e
        return None

    def grounding(self) -> Grounding:
        """The sentence without its answers, as the planner grounds it."""
        catalog = without_quarantine(self.catalog, self.text)
        text = undotted(self.text.strip(), catalog)
        return ground(text, self.planner.index(catalog, self.values), focus=self.focus)


def verdict_of(status: str, answers: Mapping[str, str], waits: bool, said: bool | None) -> Verdict | None:
    """The verdict that follows from a run's status, from answers, and from what a person said when shown the plan (None:
    nobody was). A run that failed and one that nobody spoke about teach nothing.
    """
    if said is False:
        return "rejected"
    if waits:
        return "waiting"
    if status not in ("succeeded", "waiting_approval", "rolled_back"):
        return None
    if any(looks_like_plan(a) is not None for a in answers.values()):
        return "corrected"
    return "answered" if answers else "approved" if said else None
