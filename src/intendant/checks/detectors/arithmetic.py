"""A number that is the sum, difference or product of others in nearly all rows, and the few rows in which it isn't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.quantity import Quantity, numbers, predicate, quick, regular, rule
from intendant.checks.relation import HOLDS, Cells, Relation, fits, related
from intendant.checks.subject import Subject
from intendant.engines.base import quoted
from intendant.language.expression import Binary, Call, Case, Col, Expr, Literal, print_expression
from intendant.types import Finding

__all__ = ["Arithmetic"]

MOST_RELATIONS, MOST_FINDINGS = 30, 10
SURE = 0.99
"""A relation that holds in this share of the rows is hardly a habit."""


@dataclass(frozen=True)
class Broken:
    """`rows` of the `known` ones that have all columns break a relation; `quick` is true for the same rows as `where`."""

    relation: Relation
    condition: Expr
    where: str
    quick: str
    rows: int
    known: int


class Arithmetic(Detector):
    name = "arithmetic"
    summary = "Numbers that are a sum, difference or product of other columns in nearly all rows, but not in a few."
    example = "3 values of total are not net + tax: check t for that abs(total - (net + tax)) <= 0.015 on failure ..."

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows:
            return
        quantities = {q.name: q for q in numbers(subject)}
        cells = {name: q.at for name, q in quantities.items()}
        single = frozenset(name for name, q in quantities.items() if q.column.type.upper() == "FLOAT")
        told: list[Broken] = []
        relations = upstream(related(cells, single, subject.settings.min_rows)[:MOST_RELATIONS])
        for broken in counted(subject, relations, quantities):
            if exempt(subject, broken.relation, cells) or implied(subject, broken, told):
                continue
            told.append(broken)
            yield result(subject, broken)
            if len(told) == MOST_FINDINGS:
                return


def counted(subject: Subject, relations: Sequence[Relation], quantities: Mapping[str, Quantity]) -> list[Broken]:
    """Those that some rows of the whole table break, but few; all of them in one pass."""
    conditions = [within(r, quantities) for r in relations]
    wheres = [predicate(subject, rule(c)) for c in conditions]
    tests = [quick(subject, w, (quantities[n] for n in r.columns)) for r, w in zip(relations, wheres, strict=True)]
    shown = [f"count(*) FILTER (WHERE {quicker}), count({loose})" for loose, quicker in tests]
    row = subject.query(f"SELECT {', '.join(shown)} FROM {subject.sql}")[0] if shown else ()
    counts = [(int(rows), int(known)) for rows, known in zip(row[::2], row[1::2], strict=True)]
    every = zip(relations, conditions, wheres, tests, counts, strict=True)
    return [
        Broken(r, condition, where, quicker, rows, known)
        for r, condition, where, (_, quicker), (rows, known) in every
        if 0 < rows <= (1 - HOLDS) * known
    ]


def upstream(relations: Sequence[Relation]) -> list[Relation]:
    """What others are computed from comes before them: a wrong tax is told as that, not as a wrong total."""

    def depth(target: str, above: frozenset[str]) -> int:
        inputs = {n for r in relations if r.target == target for n in r.columns[1:]} - above
        return 1 + max((depth(n, above | {n}) for n in inputs), default=0)

    return sorted(relations, key=lambda r: depth(r.target, frozenset({r.target})))


def within(r: Relation, quantities: Mapping[str, Quantity]) -> Expr:
    """The condition that the relation holds, up to rounding."""
    target, value = computed(Col(r.target), quantities), computed(r.value, quantities)
    if not r.within:
        return Binary("=", target, value)
    return Binary("<=", Call("abs", (Binary("-", target, value),)), Literal(repr(r.within), "number"))


def computed(value: Expr, quantities: Mapping[str, Quantity]) -> Expr:
    """With each column as the number it stands for, of a type that can't overflow."""
    if isinstance(value, Binary):
        return Binary(value.op, computed(value.left, quantities), computed(value.right, quantities))
    if not isinstance(value, Col):
        return value
    q = quantities[value.name]
    return q.value if q.column.type.upper() == "DOUBLE" or isinstance(q.value, Case) else Call("number", (q.value,))


def exempt(subject: Subject, r: Relation, cells: Cells) -> bool:
    known, right = fits(r, cells)
    return regular(subject, known & ~right, r.columns)


def implied(subject: Subject, b: Broken, told: Sequence[Broken]) -> bool:
    """Whether all its rows break relations about its columns that are told already."""
    near = [t.quick for t in told if set(t.relation.columns) & set(b.relation.columns)]
    others = " OR ".join(f"coalesce({w}, false)" for w in near)
    return bool(near) and not subject.count(f"{b.quick} AND NOT ({others})")


def result(subject: Subject, b: Broken) -> Finding:
    target, *inputs = b.relation.columns
    shown = ", ".join(f"CAST({quoted(n)} AS VARCHAR)" for n in b.relation.columns)
    given = subject.query(f"SELECT {shown} FROM {subject.sql} WHERE {b.quick} LIMIT 5")
    samples = [dict(zip(b.relation.columns, row, strict=True)) for row in given]
    beside = " and ".join(", ".join(f"{n} is {samples[0][n]}" for n in inputs).rsplit(", ", 1))
    evidence = (
        f"{subject.so_many(b.rows, target)} are not {print_expression(b.relation.value)}, which holds in the other"
        f" {b.known - b.rows} rows that have all of them, e.g. {samples[0][target]} where {beside};"
        " any of these cells may be the wrong one, so the mend sets the rows aside and computes nothing anew."
    )
    return subject.finding(
        "arithmetic",
        target,
        b.rows,
        evidence,
        where=b.where,
        confidence=0.85 if b.known - b.rows >= SURE * b.known else 0.7,
        mend=mend.guard(subject.table, rule(b.condition)),
        samples=samples,
    )
