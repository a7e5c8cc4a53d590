"""Check: is a proposed plan one that this catalog admits, and does it use what the sentence said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

from intendant.actions import actions
from intendant.catalog import Catalog
from intendant.errors import IntendantError, LanguageError
from intendant.language.grammar import grammar
from intendant.language.plans import print_plan
from intendant.planner.alignment import Alignment, alignment
from intendant.planner.cues import unanswered
from intendant.planner.decode import decode
from intendant.planner.encode import encode
from intendant.planner.frames import Reading
from intendant.planner.ground import Grounding
from intendant.planner.ids import ID, Undecided, Unsayable
from intendant.planner.sense import nonsense
from intendant.types import Column, Plan, Step

__all__ = ["Checked", "Describe", "check", "check_plan", "resolve"]

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
    "restore": (
        "restor",
        "roll",
        "back",
        "version",
        "previous",
        "undo",
        "revert",
        "undid",
        "again",
        "recover",
        "bring",
        "before",
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
    certainty: float = 0.0
    """How sure the reader by frames is of this plan; 0 when it has not read it so."""
    unexplained: tuple[str, ...] = ()
    """Words that the reader by frames leaves unexplained."""
    empty: bool = False
    """Whether its first step, tried on the tables as they are, leaves no row."""
    along: Alignment = field(default_factory=Alignment)
    """How the plan lies along the sentence."""
    steps: tuple[Step, ...] = ()
    """The steps of `plan` with their defaults."""

    @property
    def rank(self) -> float:
        """The log-probability, less for what the sentence said and the plan leaves out, and for a plan that can't be."""
        if self.short:
            return self.logprob
        return (
            self.logprob
            + 4.0 * self.certainty
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
        along=alignment(text, grounding),
    )
    try:
        plan = decode(text, grounding)
        if len(set(plan.steps)) < len(plan.steps):
            raise LanguageError("the plan says a step twice")
        twice(text, grounding)
        unsaid(plan, grounding.sentence)
        pointless(plan, grounding)
        idle_joins(plan, grounding)
        nonsense(plan)
        steps = resolve(plan, grounding.catalog, describe)
    except Undecided as e:
        return replace(found, slot=e.slot, choices=e.choices, error=str(e))
    except IntendantError as e:
        return replace(found, error=str(e))
    cues = unanswered(grounding.sentence, print_plan(plan))
    return replace(found, plan=plan, steps=steps, unused=(*found.unused, *cues))


def check_plan(reading: Reading, logprob: float, grounding: Grounding, describe: Describe) -> Checked:
    """A plan that was read without ids, put into ids where it can be said in them, and checked alike."""
    text = print_plan(reading.plan)
    try:
        text = encode(reading.plan, grounding)
        found = check(text, logprob, grounding, describe)
    except Unsayable:
        found = Checked(text, logprob, unused=unspoken(text, grounding))
        try:
            unsaid(reading.plan, grounding.sentence)
            pointless(reading.plan, grounding)
            idle_joins(reading.plan, grounding)
            nonsense(reading.plan)
            steps = resolve(reading.plan, grounding.catalog, describe)
            cues = unanswered(grounding.sentence, text)
            found = replace(found, plan=reading.plan, steps=steps, unused=(*found.unused, *cues))
        except Undecided as e:
            found = replace(found, slot=e.slot, choices=e.choices, error=str(e))
        except IntendantError as e:
            found = replace(found, error=str(e))
    return replace(found, certainty=reading.certainty, unexplained=reading.unexplained)


def unspoken(text: str, g: Grounding) -> tuple[str, ...]:
    """Literals of the sentence none of whose readings stands in the plan's text."""
    return tuple(
        g.candidates[ids[0]].said
        for ids in g.literals
        if not any(g.candidates[i].text in text for i in ids) and not LIGHT.fullmatch(g.candidates[ids[0]].said)
    )


def ids_of(text: str) -> list[str]:
    return [m[0] for m in ID.finditer(text)]


def leftover(text: str, g: Grounding) -> tuple[str, ...]:
    """Literals of the sentence that the plan uses in none of their readings."""
    used = set(ids_of(text))

    def said(ids: tuple[str, ...]) -> str:
        return g.candidates[ids[0]].said

    whole = [ids for ids in g.literals if not used & set(ids) and not LIGHT.fullmatch(said(ids))]
    queries = [ids for ids in g.said if ids[0][0] == "Q" and not used & set(ids)]
    half = [ids for ids in g.literals if halved(ids, used, g)]
    return (*map(said, (*whole, *queries, *half)), *unmade(used, g), *cut_short(used, g))


BETWEEN = re.compile(r"(?i)\W*(?:,|/|\band\b|\bor\b|\bas well as\b)(?:\W|\band\b|\bor\b)*")
FEWEST_LISTED = 3


def cut_short(used: set[str], g: Grounding) -> Iterator[str]:
    """Values of a list ("a, b or c") that a plan leaves out although it has two others of it."""
    low, places = g.sentence.lower(), dict[tuple[int, int], set[str]]()
    for c in g.candidates.values():
        if c.family == "V" and c.said:
            for m in re.finditer(rf"(?<!\w){re.escape(c.said.lower())}(?!\w)", low):
                places.setdefault(m.span(), set()).add(c.id)
    runs: list[list[tuple[int, int]]] = []
    for span in sorted(places):
        if runs and BETWEEN.fullmatch(low[runs[-1][-1][1] : span[0]]):
            runs[-1].append(span)
        else:
            runs.append([span])
    for run in runs:
        kept = [s for s in run if places[s] & used]
        if len(run) >= FEWEST_LISTED and 2 <= len(kept) < len(run):
            yield from (g.sentence[a:b] for a, b in run if not places[a, b] & used)


