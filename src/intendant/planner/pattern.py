"""The form of a sentence for one plan: its words, with a slot for every name and literal that the plan uses.

`glance at T1 where C1 equals V1` fits any sentence of these words whose slots can stand for something of the same family.
What the plan doesn't use stays a word, though it may hint at a name: only what was proven to vary varies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from intendant.planner.ground import Grounding
from intendant.planner.schema import NEXT

__all__ = ["Pattern", "fitted", "pattern_of", "pattern_text", "sentence_of"]

Slot = tuple[tuple[str, int], ...]
"""Ids of the plan that stand in one place, each with which of its family it is there, from 0."""
Pattern = tuple[str | Slot, ...]
LOOSE = ("?",)
QUOTES = ("'", '"', "`")
LONGEST = 8
"""Words of one name."""


def sentence_of(grounding: Grounding) -> tuple[str, ...]:
    """The sentence's words and ids, without the places that are shown beside it, and without its last stop."""
    reading = grounding.reading
    end = reading.index(NEXT) if NEXT in reading else len(reading)
    while end and reading[end - 1] in (".", "!", "?"):
        end -= 1
    return reading[:end]


def runs_of(grounding: Grounding) -> list[str | tuple[str, ...]]:
    """Words without quotes, and between them the ids that stand together."""
    out: list[str | tuple[str, ...]] = []
    for t in sentence_of(grounding):
        if t in QUOTES:
            continue
        if t not in grounding.candidates:
            out.append(t)
        elif out and isinstance(out[-1], tuple):
            out[-1] = (*out[-1], t)
        else:
            out.append((t,))
    return out


def own_words(parts: Sequence[str | tuple[str, ...]], at: int, identifier: str, grounding: Grounding) -> int:
    """How many of the parts before the ids at `at` are the words of this one; 0 where its words were taken out."""
    c = grounding.candidates[identifier]
    names, text = {bare(c.said), bare(c.text)}, ""
    for n in range(1, min(at, LONGEST) + 1):
        part = parts[at - n]
        text = (bare(part) if isinstance(part, str) else "") + text
        if text and text in names:
            return n
        if not any(name.endswith(text) for name in names):
            return 0
    return 0


def bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text.casefold())


def pattern_of(grounding: Grounding, used: Sequence[str]) -> Pattern:
    """The sentence with slots for these ids."""
    parts, out = runs_of(grounding), list[str | Slot]()
    for at, part in enumerate(parts):
        if isinstance(part, str):
            out.append(part)
            continue
        slot = tuple((i, nth(part, i)) for i in dict.fromkeys(part) if i in used)
        back = max((own_words(parts, at, i, grounding) for i, _ in slot), default=0)
        taken = sum(isinstance(p, str) for p in parts[at - back : at])
        if slot:
            del out[len(out) - taken :]
            out.append(slot)
        elif not any(own_words(parts, at, i, grounding) for i in part):
            out.append(LOOSE[0])
    return tuple(out)


def nth(run: Sequence[str], identifier: str) -> int:
    return [i for i in dict.fromkeys(run) if i[0] == identifier[0]].index(identifier)


def fitted(pattern: Pattern, grounding: Grounding) -> dict[str, str] | None:
    """The pattern's ids -> the grounding's, or None where the sentence is of another form."""
    parts, at, out = runs_of(grounding), 0, dict[str, str]()
    for piece in pattern:
        if isinstance(piece, str):
            at = after_word(parts, at, piece, grounding)
        else:
            at = after_slot(parts, at, piece, out, grounding)
        if at < 0:
            return None
    return out if after_hints(parts, at, grounding) == len(parts) else None


def after_hints(parts: Sequence[str | tuple[str, ...]], at: int, grounding: Grounding) -> int:
    """The place behind ids whose words have been read already."""
    while (
        at < len(parts) and isinstance(parts[at], tuple) and any(own_words(parts, at, i, grounding) for i in parts[at])
    ):
        at += 1
    return at


def after_word(parts: Sequence[str | tuple[str, ...]], at: int, word: str, grounding: Grounding) -> int:
    at = after_hints(parts, at, grounding)
    if at == len(parts):
        return -1
    found = parts[at]
    return at + 1 if found == word or (word == LOOSE[0] and isinstance(found, tuple)) else -1


def after_slot(
    parts: Sequence[str | tuple[str, ...]], at: int, slot: Slot, out: dict[str, str], grounding: Grounding
) -> int:
    """The place behind the next ids that fit the slot and begin here; puts what stands for what into `out`."""
    for start in dict.fromkeys((at, after_hints(parts, at, grounding))):
        for end in range(start, min(len(parts), start + LONGEST + 1)):
            run = parts[end]
            if not isinstance(run, tuple):
                continue
            ids = [of_family(run, i[0], n) for i, n in slot]
            found = [i for i in ids if i is not None]
            if len(found) < len(slot) or max(own_words(parts, end, i, grounding) for i in found) != end - start:
                continue
            pairs = dict(zip((i for i, _ in slot), found, strict=True))
            if any(out.get(a, b) != b for a, b in pairs.items()):
                return -1
            out.update(pairs)
            return end + 1
    return -1


def of_family(run: Sequence[str], family: str, n: int) -> str | None:
    own = [i for i in dict.fromkeys(run) if i[0] == family]
    return own[n] if n < len(own) else None


def pattern_text(pattern: Pattern) -> str:
    """The pattern for people: `glance at T1 where C1 equals V1`."""
    return " ".join(p if isinstance(p, str) else "/".join(i for i, _ in p) for p in pattern)
