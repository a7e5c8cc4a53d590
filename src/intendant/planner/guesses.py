"""Values that no data has shown: "country is Germany", "the region North", what stands behind "contains" and between slashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intendant.language.lexer import quote_string
from intendant.planner.found import Mark
from intendant.planner.mentions import Mention
from intendant.planner.words import ABSENCE, COMMANDS, STOP, Word, english, plain

__all__ = ["guesses"]


def guesses(
    words: Sequence[Word], text: str, marks: Sequence[Mark], mentions: Sequence[Mention], known: frozenset[str]
) -> Iterator[Mark]:
    """Values nobody has shown us: "country is Germany", "the region North"; capitals and codes inside the sentence."""
    spans = [(m.at, m.end) for m in marks if m.drop or any(f in "TRQ" for f, _ in m.readings)]
    columns = [m.end for m in mentions if any(e.family == "C" for e in m.entries)]
    yield from one_of(words, text, spans)
    tight = ("is", "=", "==", "equals", "equal", "are", "!=", "not")
    links = (
        *tight,
        "in",
        "to",
        "with",
        "from",
        "for",
        "or",
        ",",
        "and",
        "of",
        "be",
        "as",
        "contains",
        "containing",
        "named",
        "called",
        "/",
        ":",
        "->",
        "by",
    )
    i = 0
    while i < len(words):
        w = words[i]
        inside = any(a <= w.at < b for a, b in spans)
        prior = words[i - 1] if i else None
        capital = bool(
            i
            and w.text[0].isupper()
            and prior
            and prior.text not in ".!?:"
            and w.text != "I"
            and w.lower not in COMMANDS
        )
        near = any(0 <= w.at - end <= 40 for end in columns)
        beside = bool(prior and any(end == prior.end for end in columns))
        linked = bool(prior and (beside or prior.lower in (tight if w.lower in known else links)))
        if (
            not inside
            and w.text[0].isalnum()
            and w.lower not in (STOP | ABSENCE)
            and (
                capital
                or (near and linked and w.lower not in COMMANDS)
                or (prior and prior.lower in SAYING and w.text.isalpha())
            )
            and (capital or not is_slip(w.lower))
        ):
            j = i
            while (
                capital
                and j + 1 < len(words)
                and words[j + 1].text[0].isupper()
                and words[j + 1].at == words[j].end + 1
                and not any(a <= words[j + 1].at < b for a, b in spans)
            ):
                j += 1
            said = text[w.at : words[j].end]
            if not said.isdigit():
                yield Mark(w.at, words[j].end, (("V", quote_string(said)),), w.lower not in known, guess=True)
            i = j
        i += 1


def is_slip(word: str) -> bool:
    """Whether a word is no value but a plain word misspelt: onyl, whoose."""
    known = plain() | english()
    if word in known or len(word) < 4 or not word.isalpha():
        return False
    swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    return bool(swapped & plain())


SAYING = frozenset(
    "contain contains containing mention mentions mentioning mentioned says saying word includes including".split()
)
"""Words behind which a piece of text stands."""


def one_of(words: Sequence[Word], text: str, spans: Sequence[tuple[int, int]]) -> Iterator[Mark]:
    """Words with slashes between them: low/medium/high are values, if they are no names."""
    tight = [i for i in range(1, len(words) - 1) if words[i].text == "/" and words[i - 1].end + 1 == words[i + 1].at]
    for w in (words[j] for j in sorted({j for i in tight for j in (i - 1, i + 1)})):
        if w.text.isalpha() and len(w.text) > 1 and not any(a <= w.at < b for a, b in spans):
            yield Mark(w.at, w.end, (("V", quote_string(w.text)),), False, guess=True)