NAMED = re.compile(r"[^\W\d]\w*(?:_\w|[a-z][A-Z])\w*")


def unmade(used: set[str], g: Grounding) -> Iterator[str]:
    """Identifiers that nothing in the catalog has, so that they are names to be made, and that the plan doesn't make."""
    made = {g.candidates[i].said for i in used if i in g.candidates}
    known = {c.said for c in g.candidates.values() if c.family != "I" and c.said}
    for c in g.candidates.values():
        if c.family == "I" and NAMED.fullmatch(c.said) and c.said not in made | known:
            yield c.said


def twice(text: str, g: Grounding) -> None:
    """Raises LanguageError when one number is read in two ways: 20 percent as 20 and as 0.2."""
    used = set(ids_of(text))
    for ids in g.literals:
        numbers = [i for i in ids if i[0] == "N" and i in used]
        if len(numbers) > 1 and not any(i[0] == "U" for i in ids):
            raise LanguageError(f"{g.candidates[ids[0]].said!r} is read in two ways")


OPEN = re.compile(
    r"(?i)\b(?:since|after|before|until|till|from|by|starting|earlier than|later than|older than|prior to)(?: the| in| of)?\s*$"
)


def halved(ids: tuple[str, ...], used: set[str], g: Grounding) -> bool:
    """Whether of a period that was said as a whole ("in May 2026") only the start or the end is used."""
    ends = [i for i in ids if i[0] == "U"]
    if len(ends) != 2 or len(used & set(ends)) != 1:
        return False
    before = g.sentence[: max(g.sentence.find(g.candidates[ends[0]].said), 0)]
    return not OPEN.search(before)


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


LASTING = frozenset("check drop archive restore retain provision schedule optimize deliver".split())
"""Verbs whose table must be pointed at, however likely one is."""


def pointless(plan: Plan, g: Grounding) -> None:
    """Raises Undecided when such a step is about a table that nothing in the sentence points at."""
    tables = g.catalog.tables
    said = {c.text for c in g.candidates.values() if c.said}
    made: set[str] = set()
    for step in plan.steps:
        if step.verb == "ingest":
            resource(str(step.args["resource"]), g)
        name = step.get("table")
        if step.verb in LASTING and name and g.catalog.has(name) and len(tables) > 1:
            t = g.catalog.table(name)
            names = {grammar().kinds.name(c.name) for c in t.columns}
            known = grammar().kinds["table"].write(t.name) in said or t.name in (*g.focus[:1], *made) or names & said
            if not known and not any(
                d.said and d.family == "R" and d.text.endswith(t.name.rpartition(".")[2]) for d in g.candidates.values()
            ):
                raise Undecided("table", f"nothing says that {t.name} is meant", tuple(tables)[:4])
        made |= {n for n in (step.get("target"), f"staging.{str(step.get('resource', '')).rpartition('.')[2]}") if n}


def idle_joins(plan: Plan, g: Grounding) -> None:
    """Raises Undecided for a join with a table that the sentence doesn't name and of which nothing is used."""
    said = {c.text for c in g.candidates.values() if c.said}
    for step in plan.steps:
        for o in step.get("operators") or ():
            name = o.get("table") if o.verb == "join" else None
            if not name or not g.catalog.has(name) or not g.catalog.has(step.get("table") or ""):
                continue
            if grammar().kinds["table"].write(g.catalog.table(name).name) in said or o.get("side") in ("semi", "anti"):
                continue
            own = {c.name.lower() for c in g.catalog.table(step.args["table"]).columns}
            new = {c.name.lower() for c in g.catalog.table(name).columns} - own
            rest = " ".join(
                print_plan(Plan((replace(step, args={**step.args, "operators": (x,)}),)))
                for x in step.args["operators"]
                if x is not o
            )
            if not new & {w.lower() for w in re.findall(r"\w+", rest)}:
                raise Undecided("table", f"nothing says that {name} is meant")


def resource(name: str, g: Grounding) -> None:
    """Raises Undecided for a resource that the sentence doesn't name where there are several."""
    write = grammar().kinds["resource"].write
    full = [r.full for r in g.catalog.resources.values() if name in (r.full, r.source)]
    said = {c.text for c in g.candidates.values() if c.said and c.family in "RS"}
    alone = len(g.catalog.resources) == 1 or (
        write(name.partition(".")[0]) in said and len(full) == 1 and sole(name, g)
    )
    if full and not alone and not any(write(f) in said for f in full):
        raise Undecided("resource", f"nothing says that {name} is meant", tuple(full)[:4])


def sole(name: str, g: Grounding) -> bool:
    """Whether the source of a resource has just that one."""
    source = name.partition(".")[0]
    return sum(r.source == source for r in g.catalog.resources.values()) == 1


def resolve(plan: Plan, catalog: Catalog, describe: Describe) -> tuple[Step, ...]:
    """The steps with their defaults, each against the catalog that those before it leave. Raises IntendantError."""
    known, out = actions(), []
    for step in plan.steps:
        action = known[step.verb]
        done = action.resolve(step, catalog, describe)  # type: ignore[arg-type]
        catalog = action.after(done, catalog, describe)  # type: ignore[arg-type]
        out.append(done)
    return tuple(out)
