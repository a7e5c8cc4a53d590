"""The plain words of requests, counted over the training sentences: slips of the pen are set right to these.

`python -m intendant.model.training.words` writes planner/plain.txt anew.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from intendant.model.training.generate import bank
from intendant.model.training.noise import SWAPS
from intendant.model.training.templates import FOLLOWING, PATTERNS, SCHEDULES, WRAPPERS
from intendant.planner import words
from intendant.planner.mentions import KINDS, SYNONYMS
from intendant.planner.words import COMMANDS, STOP, english, words_of

__all__ = ["plain_words_of_requests"]


def plain_words_of_requests() -> list[str]:
    """Words of our own patterns, and those that sentences of several catalogs say: two for dictionary words, else five."""
    spread: dict[str, set[str]] = defaultdict(set)
    for p in bank():
        for w in words_of(p.text):
            if w.text.isalpha() and len(w.text) > 1:
                spread[w.lower].add(p.catalog)
    own = " ".join(
        [*(t for t, _ in (*PATTERNS, *FOLLOWING, *SCHEDULES)), *WRAPPERS, *(" ".join(s) for s in SWAPS.values())]
    )
    plain = {w.lower for w in words_of(own)} | set(SWAPS) | COMMANDS | STOP | set(SYNONYMS) | set(KINDS)
    common = {w for w, s in spread.items() if len(s) > (1 if w in english() else 4)}
    return sorted(w for w in plain | common if w.isalpha() and len(w) > 1)


if __name__ == "__main__":
    Path(words.__file__).with_name("plain.txt").write_text(
        "\n".join(plain_words_of_requests()) + "\n", encoding="utf-8"
    )
