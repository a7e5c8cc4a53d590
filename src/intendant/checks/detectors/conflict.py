"""Several sources tell of the same things and disagree: each thing's facts are put to a vote of the sources.

Every source has one vote. Weighing them by how often they agree with the outcome is worse where sources copy from each
other, since the copies then agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intendant.checks.detectors.base import Detector
from intendant.checks.detectors.dependency import Codes, Flags, corrected, grouped, read, selected
from intendant.checks.detectors.mistyped import form_of
from intendant.checks.subject import Subject
from intendant.language.to_sql import find_column
from intendant.types import Finding

__all__ = ["Conflict"]

FEWEST_REPORTS = 5.0
"""Rows per thing, on average."""
DENSITY = 0.2
"""Share of all pairs of source and thing that there must be, for it to be a report by sources."""
UNIQUE = 0.97
DISSENT, LIFT, CHANCE = 0.5, 0.6, 0.7


@dataclass(frozen=True)
class Reports:
    """The column that names things, the one that names sources, and the facts that sources tell of things."""

    thing: str
    source: str
    facts: tuple[str, ...]


class Conflict(Detector):
    name = "conflict"
    summary = "Where several sources report the same things: facts that the others tell otherwise, or alone omit."
    example = "act_dep_time is '7:23 a.m.' for AA-12 in one source, '7:22 a.m.' in most: transform t derive ..."

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows:
            return
        codes, names = read(subject)
        reports = self.reports(codes, names) if codes else None
        if reports:
            for fact in reports.facts:
                yield from self.look(subject, reports, fact, codes, names)

    @staticmethod
    def reports(codes: dict[str, Codes], names: dict[str, list[str]]) -> Reports | None:
        """Which columns are thing, source and facts, when the table is made of several sources' reports.

        A source has a name; where a number or a date stands, the table tells how things change, and nobody errs.
        """
        total = len(next(iter(codes.values())))
        repeated = {c: n for c, v in codes.items() if 3 <= (n := int(v.max()) + 1) <= total / FEWEST_REPORTS
                    and (v >= 0).mean() > 0.95}
        best: Reports | None = None
        for thing, things in repeated.items():
            for source, sources in repeated.items():
                if thing == source or sources > things or not named(names[source]):
                    continue
                pairs = len(np.unique(codes[thing] * sources + codes[source]))
                if pairs < UNIQUE * total or total < DENSITY * things * sources:
                    continue
                facts = tuple(f for f in codes if f not in (thing, source) and told(codes[thing], codes[f]))
                if len(facts) >= 2 and (best is None or len(facts) > len(best.facts)):
                    best = Reports(thing, source, facts)
        return best

    @staticmethod
    def look(subject: Subject, reports: Reports, fact: str, codes: dict[str, Codes],
             names: dict[str, list[str]]) -> Iterator[Finding]:
        thing, own = codes[reports.thing], codes[fact]
        truth, sure = vote(thing, own)
        rows = (own != truth) & sure
        if not rows.any():
            return
        a, b = find_column(reports.thing, subject.columns), find_column(fact, subject.columns)
        wrong: dict[tuple[str, str | None], str] = {}
        for i in np.flatnonzero(rows):
            value = None if own[i] < 0 else names[fact][own[i]]
            wrong[names[a.name][thing[i]], value] = names[fact][truth[i]]
        where = selected(subject, a, b, list(wrong))
        found = subject.count(where)
        (key, value), best = next(iter(wrong.items()))
        said = "missing" if value is None else repr(value)
        yield subject.finding(
            "conflict", fact, found, f"{subject.so_many(found, fact)} disagree with what most {reports.source}"
            f" say of the same {a.name}, e.g. {said} for {key!r}, not {best!r}.", where=where, confidence=0.7,
            mend=corrected(subject.table, a, b, wrong), samples=[{a.name: k, fact: v} for k, v in list(wrong)[:5]])


def named(sources: list[str]) -> bool:
    """Whether these are names rather than numbers, dates or times."""
    return sum(not form_of(s) and any(c.isalpha() for c in s) for s in sources) > 0.9 * len(sources)


def told(thing: Codes, fact: Codes) -> bool:
    """Whether things have a most frequent fact, more than by chance, though sources may disagree."""
    g = grouped(thing, fact)
    if g is None or g.dissent > DISSENT:
        return False
    chance = grouped(thing, shuffled(fact))
    return chance is not None and chance.dissent >= CHANCE and g.dissent <= LIFT * chance.dissent


def shuffled(codes: Codes) -> Codes:
    """The same values at other rows; the same ones each time."""
    out, there = codes.copy(), codes >= 0
    out[there] = np.random.default_rng(0).permutation(codes[there])
    return out


def vote(thing: Codes, fact: Codes) -> tuple[Codes, Flags]:
    """Per row, the fact that most sources tell of its thing (-1: none), and whether several of them do."""
    there = (thing >= 0) & (fact >= 0)
    width, things = int(fact.max()) + 1, int(thing.max()) + 1
    pairs, votes = np.unique(thing[there] * width + fact[there], return_counts=True)
    left, right = pairs // width, pairs % width
    order = np.lexsort((right, votes))
    elected, support = np.full(things, -1, np.int64), np.zeros(things, np.int64)
    elected[left[order]], support[left[order]] = right[order], votes[order]
    at = np.where(thing >= 0, thing, 0)
    best = np.where(thing >= 0, elected[at], -1)
    return best, (best >= 0) & (support[at] >= 2)
