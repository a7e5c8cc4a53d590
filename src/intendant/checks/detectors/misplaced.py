"""A value of one column that ended up at the end of another's: "Portland OR" as the city, and no state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.types import Column, Finding, Rule

__all__ = ["Misplaced"]

MOST_VALUES = 1_000
FEWEST = 3


class Misplaced(Detector):
    name = "misplaced"
    summary = "A text that ends with a value of another column, in rows where that column is empty."
    example = "127 values of city end with a state, which is missing there: check t for ... on failure quarantine"

    def find(self, subject: Subject) -> Iterator[Finding]:
        columns = subject.flat("text")
        ends = {c.name: last_words(subject.present(c.name)) for c in columns}
        for other in columns:
            domain = {v for v, n in subject.present(other.name).items()
                      if n > 1 and " " not in v.strip() and len(v) > 1}
            gaps = sum(n for v, n in subject.values(other.name).items() if not v.strip()) + (
                subject.total - subject.stats[other.name].filled)
            if not domain or len(domain) > MOST_VALUES or not 0 < gaps < 0.5 * subject.total:
                continue
            for column in columns:
                if column.name != other.name:
                    suspects = [v for end in sorted(domain & ends[column.name].keys()) for v in ends[column.name][end]]
                    if len(suspects) >= FEWEST:
                        yield from self.pair(subject, column, other, suspects, gaps)

    @staticmethod
    def pair(subject: Subject, column: Column, other: Column, suspects: list[str], gaps: int) -> Iterator[Finding]:
        listed = subject.is_one_of(column.name, suspects)
        where = f"({listed} AND {subject.missing(other)})"
        rows = subject.count(where)
        if rows < max(FEWEST, 0.3 * gaps) or rows < 0.8 * subject.count(listed):
            return
        evidence = (f"{subject.so_many(rows, column.name)} end with what belongs in {other.name}, which is"
                    f" missing there: {shown(suspects)}.")
        yield subject.finding("misplaced", column.name, rows, evidence, where=where,
                              mend=mend.guard(subject.table, Rule("not_null", column=other.name)), confidence=0.85,
                              samples=suspects[:5])


def last_words(values: Iterable[str]) -> dict[str, list[str]]:
    """The values of several words, by their last one without brackets and commas."""
    ends: dict[str, list[str]] = defaultdict(list)
    for v in values:
        head, _, tail = v.strip().rpartition(" ")
        if head:
            ends[tail.strip("()[],")].append(v)
    return ends
