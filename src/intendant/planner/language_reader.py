"""A language model as one more reader of sentences: it is shown the language, examples and the catalog, and writes a plan.

What it writes is text from outside like any other: it is parsed, resolved and checked as every proposal is, and it only
counts beside the embedded reader's. Where both mean the same the plan may run; where they differ a person chooses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from rapidfuzz import fuzz, process

from intendant.errors import ModelError
from intendant.language.grammar import grammar
from intendant.language.plans import looks_like_plan, print_plan
from intendant.planner.check import Describe, check_plan
from intendant.planner.decoding import spoken_grammar
from intendant.planner.frames import Reading
from intendant.planner.ground import Grounding
from intendant.planner.merge import FLOOR, settled
from intendant.types import Choice, Plan, Proposal, Question

__all__ = ["Chat", "Example", "LanguageReader", "beside"]

EXAMPLES = 6
LONGEST = 300
"""Tokens of an answer."""
AGREED = 0.9
"""Confidence of a plan that both models reach on their own, at least."""
PLACES = 6
Chat = Callable[[list[tuple[str, str]], int, str], str]
"""(messages as (role, content), most tokens, a GBNF grammar or "") -> the answer. Raises ModelError."""


@dataclass(frozen=True)
class Example:
    """A sentence and its plan, `refuse`, or `ask: SLOT`."""

    text: str
    plan: str


class LanguageReader:
    """Reads sentences with a chat model. `examples` are what it may be shown; the nearest to the sentence are.

    `must` says what a model that doesn't answer means: an error, or a reader less.
    """

    def __init__(self, chat: Chat, examples: Sequence[Example], must: bool = False) -> None:
        self.chat, self.examples, self.must = chat, tuple(examples), must
        self.texts = [e.text for e in self.examples]

    def read(self, grounding: Grounding) -> Plan | str:
        """The plan it reads, or "refuse", "ask", or "" for none. Raises ModelError where it `must` answer."""
        try:
            answer = self.chat(self.messages(grounding), LONGEST, spoken_grammar(grounding))
        except ModelError:
            if self.must:
                raise
            return ""
        return understood(answer)

    def messages(self, grounding: Grounding) -> list[tuple[str, str]]:
        """The language, which is the same for every sentence and computed once; examples; the catalog and the sentence."""
        out = [("system", guide())]
        for e in self.nearest(grounding.sentence):
            out += [("user", f"Request: {e.text}"), ("assistant", e.plan)]
        return [*out, ("user", f"{shown(grounding)}\nRequest: {grounding.sentence}")]

    def nearest(self, sentence: str) -> list[Example]:
        """Examples whose words are most like the sentence's, the nearest last."""
        found = process.extract(sentence, self.texts, scorer=fuzz.token_set_ratio, limit=EXAMPLES)
        return [self.examples[i] for _, _, i in reversed(found)]


@cache
def guide() -> str:
    """What the language is, in its own forms."""
    g = grammar()

    def forms(of: object) -> str:
        return "\n".join(re.sub(r"<(\w+):\w+>", lambda m: m[1].upper(), f.text) for f in of.values())  # type: ignore[attr-defined]

    return (
        "You turn a request about tables into a plan in a small language. Answer with the plan alone, one step a line. "
        "Use only the names that are listed and the values of the request. Answer `refuse` when it is no work on these "
        "tables, `ask: WHAT` when something is missing that can't be told.\n"
        f"Steps:\n{forms(g.verbs)}\nOperators of transform and query:\n{forms(g.operators)}\nRules of check:\n{forms(g.rules)}"
    )


def shown(g: Grounding) -> str:
    """The places that the sentence may be about, with their columns."""
    write = grammar().kinds
    tables = [t for t in g.its if not t.startswith("quarantine.")][:PLACES]
    named = {c.text for c in g.candidates.values() if c.family in "TR"}
    tables.sort(key=lambda t: write["table"].write(t) not in named)
    lines = [
        f"Table {write['table'].write(t)}: {', '.join(f'{write.name(c.name)} {c.type.lower()}' for c in g.catalog.tables[t].columns)}"
        for t in tables
    ]
    resources = sorted(g.catalog.resources.values(), key=lambda r: write["resource"].write(r.full) not in named)
    lines += [
        f"Resource {write['resource'].write(r.full)}: {', '.join(write.name(c.name) for c in r.columns)}"
        for r in resources[:PLACES]
    ]
    return "\n".join([*lines, *(f"Query {write.name(q)}" for q in list(g.catalog.queries)[:PLACES])])


def understood(answer: str) -> Plan | str:
    """A model's answer as a plan; "refuse" or "ask"; "" for anything else."""
    text = re.sub(r"^```\w*\n?|```$", "", answer.strip(), flags=re.M).strip()
    if text.lower().startswith(("refuse", "ask")):
        return text.split()[0].lower().rstrip(":")
    return looks_like_plan(text) or looks_like_plan(text.splitlines()[0] if text else "") or ""


def beside(proposal: Proposal, reader: LanguageReader, grounding: Grounding, describe: Describe) -> Proposal:
    """The embedded reader's proposal once the language model was asked too."""
    said = reader.read(grounding)
    if not isinstance(said, Plan):
        return replace(proposal, confirm=True) if said in ("refuse", "ask") and proposal.plan else proposal
    checked = check_plan(Reading(said, (), 0.0), FLOOR, grounding, describe)
    if checked.plan is None:
        return proposal
    offered = [c.plan for c in proposal.question.choices] if proposal.question else []
    plans = [p for p in (proposal.plan, *map(looks_like_plan, offered)) if p is not None]
    forms = [settled(p, grounding.catalog, describe) for p in plans]
    own = settled(checked.plan, grounding.catalog, describe)
    if own in forms:
        plan, sure = plans[forms.index(own)], max(proposal.confidence, AGREED)
        return Proposal("ready", plan, sure, confirm=bool(checked.unused), trace=proposal.trace)
    texts = dict.fromkeys([*map(print_plan, plans[:1]), print_plan(checked.plan), *map(print_plan, plans[1:])])
    question = Question("Which of these do you mean?", "plan", tuple(Choice(t, t) for t in list(texts)[:4]))
    return Proposal("ask", proposal.plan or checked.plan, proposal.confidence, question=question, trace=proposal.trace)
