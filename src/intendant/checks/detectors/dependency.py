"""One column that nearly always determines another, and the cells that break it.

Every cell is judged by a vote over all columns that determine its column, so a wrong city is told from a wrong zip.
Measure: the share of rows that disagree with their group's most frequent value (g3 of Kivinen and Mannila, 1995),
compared with the same after shuffling, since a column with one frequent value agrees with anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject
from intendant.engines.base import quoted, text
from intendant.language.expression import Binary, Case, Col, Expr, Literal
from intendant.language.to_sql import find_column, kind_of_type
from intendant.types import Column, Finding

__all__ = ["Codes", "Dependency", "Flags", "Grouped", "corrected", "grouped", "read", "selected"]

Codes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Flags: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"
MOST_PAIRS = 20_000
MISSING = -1
WITNESSES = 3
SURE = 0.8
ALONE, CLEAR = 0.9, 1.2
"""A group's value must have this share of its rows to overrule a cell; the second one where no other group agrees.
Votes against a cell must outweigh those for it by the third: a draw means that another cell of the row is wrong."""
LIFT = 0.35
"""A dependency leaves at most this share of the disagreement that chance would leave."""


@dataclass(frozen=True)
class Grouped:
    """Per row: the most frequent value of its group (-1 without one), that value's count, and the group's size."""

    best: Codes
    count: Codes
    size: Codes
    dissent: float


class Dependency(Detector):
    name = "dependency"
    summary = "Cells that disagree with what other columns determine: another city than all rows of that zip code."
    example = "city is 'gadsdn' where zip is '35903', elsewhere 'gadsden': transform t derive city = case ... end"

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows:
            return
        codes, names = read(subject)
        for name, by in self.edges(subject, codes, names).items():
            yield from self.broken(subject, find_column(name, subject.columns), by, codes, names)

    def edges(
        self, subject: Subject, codes: dict[str, Codes], names: dict[str, list[str]]
    ) -> dict[str, dict[str, Grouped]]:
        """Of every column the columns that determine it, up to a few rows."""
        columns = [find_column(n, subject.columns) for n in codes]
        total = len(next(iter(codes.values()), ()))
        left = [c for c in columns if 3 <= len(names[c.name]) <= total / 2]
        found: dict[str, dict[str, Grouped]] = defaultdict(dict)
        for a in left:
            for b in columns:
                if a is not b and (g := self.dependency(subject, codes[a.name], codes[b.name])):
                    found[b.name][a.name] = g
        return found

    @staticmethod
    def dependency(subject: Subject, a: Codes, b: Codes) -> Grouped | None:
        """The groups of `b` by `a`, when `a` determines `b` up to a few rows and by more than chance."""
        g = grouped(a, b)
        if g is None or g.dissent > subject.settings.dependency_dissent:
            return None
        shuffled = b.copy()
        there = b >= 0
        shuffled[there] = np.random.default_rng(0).permutation(b[there])
        chance = grouped(a, shuffled)
        return g if chance and g.dissent <= LIFT * chance.dissent and chance.dissent > 0.02 else None

    def broken(
        self,
        subject: Subject,
        column: Column,
        by: dict[str, Grouped],
        codes: dict[str, Codes],
        names: dict[str, list[str]],
    ) -> Iterator[Finding]:
        own = codes[column.name]
        against, for_it = np.zeros(len(own)), np.zeros(len(own))
        for a, g in by.items():
            share = np.where(g.size >= WITNESSES, g.count / np.maximum(g.size, 1), 0.0)
            dissents = (g.best >= 0) & (g.best != own) & (own >= 0)
            regular = explained(dissents, [c for n, c in codes.items() if n not in (a, column.name)])
            against += np.where((g.best >= 0) & (g.best != own) & (share >= SURE) & ~regular, share, 0)
            for_it += np.where(g.best == own, share, 0)
        suspect = (against > CLEAR * for_it) & (against >= ALONE)
        taken = np.zeros(len(own), bool)
        for a, g in sorted(by.items(), key=lambda p: p[1].dissent):
            share = g.count / np.maximum(g.size, 1)
            rows = suspect & ~taken & (g.best != own) & (g.best >= 0) & (share >= SURE) & (g.size >= WITNESSES)
            if rows.any():
                taken |= rows
                yield self.result(subject, find_column(a, subject.columns), column, codes, names, g, rows)

    @staticmethod
    def result(
        subject: Subject,
        a: Column,
        b: Column,
        codes: dict[str, Codes],
        names: dict[str, list[str]],
        g: Grouped,
        rows: Flags,
    ) -> Finding:
        wrong: dict[tuple[str, str | None], str] = {}
        for i in np.flatnonzero(rows):
            key = names[a.name][codes[a.name][i]]
            value = None if codes[b.name][i] < 0 else names[b.name][codes[b.name][i]]
            wrong[key, value] = names[b.name][g.best[i]]
            if len(wrong) >= MOST_PAIRS:
                break
        where = selected(subject, a, b, list(wrong))
        (key, value), best = next(iter(wrong.items()))
        found = subject.count(where)
        given = "missing" if value is None else repr(value)
        evidence = (
            f"{subject.so_many(found, b.name)} disagree with {a.name}, e.g. {given} where"
            f" {a.name} is {key!r}, elsewhere {best!r}."
        )
        return subject.finding(
            "dependency",
            b.name,
            found,
            evidence,
            where=where,
            confidence=0.75,
            mend=corrected(subject.table, a, b, wrong),
            samples=[{a.name: k, b.name: v} for k, v in list(wrong)[:5]],
        )


def read(subject: Subject) -> tuple[dict[str, Codes], dict[str, list[str]]]:
    """The subject's sample, each column as numbers from 0 (-1: missing), and the texts they stand for."""
    columns, rows = subject.sample()
    codes, names = {}, {}
    for i, c in enumerate(columns):
        known: dict[str, int] = {}
        column = [MISSING if (v := r[i]) is None else known.setdefault(v, len(known)) for r in rows]
        codes[c.name] = np.array(column, np.int64)
        names[c.name] = list(known)
    return codes, names


