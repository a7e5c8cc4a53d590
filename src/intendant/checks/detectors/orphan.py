"""Values that point to a row of another table which isn't there: an order of a customer that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.rules.foreign_key import ForeignKey
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted
from intendant.errors import IntendantError
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Finding, Rule, Snapshot, split_table

__all__ = ["Orphan", "parents"]

ORPHANS = 0.05
"""The share of a column's values that may have no row there, for the column to point there at all."""
FEWEST = 20
"""Values that must have their row."""
MOST_TABLES = 200
"""Tables that are looked through for one that a column points to."""
ENDS = ("id", "key", "code", "no", "nr", "number", "sku", "uuid")
"""Last words of columns that can name a row of a table."""


class Orphan(Detector):
    name = "orphan"
    summary = "Values without their row in the table that the column points to, by its name and nearly all its values."
    example = "12 values of customer_id have no row in customers: check orders for customer_id references customers.id"

    def find(self, subject: Subject) -> Iterator[Finding]:
        said: set[str] = set()
        for column, table, key in candidates(subject.table, subject.columns, subject.others):
            if column.name in said or subject.stats[column.name].distinct < 2:
                continue
            found = self.orphans(subject, column.name, table, key)
            if found is not None:
                said.add(column.name)
                yield found

    @staticmethod
    def orphans(subject: Subject, column: str, table: str, key: str) -> Finding | None:
        there = f"FROM {table_sql(table).sql('duckdb')} WHERE {quoted(key)} IS NOT NULL"
        rows, distinct = subject.query(f"SELECT count(*), count(DISTINCT {quoted(key)}) {there}")[0]
        if not rows or distinct < rows:
            return None
        rule = Rule("foreign_key", column=column, ref=f"{table}.{key}")
        absent = subject.disguised.get(column, frozenset())
        where = ForeignKey().broken(rule, subject.columns).sql("duckdb")
        if absent:
            where = f"({where} AND NOT {subject.is_one_of(column, sorted(absent))})"
        orphans, filled = subject.count(where), subject.stats[column].filled
        if not 0 < orphans <= ORPHANS * filled or filled - orphans < FEWEST:
            return None
        own = quoted(column)
        values = [r[0] for r in subject.query(
            f"SELECT DISTINCT {own} FROM {subject.sql} WHERE {where} ORDER BY {own} LIMIT 5")]  # fmt: skip
        evidence = f"{subject.so_many(orphans, column)} have no row in {table} ({key}), e.g. {shown(values)}."
        return subject.finding("orphan", column, orphans, evidence, where=where, confidence=0.8, samples=map(str, values),
                               mend=mend.guard(subject.table, rule))  # fmt: skip


def parents(
    snapshot: Snapshot,
    names: Iterable[str],
    opened: Callable[[str], Snapshot],
    read: Iterable[str] = (),
    look: bool = True,
) -> dict[str, Snapshot]:
    """The tables that a check of `snapshot` reads beside it: those that its foreign keys `read`, and where detectors `look`
    those with a key that one of its columns seems to name. A table that can't be opened is passed over unless it is `read`.
    """
    wanted, known = set(read), list(names)
    out = {n: opened(n) for n in known if n in wanted}
    said = {singular(w) for c in snapshot.columns for w in words(c.name)}
    for name in known[:MOST_TABLES] if look else ():
        schema, rest = split_table(name)
        if name in out or schema == "quarantine" or rest == split_table(snapshot.table)[1]:
            continue
        if not said & {singular(w) for w in words(rest)[-1:]}:
            continue
        try:
            other = opened(name)
        except IntendantError:
            continue
        if next(candidates(snapshot.table, snapshot.columns, {name: other}), None) is not None:
            out[name] = other
    return out


def candidates(
    table: str, columns: Sequence[Column], others: Mapping[str, Snapshot]
) -> Iterator[tuple[Column, str, str]]:
    """(column, other table, its key) where the names say that the column points there; published tables first."""
    for name in sorted(others, key=lambda n: (split_table(n)[0] != "main", n)):
        if name == table or split_table(name)[1] == split_table(table)[1]:
            continue
        for column in columns:
            for key in others[name].columns:
                if like(column, key) and points(words(column.name), words(split_table(name)[1]), words(key.name)):
                    yield column, name, key.name


def points(column: Sequence[str], table: Sequence[str], key: Sequence[str]) -> bool:
    """Whether `customer_id` points to `customers.id` or `customers.customer_id`."""
    if not column or not key or key[-1] not in ENDS or column[-1] not in ENDS:
        return False
    noun = [singular(w) for w in table]
    if len(key) == 1:
        return list(column[:-1]) in (noun, noun[-1:]) and column[-1] == key[-1]
    return column == key and [singular(w) for w in key[:-1]][-1:] == noun[-1:]


def like(a: Column, b: Column) -> bool:
    kinds = {kind_of_type(a.type), kind_of_type(b.type)}
    return len(kinds) == 1 and kinds <= {"number", "text"}


def words(name: str) -> list[str]:
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches")) else word[:-1] if word.endswith("s") else word
