"""A plan over a sentence's ids, and what else it depends on: tables with their columns, the last result, what there was.

A plan's ids that the sentence doesn't speak are kept as what they stand for, and bind the plan to the tables it was made for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.language.grammar import grammar
from intendant.language.plans import print_plan
from intendant.planner.decode import decode
from intendant.planner.encode import encode
from intendant.planner.ground import Grounding
from intendant.planner.ids import ID, TOKEN, Undecided, Unsayable
from intendant.planner.pattern import sentence_of
from intendant.types import Json, Plan

__all__ = [
    "Places",
    "Token",
    "filled",
    "folded",
    "places_of",
    "scene_of",
    "scenes",
    "skeleton_of",
    "still_there",
    "tokens_of",
]

Token = str | tuple[str, str]
"""A word or an id of the sentence, or (family, text) of a candidate that the sentence doesn't speak."""
Places = dict[str, dict[str, list[list[str]]]]
IT = re.compile(r"it[23]?")


def folded(sentence: str) -> str:
    """The sentence in small letters, one space between words, without its last stop."""
    return " ".join(sentence.casefold().split()).rstrip(" .!?")


def spoken(grounding: Grounding) -> list[str]:
    """The sentence's words and ids as the prompt shows them, names and literals as ids."""
    return grounding.prompt.partition("|")[2].split()


def skeleton_of(grounding: Grounding) -> str:
    """The sentence with ids in place of what it says in full: `show the N1 biggest T1 by M1`."""
    numbers: dict[str, str] = {}
    for w in spoken(grounding):
        if w in grounding.candidates and w not in numbers:
            numbers[w] = f"{w[0]}{1 + sum(n[0] == w[0] for n in numbers)}"
    return " ".join(numbers.get(w, w) for w in spoken(grounding)).rstrip(" .!?")


def tokens_of(plan: Plan, grounding: Grounding) -> tuple[Token, ...]:
    """The plan in the sentence's ids; empty where ids can't say it, or would be read as another plan."""
    try:
        text = with_it(encode(plan, grounding), plan, grounding)
        if text is None:
            return ()
    except (Unsayable, Undecided, IntendantError):
        return ()
    said, own = set(sentence_of(grounding)), grounding.candidates
    return tuple(t if t not in own or t in said else (t[0], own[t].text) for t in TOKEN.findall(text))


def with_it(text: str, plan: Plan, grounding: Grounding) -> str | None:
    """The id text, with `it` for the last result where the sentence doesn't name it; None if it is read as another plan."""
    if grounding.focus:
        last = grammar().kinds["table"].write(grounding.focus[0])
        own = grounding.by_text.get(("T", last))
        if own and own not in sentence_of(grounding):
            changed = re.sub(rf"\b{own}\b", "it", text)
            if same(changed, plan, grounding):
                return changed
    return text if same(text, plan, grounding) else None


def same(text: str, plan: Plan, grounding: Grounding) -> bool:
    try:
        return print_plan(decode(text, grounding)) == print_plan(plan)
    except (Undecided, IntendantError):
        return False


def filled(tokens: Sequence[Token], ids: Mapping[str, str], grounding: Grounding, *, bound: bool) -> str:
    """The id text for a grounding whose sentence fits the pattern with these ids; "" where it can't be said there. `bound`:
    whether the tables in play are those that the plan was made for, so that what wasn't spoken may be taken from it.
    """
    out: list[str] = []
    for t in tokens:
        if isinstance(t, tuple):
            found = grounding.by_text.get(t) if bound else None
        else:
            found = ids.get(t) if ID.fullmatch(t) else t
        if found is None:
            return ""
        out.append(found)
    return " ".join(out)


def scene_of(tokens: Sequence[Token], grounding: Grounding) -> str:
    """What a plan depends on beside the words: the last result, and which tables and resources there were to choose from."""
    if any(isinstance(t, tuple) and t[0] in "TRSQ" for t in tokens) or not tokens:
        return chosen_from(grounding)
    return after(grounding) if any(isinstance(t, str) and IT.fullmatch(t) for t in tokens) else ""


def scenes(grounding: Grounding) -> tuple[str, ...]:
    """The scenes in which this sentence stands; an example must be of one of them."""
    return ("", after(grounding), chosen_from(grounding))


def after(grounding: Grounding) -> str:
    return "after a result" if any(f in grounding.catalog.tables for f in grounding.focus) else "at the start"


def chosen_from(grounding: Grounding) -> str:
    """The names to choose from, and the last result."""
    last = next((f for f in grounding.focus if f in grounding.catalog.tables), "")
    names = sorted((*grounding.catalog.tables, *grounding.catalog.resources, *grounding.catalog.queries))
    return f"after {last}\n" + "\n".join(names)


def places_of(plan: Plan, catalog: Catalog) -> Places:
    """The tables and resources that a plan speaks of, with their columns and types."""
    said = set(texts(s.args for s in plan.steps))
    tables = {n: [[c.name, c.type] for c in t.columns] for n, t in catalog.tables.items() if n in said}
    resources = {
        n: [[c.name, c.type] for c in r.columns] for n, r in catalog.resources.items() if n in said or r.source in said
    }
    return {"tables": tables, "resources": resources}


def texts(value: Json) -> Iterator[str]:
    """Every text in a step's arguments, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts(list(value.values()))
    elif isinstance(value, Iterable):
        for v in value:
            yield from texts(v)
    elif hasattr(value, "args"):
        yield from texts(value.args)


def still_there(places: Places, catalog: Catalog) -> bool:
    """Whether these tables and resources are in the catalog with the same columns and types."""
    found = {
        "tables": {n: t.columns for n, t in catalog.tables.items()},
        "resources": {n: r.columns for n, r in catalog.resources.items()},
    }
    return all(
        name in found.get(kind, {}) and [[c.name, c.type] for c in found[kind][name]] == columns
        for kind, wanted in places.items()
        for name, columns in wanted.items()
    )
