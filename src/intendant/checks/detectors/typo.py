"""Misspellings: a rare value, or a rare word, that is almost one of the column's frequent ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from rapidfuzz import process
from rapidfuzz.distance import OSA

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.types import Finding

__all__ = ["Typo"]

MOST_RARE, MOST_FREQUENT = 5_000, 2_000
WORD = re.compile(r"[^\W\d_]{5,}")
ANY_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SHARED = 3
ENDING = re.compile(r"(s|es|ed|er|ers|ing|d|n|r|ly|al|'s|y|e|a|o|i|ies)?\Z")


class Typo(Detector):
    name = "typo"
    summary = "Rare values that are a few letters away from a much more frequent one of the same column."
    example = "3 values of country look misspelt, 'Germny' for 'Germany': transform t derive country = case ... end"

    def find(self, subject: Subject) -> Iterator[Finding]:
        for column in subject.flat("text"):
            if subject.sampled(column.name) or column.name in subject.key:
                continue
            values = subject.present(column.name)
            total = sum(values.values())
            if total < subject.settings.min_rows or len(values) > 0.5 * total:
                continue
            usual = self.values(values, subject.settings.typo_ratio)
            for v, better in self.words(values, subject.settings.typo_ratio).items():
                usual.setdefault(v, better)
            if usual:
                yield self.result(subject, column.name, values, usual)

    @staticmethod
    def values(values: dict[str, int], ratio: float) -> dict[str, str]:
        """Each misspelt value with the value it should be."""
        known = vocabulary(values)
        frequent = [v for v, n in values.items() if n >= ratio and letters(v) >= 4][:MOST_FREQUENT]
        top = max(values.values(), default=0)
        rare = [v for v, n in values.items() if n * ratio <= top and letters(v) >= 2][:MOST_RARE]
        return {v: f for v in rare if (f := nearest(v, frequent, values, ratio)) and not other_words(v, f, known)}

    @staticmethod
    def words(values: dict[str, int], ratio: float) -> dict[str, str]:
        """The same for single words, where a column's words come again and again."""
        counts: Counter[str] = Counter()
        for v, n in values.items():
            for word in WORD.findall(v):
                counts[word] += n
        if not counts or sum(counts.values()) < 2 * ratio * len([w for w, n in counts.items() if n > 1] or [1]):
            return {}
        frequent = [w for w, n in counts.items() if n >= 2 * ratio][:MOST_FREQUENT]
        top = max(counts.values())
        rare = [w for w, n in counts.items() if n * 2 * ratio <= top][:MOST_RARE]
        fixed = {w: f for w in rare if (f := nearest(w, frequent, counts, 2 * ratio))}
        if len(rare) >= MOST_RARE:
            return {}
        return {v: WORD.sub(lambda m: fixed.get(m.group(), m.group()), v) for v in values
                if any(w in fixed for w in WORD.findall(v))}

    @staticmethod
    def result(subject: Subject, column: str, values: dict[str, int], usual: dict[str, str]) -> Finding:
        rows = sum(values[v] for v in usual)
        pairs = shown([f"{v} (probably {f})" for v, f in usual.items()])
        return subject.finding("typo", column, rows, f"{subject.so_many(rows, column)} look misspelt: {pairs}.",
                               where=subject.is_one_of(column, usual), confidence=0.8, samples=list(usual)[:5],
                               mend=mend.replaced_values(subject.table, column, dict(usual)))


def nearest(value: str, frequent: list[str], counts: dict[str, int] | Counter[str], ratio: float) -> str | None:
    """The frequent text of which this one is a misspelling, if there is one."""
    most = 1 if len(value) < 8 else max(2, round(0.2 * len(value)))
    for match, distance, _ in process.extract(value, frequent, scorer=OSA.distance, score_cutoff=most, limit=3):
        if distance and counts[match] >= ratio * counts[value] and misspelt(value, match):
            return str(match)
    return None


def misspelt(value: str, usual: str) -> bool:
    """Not another number, another ending of the word, or only another case."""
    if digits(value) != digits(usual) or value.casefold() == usual.casefold():
        return False
    start = 0
    while start < min(len(value), len(usual)) and value[start].casefold() == usual[start].casefold():
        start += 1
    a, b = value[start:], usual[start:]
    return not (start >= 3 and ENDING.match(a.casefold()) and ENDING.match(b.casefold()))


def vocabulary(values: dict[str, int]) -> frozenset[str]:
    """Words that several values share: real ones, whatever they resemble."""
    spread = Counter(w for v in values for w in set(ANY_WORD.findall(v.casefold())))
    return frozenset(w for w, n in spread.items() if n >= SHARED)


def other_words(value: str, usual: str, known: frozenset[str]) -> bool:
    """Whether the two differ by whole words ("Dark Ale", "Pale Ale"), not by letters within them."""
    a, b = ANY_WORD.findall(value.casefold()), ANY_WORD.findall(usual.casefold())
    if len(a) != len(b):
        return abs(len(value) - len(usual)) > 1
    return any(x != y and (x in known or OSA.distance(x, y) > max(1, 0.4 * len(y))) for x, y in zip(a, b, strict=True))


def digits(value: str) -> str:
    return "".join(c for c in value if c.isdigit())


def letters(value: str) -> int:
    return sum(c.isalpha() for c in value)
