"""Numbers far from all others of their column, and negative ones in a column that is otherwise positive."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted
from intendant.types import Finding, Json, Rule

__all__ = ["Outlier"]

SIGNED = frozenset({
    "temp", "temperature", "lat", "latitude", "lon", "lng", "longitude", "delta", "diff", "difference", "change",
    "balance", "profit", "net", "margin", "return", "returns", "growth", "adjustment", "adjusted", "offset", "score",
    "coordinate", "x", "y", "z", "gain", "loss", "variation", "refund", "delay", "elevation", "altitude", "trend",
})
"""Words in names of columns where a negative number is nothing odd."""
IDENTITY = re.compile(r"(.*[_\s-])?(id|key|code|zip|phone|number|nr|index|year|lat|lon|latitude|longitude)|"
                      r".*[a-z]I[dD]")


class Outlier(Detector):
    name = "range"
    summary = "Numbers many interquartile ranges away from the rest, and negative ones where all others are positive."
    example = "2 of 5,000 values of quantity are negative: check orders for quantity at least 0 on failure quarantine"

    def find(self, subject: Subject) -> Iterator[Finding]:
        for column in subject.flat("number"):
            stat = subject.stats[column.name]
            if stat.filled < subject.settings.min_rows or stat.distinct < 5:
                continue
            absent = subject.disguised.get(column.name)
            there = f"NOT ({subject.is_one_of(column.name, absent)})" if absent else "true"
            yield from self.negative(subject, column.name, there)
            if stat.distinct >= 10 and not IDENTITY.fullmatch(column.name) and column.name not in subject.key:
                yield from self.far(subject, column.name, there)

    def negative(self, subject: Subject, column: str, there: str) -> Iterator[Finding]:
        if SIGNED & {w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", column)}:
            return
        where = f"({quoted(column)} < 0 AND {there})"
        rows = subject.count(where)
        if 0 < rows <= subject.settings.negative_share * subject.stats[column].filled:
            values = self.examples(subject, column, where)
            yield subject.finding("range", column, rows, f"{subject.so_many(rows, column)} are negative, the"
                                  f" others are not: {shown(values)}.", where=where, confidence=0.85, samples=values,
                                  mend=mend.guard(subject.table, Rule("range", column=column, min=0)))

    def far(self, subject: Subject, column: str, there: str) -> Iterator[Finding]:
        fences = self.fences(subject, column, there)
        if not fences:
            return
        low, high = fences
        own = quoted(column)
        below = "" if low is None else f"{own} < {low!r} OR "
        where = f"(({below}{own} > {high!r}) AND {there})"
        rows = subject.count(where)
        if not 0 < rows <= max(1, subject.settings.outlier_share * subject.stats[column].filled):
            return
        rest = f"FROM {subject.sql} WHERE NOT {where} AND {there}"
        least, most = map(plain, subject.query(f"SELECT min({own}), max({own}) {rest}")[0])
        values = self.examples(subject, column, where)
        evidence = f"{subject.so_many(rows, column)} are far from the others ({least} to {most}): {shown(values)}."
        yield subject.finding("range", column, rows, evidence, where=where, confidence=0.75, samples=values,
                              mend=mend.guard(subject.table, Rule("range", column=column, min=least, max=most)))

    @staticmethod
    def fences(subject: Subject, column: str, there: str) -> tuple[float | None, float] | None:
        """Quartiles widened by so many interquartile ranges; on a log scale, upwards only, for skewed positive columns."""
        own = f"CAST({quoted(column)} AS DOUBLE)"
        parts = "[0.02, 0.25, 0.5, 0.75, 0.98]"
        row = subject.query(f"SELECT approx_quantile({own}, {parts}) FROM {subject.sql}"
                            f" WHERE {own} IS NOT NULL AND isfinite({own}) AND {there}")[0]
        if row[0] is None:
            return None
        p2, q1, q2, q3, p98 = (float(v) for v in row[0])
        log = p2 > 0 and (p98 - q2) > 2 * (q2 - p2)
        if log:
            p2, q1, q2, q3, p98 = (math.log(v) for v in (p2, q1, q2, q3, p98))
        spread = max(q3 - q1, (p98 - p2) / 3)
        if not 0 < spread < math.inf:
            return None
        low, high = q1 - subject.settings.outlier_fence * spread, q3 + subject.settings.outlier_fence * spread
        return (None if log else low, math.exp(min(high, 700)) if log else high)

    @staticmethod
    def examples(subject: Subject, column: str, where: str) -> list[Json]:
        own = quoted(column)
        rows = subject.query(f"SELECT DISTINCT {own} FROM {subject.sql} WHERE {where} ORDER BY abs({own}) DESC LIMIT 5")
        return [plain(r[0]) for r in rows]


def plain(value: Json) -> Json:
    return value if isinstance(value, int | float) else float(value)
