"""The vocabulary, counted over the training sentences: what several catalogs' sentences say is a word, the rest pieces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from intendant.model.training.catalogs import World
from intendant.model.training.generate import Pair
from intendant.model.training.noise import SWAPS
from intendant.model.training.templates import FOLLOWING, PATTERNS, SCHEDULES, WRAPPERS
from intendant.model.vocabulary import BEGIN, END, PIECE, PLAN, Vocabulary
from intendant.planner.decoding import words_of_plans
from intendant.planner.ground import FAMILIES, ID_WORDS, MOST, ground
from intendant.planner.mentions import KINDS, SYNONYMS
from intendant.planner.words import COMMANDS, STOP, words_of

__all__ = ["build_vocabulary"]

CONTEXT = ("none", "one", "many", "last", "sources", "saved", "|")
SIZE = 3072


def build_vocabulary(pairs: Sequence[Pair], worlds: Mapping[str, World]) -> Vocabulary:
    """At most SIZE tokens: markers, words of plans, ids, then words by how many catalogs say them, and pieces."""
    spread: dict[str, set[str]] = defaultdict(set)
    rare: Counter[str] = Counter()
    for p in pairs:
        if p.catalog in worlds:
            for token in ground(p.text, worlds[p.catalog].index, known=frozenset()).prompt.split():
                if not ID_WORDS.fullmatch(token):
                    spread[token].add(p.catalog)
    own = " ".join(
        [*(t for t, _ in (*PATTERNS, *FOLLOWING, *SCHEDULES)), *WRAPPERS, *(w for s in SWAPS.values() for w in s)]
    )
    plain = {w.lower for w in words_of(own)} | set(SWAPS) | COMMANDS | STOP | set(CONTEXT) | set(SYNONYMS) | set(KINDS)
    fixed = [BEGIN, END, PLAN, *words_of_plans(), *(f"{f}{n}" for f in FAMILIES for n in range(1, MOST + 1))]
    words = sorted(plain - set(fixed)) + sorted(
        (w for w, s in spread.items() if len(s) > 1 and w not in plain and w not in fixed),
        key=lambda w: (-len(spread[w]), w),
    )
    for w in spread:
        for n in (2, 3, 4):
            for i in range(len(w) - n + 1):
                rare[w[i : i + n]] += 1
    letters = sorted({c for w in spread for c in w if c.isprintable()} | set("abcdefghijklmnopqrstuvwxyz_-."))[:150]
    pieces = [*letters, *(p for p, _ in rare.most_common(400))]
    room = SIZE - len(fixed) - len(pieces)
    return Vocabulary([*fixed, *words[:room], *(PIECE + p for p in pieces)])
