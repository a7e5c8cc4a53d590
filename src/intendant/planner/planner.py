"""The planner: text to ground, propose, check, decide, in this order."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.language.plans import looks_like_plan, print_plan
from intendant.language.to_sql import kind_of_type
from intendant.planner.check import Checked, Describe
from intendant.planner.decide import EMPTY, REFUSAL, Thresholds, decide
from intendant.planner.frames import read
from intendant.planner.ground import Grounding, ground
from intendant.planner.guard import reason_to_refuse
from intendant.planner.language_reader import LanguageReader, beside
from intendant.planner.memory import Memory
from intendant.planner.mentions import Index
from intendant.planner.merge import merged
from intendant.planner.propose import Embedded, Proposer
from intendant.planner.recall import allowed, answer_to, recalled
from intendant.planner.recall import readings as remembered
from intendant.planner.results import Results
from intendant.types import Choice, Proposal

__all__ = ["Planner"]

MAX_CHARS = 2_000
DRAWS = 6
Values = Callable[[str, str], list[str]]


class Planner:
    """Compiles sentences over a catalog.

    `model` is a trained reader's file with its pieces beside it, a Proposer, or nothing for the embedded model. `describe` types a
    query over a catalog's tables without running it. `language` is a language model that reads along;
    `results` tries plans on the tables, so that those with one result count as one.
    """

    def __init__(
        self,
        model: str | Path | Proposer | None,
        describe: Describe,
        limits: Thresholds = Thresholds(),
        memory: Memory | None = None,
        language: LanguageReader | None = None,
        results: Results | None = None,
    ) -> None:
        if model is None or model == "":
            self.proposer: Proposer = Embedded()
        elif isinstance(model, str | Path):
            self.proposer = Embedded(Path(model))
        else:
            self.proposer = model
        self.describe, self.limits, self.memory = describe, limits, memory
        self.language, self.results = language, results
        self.indexes: OrderedDict[int, tuple[Catalog, Index]] = OrderedDict()
        self.seen: dict[tuple[str, int, str], tuple[str, ...]] = {}

    def compile(
        self,
        text: str,
        catalog: Catalog,
        *,
        focus: tuple[str, ...] = (),
        answers: Mapping[str, str] | None = None,
        values: Values | None = None,
    ) -> Proposal:
        """What to make of a sentence. `focus`: the tables of the last results, newest first; `answers`: what was asked
        about, to what was answered; `values(table, column)`: a text column's distinct values. Raises ModelError.
        """
        text = text.strip()
        if not text:
            return Proposal("refused", reason=EMPTY)
        if len(text) > MAX_CHARS:
            return Proposal(
                "refused", reason=f"The sentence has {len(text):,} characters; at most {MAX_CHARS:,} are read."
            )
        if reason := reason_to_refuse(text):
            return Proposal("refused", confidence=1.0, reason=reason)
        asked = (text, catalog)
        for about, answer in (answers or {}).items():
            plan = looks_like_plan(answer)
            if plan is not None:
                return Proposal("ready", plan, 1.0)
            text, focus = answered(text, about, answer.strip(), catalog, focus)
        catalog = without_quarantine(catalog, text)
        text = undotted(text, catalog)
        index = self.index(catalog, values)
        g = ground(text, index, focus=focus)
        if not any(w.isalpha() for w in g.prompt.partition("|")[2].split()) and not g.candidates:
            return Proposal("refused", reason=REFUSAL)
        if self.memory is not None and (known := recalled(self.memory, g, self.describe)):
            return known
        found = self.checked(g, index, free=True)
        if self.results is not None:
            found = self.results.joined(found, g.catalog)
        proposal = decide(found, g, self.limits, lambda slot: self.choices(slot, g))
        if self.language is not None:
            proposal = beside(proposal, self.language, g, self.describe)
        if self.memory is not None and proposal.question and not answers:
            about = proposal.question.about
            if (before := answer_to(self.memory, g, about)) is not None:
                return self.compile(*asked, focus=focus, answers={about: before}, values=values)
        return proposal

    def checked(self, g: Grounding, index: Index | None, *, free: bool, k: int = DRAWS) -> list[Checked]:
        """What the model proposes and what the reader by frames reads, checked, best first; without `index` the model alone."""
        readings = read(g.sentence, index, focus=g.focus) if index is not None else []
        if self.memory is not None:
            readings = [*remembered(self.memory, g), *readings]
        found = merged(self.proposer.propose(g, k, free=free), readings, g, self.describe)
        return found if self.memory is None else allowed(self.memory, g, found)

    def index(self, catalog: Catalog, values: Values | None) -> Index:
        """The names of a catalog, kept for the next sentence."""
        held = self.indexes.get(id(catalog))
        if held is None or held[0] is not catalog:
            held = (catalog, Index(catalog, self.values_of(catalog, values)))
            self.indexes[id(catalog)] = held
            while len(self.indexes) > 8:
                self.indexes.popitem(last=False)
        return held[1]

    def values_of(self, catalog: Catalog, values: Values | None) -> dict[tuple[str, str], Sequence[str]]:
        """Values of text columns, read once per version of a table."""
        out: dict[tuple[str, str], Sequence[str]] = {}
        if values is None:
            return out
        for t in catalog.tables.values():
            for c in t.columns:
                if kind_of_type(c.type) != "text" or t.name.startswith("quarantine."):
                    continue
                key = (t.name, t.version, c.name)
                if key not in self.seen:
                    try:
                        self.seen[key] = tuple(v for v in values(t.name, c.name) if len(v) <= 60)
                    except IntendantError:
                        self.seen[key] = ()
                out[(t.name, c.name)] = self.seen[key]
        return out

    def choices(self, slot: str, g: Grounding) -> tuple[Choice, ...]:
        """Plans to choose from when something is open: the model's plan for each table that may be meant."""
        if slot not in ("table", "resource"):
            return ()
        out: dict[str, Choice] = {}
        names = [t for t in g.its if not t.startswith("quarantine.")][:4] if slot == "table" else []
        for name in names:
            narrowed = replace(g, its=(name,))
            for c in self.checked(narrowed, None, free=False, k=1):
                if c.plan is not None:
                    text = print_plan(c.plan)
                    out.setdefault(text, Choice(f"{name}: {text}", text))
        return tuple(out.values())


