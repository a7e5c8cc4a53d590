"""Rows that are there twice: by their key, or in everything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.rules.unique import Unique
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted
from intendant.types import Finding, Rule

__all__ = ["Duplicate"]

KEY_NAME = re.compile(r"(^|.*[_\s-])(id|key|uuid|guid|nr|sku|isbn|ean)|.*[a-z](Id|ID|Key)|index")


class Duplicate(Detector):
    name = "unique"
    summary = "Repeated keys (declared, or a column that is almost unique and named like a key), and repeated rows."
    example = "3 rows repeat an order_id: transform orders drop duplicates by order_id"

    def find(self, subject: Subject) -> Iterator[Finding]:
        rows_are_unique = False
        if subject.key:
            yield from self.by_key(subject, subject.key, 1.0)
        for column in subject.flat("number", "text"):
            stat = subject.stats[column.name]
            if subject.key == (column.name,) or not KEY_NAME.fullmatch(column.name) or stat.filled < 20:
                continue
            if stat.distinct < 0.7 * stat.filled:  # an estimate; the exact share is taken below
                continue
            share = self.distinct(subject, column.name)
            rows_are_unique |= share == 1 and stat.filled == subject.total
            if subject.settings.key_distinct <= share < 1:
                yield from self.by_key(subject, (column.name,), 0.9)
        if not rows_are_unique:
            yield from self.whole_rows(subject)

    @staticmethod
    def distinct(subject: Subject, column: str) -> float:
        """The share of a column's values that are distinct, exactly."""
        own = quoted(column)
        distinct, filled = subject.query(f"SELECT count(DISTINCT {own}), count({own}) FROM {subject.sql}")[0]
        return float(distinct / filled)

    @staticmethod
    def by_key(subject: Subject, key: Sequence[str], confidence: float) -> Iterator[Finding]:
        names = ", ".join(map(quoted, key))
        there = " AND ".join(f"{quoted(k)} IS NOT NULL" for k in key)
        grouped = f"SELECT {names}, count(*) AS n FROM {subject.sql} WHERE {there} GROUP BY {names} HAVING count(*) > 1"
        rows = int(subject.query(f"SELECT coalesce(sum(n - 1), 0) FROM ({grouped}) AS t")[0][0])
        if not rows:
            return
        examples = [r[0] if len(key) == 1 else r[:-1]
                    for r in subject.query(f"SELECT * FROM ({grouped}) AS t ORDER BY n DESC, {names} LIMIT 3")]
        said = ", ".join(key)
        where = Unique().broken(Rule("unique", columns=tuple(key)), subject.columns).sql("duckdb")
        yield subject.finding("unique", key[0] if len(key) == 1 else None, rows,
                              f"{rows} of {subject.total} rows repeat a {said}, e.g. {shown(examples)}.", where=where,
                              mend=mend.transform(subject.table, "drop_duplicates", keys=tuple(key)),
                              confidence=confidence, samples=map(str, examples))

    @staticmethod
    def whole_rows(subject: Subject) -> Iterator[Finding]:
        names = ", ".join(quoted(c.name) for c in subject.columns)
        distinct = subject.query(f"SELECT count(DISTINCT hash({names})) FROM {subject.sql}")[0][0]
        rows = subject.total - int(distinct)
        if rows:
            yield subject.finding("duplicate_row", None, rows, f"{rows} of {subject.total} rows are there already.",
                                  where=f"row_number() OVER (PARTITION BY {names}) > 1",
                                  mend=mend.transform(subject.table, "drop_duplicates"), confidence=0.9)
