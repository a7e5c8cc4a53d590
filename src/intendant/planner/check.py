"""Check: is a proposed plan one that this catalog admits, and does it use what the sentence said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from intendant.actions import actions
from intendant.catalog import Catalog
from intendant.errors import IntendantError, LanguageError
from intendant.language.plans import print_plan
from intendant.planner.cues import unanswered
from intendant.planner.decode import decode
from intendant.planner.ground import Grounding
from intendant.planner.ids import ID, Undecided
from intendant.types import Column, Plan, Step

__all__ = ["Checked", "Describe", "check"]

Describe = Callable[[exp.Expression, Catalog], tuple[Column, ...]]
DESTRUCTIVE = {
    "drop": (
        "drop",
        "delete",
        "remove",
        "discard",
        "trash",
        "destroy",
        "get rid",
        "throw away",
        "throw out",
        "bin",
        "don't need",
        "kill",
        "no longer need",
        "not need",
        "away",
        "off",
        "erase",
        "wipe",
        "dump",
        "clear",
        "out",
        "obsolete",
        "retire",
        "purge",
    ),
    "archive": (
        "archive",
        "archiv",
        "cold",
        "move",
        "old",
        "retire",
        "stash",
        "away",
        "arch",
        "freeze",
        "offload",
        "park",
        "store",
    ),
}
"""What a sentence must say, one of it, for a verb that takes data away."""

LIGHT = re.compile(
    r"(?i)daily|weekly|monthly|hourly|(?:per|each|every|a|an|one|all) \w+|non-?negative|negative|positive|(?:above|below) zero"
    r"|not negative|never negative|today|midnight|weekends?|weekdays?|0|1|2|two"
)
"""Literals that a plan may leave out: adjectives of a noun ("daily revenue"), turns of speech."""


@dataclass(frozen=True)
class Checked:
    """A proposal and what came of it. Just one of `plan`, `slot` (something is open) and `error` stands, or `short`."""

    text: str
    logprob: float
    plan: Plan | None = None
    short: str = ""
    """`refuse`, or `ask SLOT`, when the model said so."""
    slot: str = ""
    choices: tuple[str, ...] = ()
    error: str = ""
    unused: tuple[str, ...] = ()
    """Pieces of the sentence, by their words, that the plan leaves out."""
    unnamed: tuple[str, ...] = ()
    """Names that were said in full and that the plan doesn't speak of."""
    guessed: tuple[str, ...] = ()
    """Values in the plan that no data has shown."""

    @property
    def rank(self) -> float:
        """The log-probability, less for what the sentence said and the plan leaves out, and for a plan that can't be."""
        if self.short:
            return self.logprob
        return (
            self.logprob
            - 1.5 * len(self.unused)
            - 0.5 * len(self.unnamed)
            - (2.0 if self.error and not self.slot else 0.0)
        )


def check(text: str, logprob: float, grounding: Grounding, describe: Describe) -> Checked:
    """The proposal decoded, resolved step by step against the catalog, and compared with what was said."""
    if text == "refuse" or text.startswith("ask "):
        return Checked(text, logprob, short=text)
    found = Checked(
        text,
        logprob,
        unused=leftover(text, grounding),
        unnamed=unnamed(text, grounding),
        guessed=tuple(c for c in ids_of(text) if c in grounding.guesses),
    )
    try:
        plan = decode(text, grounding)
        if len(set(plan.steps)) < len(plan.steps):
            raise LanguageError("the plan says a step twice")
        unsaid(plan, grounding.sentence)
        resolve(plan, grounding.catalog, describe)
    except Undecided as e:
        return replace(found, slot=e.slot, choices=e.choices, error=str(e))
    except IntendantError as e:
        return replace(found, error=str(e))
    return replace(found, plan=plan, unused=(*found.unused, *unanswered(grounding.sentence, print_plan(plan))))


def ids_of(text: str) -> list[str]:
    return [m[0] for m in ID.finditer(text)]


def leftover(text: str, g: Grounding) -> tuple[str, ...]:
    """Literals of the sentence that the plan uses in none of their readings."""
    used = set(ids_of(text))
    return tuple(
        g.candidates[ids[0]].said
        for ids in g.literals
        if not used & set(ids) and not LIGHT.fullmatch(g.candidates[ids[0]].said)
    )


def unnamed(text: str, g: Grounding) -> tuple[str, ...]:
    """Names said in full of which the plan uses none of the readings."""
    used = set(ids_of(text))
    return tuple(g.candidates[ids[0]].said for ids in g.said if not used & set(ids))


def unsaid(plan: Plan, sentence: str) -> None:
    """Raises Undecided when a step takes data away that the sentence doesn't ask to."""
    low = sentence.lower()
    for step in plan.steps:
        words = DESTRUCTIVE.get(step.verb)
        if words and not any(w in low for w in words):
            raise Undecided("other", f"the sentence doesn't say to {step.verb} anything")


def resolve(plan: Plan, catalog: Catalog, describe: Describe) -> tuple[Step, ...]:
    """The steps with their defaults, each against the catalog that those before it leave. Raises IntendantError."""
    known, out = actions(), []
    for step in plan.steps:
        action = known[step.verb]
        done = action.resolve(step, catalog, describe)  # type: ignore[arg-type]
        catalog = action.after(done, catalog, describe)  # type: ignore[arg-type]
        out.append(done)
    return tuple(out)
