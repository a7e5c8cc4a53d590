"""Text that means the same but is written differently: blanks around it, or another case than usual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted
from intendant.types import Finding

__all__ = ["Normalise"]


class Normalise(Detector):
    name = "text_normalise"
    summary = "Blanks around a text, and rarer spellings of a value that differ from the usual one only in case."
    example = "5 values of country are 'germany' beside 'Germany': transform customers derive country = case ... end"

    def find(self, subject: Subject) -> Iterator[Finding]:
        for column in subject.flat("text"):
            values = subject.present(column.name)
            if values:
                yield from self.blanks(subject, column.name, values)
                yield from self.case(subject, column.name, values)

    @staticmethod
    def blanks(subject: Subject, column: str, values: dict[str, int]) -> Iterator[Finding]:
        bad = {v: n for v, n in values.items() if v != v.strip()}
        if not bad:
            return
        where = subject.is_one_of(column, bad)
        if subject.sampled(column):
            where = f"regexp_matches({quoted(column)}, '^\\s|\\s$')"
        rows = subject.count(where) if subject.sampled(column) else sum(bad.values())
        evidence = f"{subject.so_many(rows, column)} have blanks around them: {shown(bad)}."
        trim = mend.transform(subject.table, "trim", how="trim", columns=(column,))
        yield subject.finding("text_normalise", column, rows, evidence, where=where, mend=trim, confidence=0.8,
                              samples=list(bad)[:5])

    @staticmethod
    def case(subject: Subject, column: str, values: dict[str, int]) -> Iterator[Finding]:
        if subject.sampled(column):
            return
        groups: dict[str, list[str]] = defaultdict(list)
        for v in values:
            groups[" ".join(v.casefold().split())].append(v)
        bad: dict[str, str | None] = {}
        for same in groups.values():
            usual = max(same, key=lambda v: values[v])
            bad.update({v: usual for v in same if values[v] * subject.settings.case_ratio <= values[usual]
                        and v.strip() != usual.strip()})
        rows = sum(values[v] for v in bad)
        if bad:
            pairs = shown([f"{v} (usually {u})" for v, u in bad.items()])
            evidence = f"{subject.so_many(rows, column)} differ from a usual one only in case or blanks: {pairs}."
            yield subject.finding("text_normalise", column, rows, evidence, where=subject.is_one_of(column, bad),
                                  mend=mend.replaced_values(subject.table, column, bad), confidence=0.85,
                                  samples=list(bad)[:5])