def grouped(a: Codes, b: Codes) -> Grouped | None:
    """The most frequent `b` of each row's `a`; None when too few rows are in groups of several witnesses."""
    there = (a >= 0) & (b >= 0)
    if not there.any():
        return None
    width = int(b.max()) + 1
    pairs, counts = np.unique(a[there] * width + b[there], return_counts=True)
    left, right = pairs // width, pairs % width
    groups = int(a.max()) + 1
    size = np.bincount(left, counts, groups).astype(np.int64)
    order = np.lexsort((right, counts))
    best, count = np.full(groups, -1, np.int64), np.zeros(groups, np.int64)
    best[left[order]], count[left[order]] = right[order], counts[order]
    heard = size >= WITNESSES
    witnesses = int(size[heard].sum())
    if witnesses < 0.3 * len(a) or heard.sum() < WITNESSES:
        return None
    dissent = 1 - int(count[heard].sum()) / witnesses
    at = np.where(a >= 0, a, 0)
    none = a < 0
    return Grouped(np.where(none, -1, best[at]), np.where(none, 0, count[at]), np.where(none, 0, size[at]), dissent)


def explained(dissents: Flags, others: list[Codes]) -> Flags:
    """Rows whose dissent is the rule for a value of another column (all of Alaska), so that it is no error."""
    out = np.zeros(len(dissents), bool)
    for codes in others:
        there = codes >= 0
        seen = np.bincount(codes[there])
        odd = np.bincount(codes[there], dissents[there], len(seen))
        exempt = (odd >= WITNESSES) & (odd >= SURE * seen)
        if exempt.any():
            out |= dissents & there & exempt[np.where(there, codes, 0)]
    return out


def as_text(column: Column) -> str:
    return quoted(column.name) if column.type == "VARCHAR" else f"CAST({quoted(column.name)} AS VARCHAR)"


def selected(subject: Subject, a: Column, b: Column, pairs: list[tuple[str, str | None]]) -> str:
    """The predicate for rows with one of these pairs of values; None is a missing one."""
    full = [f"({text(k)}, {text(v)})" for k, v in pairs if v is not None]
    gaps = [k for k, v in pairs if v is None]
    tests = [f"({as_text(a)}, {as_text(b)}) IN ({', '.join(full)})"] if full else []
    if gaps:
        tests.append(f"({subject.is_one_of(a.name, gaps)} AND {subject.missing(b)})")
    return "(" + " OR ".join(tests) + ")"


def literal(column: Column, value: str) -> Literal:
    kind = kind_of_type(column.type)
    if kind == "bool":
        return Literal(value.lower(), "bool")
    return Literal(value, {"number": "number", "time": "timestamp"}.get(kind, "text"))


def corrected(table: str, a: Column, b: Column, wrong: dict[tuple[str, str | None], str]) -> str:
    if len(wrong) > mend.MAX_CASES:
        return ""
    whens: list[tuple[Expr, Expr]] = [
        (
            Binary("=", Col(a.name), literal(a, k))
            if v is None
            else Binary("and", Binary("=", Col(a.name), literal(a, k)), Binary("=", Col(b.name), literal(b, v))),
            literal(b, best),
        )
        for (k, v), best in wrong.items()
    ]
    return mend.derived(table, b.name, Case(tuple(whens), Col(b.name)))
