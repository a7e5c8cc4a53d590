"""Values that aren't there: odd gaps in a column that is otherwise full, and values that only stand for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted
from intendant.language.expression import Call, Col, Literal
from intendant.language.to_sql import kind_of_type
from intendant.types import Column, Finding

__all__ = ["Missing"]

TOKENS = frozenset({
    "n/a", "na", "n.a.", "n.a", "#n/a", "<na>", "nan", "null", "none", "nil", "-", "--", "---", "?", "??", "???", ".",
    "...", "unknown", "unk", "missing", "(null)", "(none)", "undefined", "not_available", "not_applicable", "tbd",
    "#value!", "#ref!", "#name?", "(blank)", "[null]", "not available", "not applicable", "no data", "not known",
    "not specified", "not provided",
})
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
NINES = re.compile(r"-?9{3,9}(\.0+)?")
DATES = ("1900-01-01", "1899-12-30", "1899-12-31", "1970-01-01", "0001-01-01", "1753-01-01", "9999-12-31", "2999-12-31",
         "1111-11-11")
ISO = re.compile(r"\d{4}-\d\d-\d\d")
ISOLATED = 10
"""So many times larger than any other number, or years from any other date: 3 times are often enough."""
FAR_TOO_OFTEN, OFTEN = 10.0, 0.05
"""A suspect number or date stands for nothing once it comes so many times as often as the column's usual value, or in
this share of its rows; and at least 3 times."""


class Missing(Detector):
    name = "missing"
    summary = "Gaps in a column that is otherwise full, and values that stand for nothing: N/A, -, ?, 9999, 1900-01-01."
    example = "1,005 of 2,410 values of ibu are 'N/A': transform beers derive ibu = nullif(ibu, 'N/A')"

    def find(self, subject: Subject) -> Iterator[Finding]:
        for column in subject.flat():
            stat = subject.stats[column.name]
            if stat.filled and (found := self.disguised(subject, column)):
                subject.disguised[column.name] = frozenset(found)
                yield self.stand_ins(subject, column, found)
            yield from self.gaps(subject, column)

    def gaps(self, subject: Subject, column: Column) -> Iterator[Finding]:
        own = quoted(column.name)
        where = f"{own} IS NULL"
        rows = subject.total - subject.stats[column.name].filled
        if kind_of_type(column.type) == "text":
            where = f"({where} OR trim(CAST({own} AS VARCHAR)) = '')"
            if subject.sampled(column.name):
                rows = subject.count(where)
            else:
                rows += sum(n for v, n in subject.values(column.name).items() if not v.strip())
        share = rows / max(1, subject.total)
        key = column.name in subject.key
        if rows and (key or share <= subject.settings.odd_missing) and rows < subject.total:
            evidence = f"{subject.so_many(rows, column.name)} are missing."
            yield subject.finding("not_null", column.name, rows, evidence, where=where,
                                  mend=mend.transform(subject.table, "drop_missing", columns=(column.name,)),
                                  confidence=1.0 if key else 0.9 - 4 * share)

    def disguised(self, subject: Subject, column: Column) -> dict[str, int]:
        """The column's values that stand for nothing, with their counts."""
        kind = kind_of_type(column.type)
        if kind == "text":
            return (self.tokens(subject, column.name) | self.nines(subject, column.name)
                    | self.epochs(subject, column.name))
        if kind == "number":
            return self.nines(subject, column.name)
        return self.epochs(subject, column.name) if kind == "time" else {}

    @staticmethod
    def tokens(subject: Subject, column: str) -> dict[str, int]:
        values = subject.values(column)
        found = {v: n for v, n in values.items() if v.strip().lower() in TOKENS}
        rest = [v for v in values if v not in found and v.strip()]
        codes = rest and sum(len(v) <= 3 and v.isalpha() for v in rest) > 0.8 * len(rest)
        if codes:  # among country codes NA is Namibia
            found = {v: n for v, n in found.items() if not v.isalpha() or len(v) > 3}
        return found if rest else {}

    @staticmethod
    def nines(subject: Subject, column: str) -> dict[str, int]:
        """-1 where nothing else is negative, and 9999 far above everything else; each far too often."""
        if subject.sampled(column):
            return {}
        numbers = {v: (float(v), n) for v, n in subject.values(column).items() if NUMBER.fullmatch(v)}
        if len(numbers) < 5 or len(numbers) < 0.9 * len(subject.values(column)):
            return {}
        found = {}
        enough = too_often(n for _, n in numbers.values())
        for text, (x, n) in numbers.items():
            if n < 3 or not (x == -1 or NINES.fullmatch(text)):
                continue
            others = [y for v, (y, _) in numbers.items() if v != text and not NINES.fullmatch(v)]
            if not others:
                continue
            reach = max(map(abs, others))
            alone_below = x == -1 and min(others) >= 0 and reach > 5 and n >= enough
            if alone_below or (x != -1 and abs(x) > reach * (2 if n >= enough else ISOLATED)):
                found[text] = n
        return found

    @staticmethod
    def epochs(subject: Subject, column: str) -> dict[str, int]:
        values = subject.values(column)
        if len(values) < 5:
            return {}
        suspects = {v: n for v, n in values.items() if n >= 3 and v[:10] in DATES and v[10:].strip(" 0:.+") == ""}
        if not suspects:
            return {}
        enough = too_often(values.values())
        years = sorted(int(v[:4]) for v in values if v not in suspects and ISO.match(v))
        return {v: n for v, n in suspects.items()
                if n >= enough or (years and not years[0] - ISOLATED <= int(v[:4]) <= years[-1] + ISOLATED)}

    @staticmethod
    def stand_ins(subject: Subject, column: Column, found: dict[str, int]) -> Finding:
        rows = sum(found.values())
        evidence = f"{subject.so_many(rows, column.name)} stand for nothing: {shown(found)}."
        where = subject.is_one_of(column.name, found)
        return subject.finding("missing_value", column.name, rows, evidence, where=where,
                               mend=emptied(subject.table, column, list(found)), confidence=0.95, samples=found)


def too_often(counts: Iterable[int]) -> float:
    """How many times a suspect value must come to be one that stands for nothing."""
    ordered = sorted(counts)
    return max(3, min(FAR_TOO_OFTEN * ordered[len(ordered) // 2], OFTEN * sum(ordered)))


def emptied(table: str, column: Column, values: list[str]) -> str:
    kind = kind_of_type(column.type)
    if kind == "text" and len(values) > 1:
        return mend.replaced_values(table, column.name, dict.fromkeys(values))
    value = Col(column.name), Literal(values[0], {"number": "number", "time": "timestamp"}.get(kind, "text"))
    return mend.derived(table, column.name, Call("nullif", value))