def answered(
    text: str, about: str, answer: str, catalog: Catalog, focus: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The sentence with an answer worked in: a table becomes what is spoken of, anything else is said after it."""
    if catalog.has(answer):
        name = catalog.table(answer).name
        return f"{text.rstrip(' .?!')}, table {name}", (name, *(f for f in focus if f != name))
    return f"{text.rstrip(' .?!')}, {answer}", focus


QUARANTINE = re.compile(
    r"quarantine\.|\b(?:in|into|from|of) (?:the )?quarantine\b|quarantined? (?:rows|table|ones)", re.I
)


def without_quarantine(catalog: Catalog, text: str) -> Catalog:
    """The catalog without the gate's own tables, unless the sentence speaks of them."""
    if QUARANTINE.search(text):
        return catalog
    return replace(catalog, tables={n: t for n, t in catalog.tables.items() if not n.startswith("quarantine.")})


def undotted(text: str, catalog: Catalog) -> str:
    """The text with "staging.orders" and "sales_api.orders" as two words where they are names of the catalog, since
    that is how mentions are found."""
    dotted = [
        n for n in (*catalog.tables, *catalog.resources) if n.count(".") == 1 and n.replace(".", "").isidentifier()
    ]
    low = text.lower()
    for name in sorted((n for n in dotted if n.lower() in low), key=len, reverse=True):
        text = re.sub(rf"(?<![\w./'\"]){re.escape(name)}(?![\w/'\"]|\.\w)", name.replace(".", " "), text, flags=re.I)
    return text
