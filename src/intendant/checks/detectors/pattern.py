"""Values of another shape than their column's: letters where the rest has digits, a part too many, another length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted, text
from intendant.language.to_sql import find_column
from intendant.types import Finding, Rule

__all__ = ["Pattern", "regex_of", "rough", "strict"]

LETTERS = re.compile(r"[^\W\d_]+")
DIGITS = re.compile(r"\d+")
BLANKS = re.compile(r"\s+")


class Pattern(Detector):
    name = "pattern"
    summary = "Values whose shape (letters, digits, punctuation, numbers of digits) almost no other value has."
    example = "4 values of sample look like 'x patients', not '12 patients': check ... for sample matches '[0-9]+ ...'"

    def find(self, subject: Subject) -> Iterator[Finding]:
        for column in subject.flat("text"):
            values = subject.present(column.name)
            if sum(values.values()) >= subject.settings.min_rows:
                yield from self.look(subject, column.name, values)

    def look(self, subject: Subject, column: str, values: dict[str, int]) -> Iterator[Finding]:
        total = sum(values.values())
        judged = {v: n for v, n in values.items() if n < max(5, subject.settings.established * total)}
        usual = {v: n for v, n in values.items() if v not in judged}
        for shape, majority in ((rough, subject.settings.shape_majority), (strict, subject.settings.length_majority)):
            main = self.dominant(values, shape, majority) or self.dominant(judged, shape, majority)
            if "9" not in main:
                return
            bad = {v: n for v, n in judged.items() if shape(v) != main}
            if bad and sum(bad.values()) <= (1 - majority) * total + 1:
                yield self.result(subject, column, bad, main, usual, shape)
            values, judged = ({v: n for v, n in d.items() if v not in bad} for d in (values, judged))

    @staticmethod
    def dominant(values: dict[str, int], shape: Callable[[str], str], majority: float) -> str:
        """The shape that most rows and most values have, or ""."""
        rows: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for v, n in values.items():
            s = shape(v)
            rows[s] += n
            kinds[s] += 1
        if len(values) < 5:
            return ""
        top, n = rows.most_common(1)[0]
        return top if n >= majority * sum(rows.values()) and kinds[top] >= 0.5 * len(values) else ""

    @staticmethod
    def result(subject: Subject, column: str, bad: dict[str, int], main: str, usual: dict[str, int],
               shape: Callable[[str], str]) -> Finding:
        example = next(v for v in subject.present(column) if shape(v) == main)
        regex = "|".join([regex_of(main), *(re.escape(v) for v in usual if shape(v) != main)])
        where, rows = subject.is_one_of(column, bad), sum(bad.values())
        if subject.sampled(column):
            gap = subject.missing(find_column(column, subject.columns))
            where = f"(NOT regexp_full_match(trim({quoted(column)}), {text(regex)}) AND NOT {gap})"
            rows = subject.count(where)
        return subject.finding("pattern", column, rows, f"{subject.so_many(rows, column)} don't look like the"
                               f" others (e.g. {example!r}): {shown(bad)}.", where=where, confidence=0.8,
                               mend=mend.guard(subject.table, Rule("pattern", column=column, regex=regex)),
                               samples=list(bad)[:5])


def rough(value: str) -> str:
    """Runs of letters as `a`, of digits as `9`, blanks as one; the rest as it is."""
    return BLANKS.sub(" ", LETTERS.sub("a", DIGITS.sub("9", value.strip())))


def strict(value: str) -> str:
    """As `rough`, with each digit kept apart."""
    return BLANKS.sub(" ", LETTERS.sub("a", re.sub(r"\d", "9", value.strip())))


def regex_of(shape: str) -> str:
    """The regular expression of a shape; runs of digits of `strict` have their exact length."""
    out = []
    for part in re.findall(r"9+|a| |.", shape, re.S):
        if part[0] == "9":
            out.append("[0-9]+" if part == "9" else f"[0-9]{{{len(part)}}}")
        else:
            out.append({"a": r"\pL+", " ": r"\s+"}.get(part) or re.escape(part))
    return "".join(out)
