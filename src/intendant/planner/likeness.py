"""When two words may be the same: one cut short, one by its consonants, one with another ending."""

from __future__ import annotations

import functools
import re

from intendant.planner.words import english

__all__ = ["root", "shortens"]


def shortens(part: str, word: str) -> bool:
    """Whether a part of a name is a word cut short (camp, campaign) or its consonants (strm, stream)."""
    if len(word) < 4 or (part in english() and len(part) < 4):
        return False
    if len(part) > 2 and word.startswith(part):
        return True
    bones = word[0] + re.sub("[aeiou]", "", word[1:])
    if part in english() or re.search("[aeiou]", part[1:]):
        return False
    if len(part) == 2:
        return bones == part
    letters = iter(bones)
    return all(c in letters for c in part) and part[-1] in bones[-2:]


ENDINGS = ("ation", "ition", "ission", "ting", "ing", "ment", "tted", "sion", "tion", "ied", "ed", "er", "al", "y", "e")


@functools.lru_cache(maxsize=20_000)
def root(word: str) -> str:
    """discharged, discharge -> discharg; admission, admitted -> adm. Rough: both sides of a comparison pass through it."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
