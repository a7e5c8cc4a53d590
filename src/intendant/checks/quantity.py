"""A column as numbers or moments: what it is worth in each sampled row, and the expression that says so in a sentence.

Text counts when nearly all of it is numbers, or dates written like 2025-01-31; the rest of it is then unknown.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np

from intendant.checks.detectors.dependency import WITNESSES, Flags
from intendant.checks.rules.expression import Expression
from intendant.checks.subject import Subject
from intendant.engines.base import quoted
from intendant.language.expression import Binary, Call, Case, Col, Expr, In, Literal, print_expression
from intendant.language.grammar import grammar
from intendant.language.to_sql import Compiler, kind_of_type
from intendant.types import Column, Rule

__all__ = ["Numbers", "Quantity", "moments", "numbers", "predicate", "quick", "regular", "rule", "whole_day", "words"]

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"

MOST_ROWS = 20_000
"""Columns are compared on so many rows of the sample."""
NEARLY = 0.95
"""Text is of a form when this share of what isn't missing has it."""
MOST_EXCEPTIONS = 5
"""Values that stand for nothing and that a sentence can name; a column with more of them is left alone."""
REGULAR_VALUES, REGULAR = 100, 0.5
"""A column of up to so many values explains exceptions: a value this share of whose rows are exceptions, and that for
this share of all exceptions."""

NUMERAL = "-?[0-9]+([.][0-9]+)?"
CODED = re.compile(r"-?0[0-9]+")
DAY, CLOCK = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-9]{2}"
MOMENTS = (
    DAY,
    f"{DAY} {CLOCK}",
    f"{DAY}T{CLOCK}",
    f"{DAY} {CLOCK}:[0-9]{{2}}([.][0-9]+)?",
    f"{DAY}T{CLOCK}:[0-9]{{2}}([.][0-9]+)?",
)
CODES = frozenset(
    "id key code codes zip plz postcode phone fax number nr no index lat lon lng latitude longitude isbn"
    " ean sku uuid guid ssn iban fips".split()
)
"""Last words in names of columns whose digits are no amount."""
ZONED = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class Quantity:
    """`at` is a number per sampled row, NaN where missing; moments are seconds. Equal `form`s compare as they stand."""

    column: Column
    form: str
    value: Expr
    at: Numbers
    read: Callable[[str], float]

    @property
    def name(self) -> str:
        return self.column.name


def numbers(subject: Subject) -> list[Quantity]:
    """The columns of numbers, without keys and codes."""
    out = []
    for column, values in sampled(subject):
        kind = kind_of_type(column.type)
        if kind not in ("number", "text") or column.name in subject.key or CODES & set(words(column.name)[-1:]):
            continue
        if kind == "text" and (not written(values, NUMERAL) or any(v and CODED.match(v) for v in values)):
            continue
        if (value := valued(subject, column, NUMERAL, "number")) is not None:
            out.append(Quantity(column, "number", value, worth(values, number), number))
    return out


def moments(subject: Subject) -> list[Quantity]:
    """The columns of dates and timestamps."""
    out = []
    for column, values in sampled(subject):
        kind = kind_of_type(column.type)
        form = column.type.upper() if kind == "time" else ""
        if kind == "text":
            form = next((f for f in MOMENTS if written(values, f)), "")
        if form and (value := valued(subject, column, form, "text")) is not None:
            out.append(Quantity(column, form, value, worth(values, moment), moment))
    return out


def sampled(subject: Subject) -> list[tuple[Column, list[str | None]]]:
    columns, rows = subject.sample()
    rows = rows[:: max(1, -(-len(rows) // MOST_ROWS))]
    return [(c, [r[i] for r in rows]) for i, c in enumerate(columns)]


def written(values: Iterable[str | None], form: str) -> bool:
    matches = re.compile(form).fullmatch
    found = [matches(v) is not None for v in values if v is not None]
    return bool(found) and sum(found) >= NEARLY * len(found)


def valued(subject: Subject, column: Column, form: str, cast: str) -> Expr | None:
    """What a column is worth, null where it isn't of the form or stands for nothing; None when that can't be said."""
    own, kind = Col(column.name), kind_of_type(column.type)
    absent = sorted(subject.disguised.get(column.name, ()))
    if kind == "text":
        test: Expr = Binary("matches", own, Literal(f"^{form}$", "text"))
        if listed := tuple(Literal(v, "text") for v in absent if re.fullmatch(form, v)):
            test = Binary("and", test, In(own, listed, negated=True))
        return Case(((test, Call("number", (own,)) if cast == "number" else own),)) if few(listed) else None
    literal, readable = ("number", r"-?\d+(\.\d+)?([eE][+-]?\d+)?") if kind == "number" else ("timestamp", r"[\d :.-]+")
    if not few(absent) or not all(re.fullmatch(readable, v) for v in absent):
        return None
    value: Expr = own
    for v in absent:
        value = Call("nullif", (value, Literal(v, literal)))
    if column.type.upper() in ("DOUBLE", "FLOAT") and subject.count(f"isnan({quoted(column.name)})"):
        value = Call("nullif", (value, Call("number", (Literal("nan", "text"),))))
    return value


def few(exceptions: Iterable[object]) -> bool:
    return sum(1 for _ in exceptions) <= MOST_EXCEPTIONS


def worth(values: Iterable[str | None], read: Callable[[str], float]) -> Numbers:
    cached = functools.lru_cache(maxsize=MOST_ROWS)(read)
    return np.array([math.nan if v is None else cached(v) for v in values], np.float64)


def number(value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def moment(value: str) -> float:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return math.nan
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def whole_day(q: Quantity, as_text: bool) -> Expr:
    """The day of a moment: as text beside columns that are text."""
    if not as_text:
        return q.value if q.form == "DATE" else Call("date_of", (q.value,))
    value = q.value if kind_of_type(q.column.type) == "text" else Call("text", (q.value,))
    return Call("left", (value, Literal("10", "number")))


def words(name: str) -> list[str]:
    """The words of a column's name, in small letters: createdAt and created_at are created, at."""
    return [w.lower() for w in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])", name)]


def rule(condition: Expr) -> Rule:
    return Rule("expression", expression=print_expression(condition, grammar().kinds.reserved))


def predicate(subject: Subject, rule: Rule) -> str:
    """The SQL predicate that is true for the rows that break the rule."""
    return f"({Expression().broken(rule, subject.columns).sql('duckdb')})"


def quick(subject: Subject, where: str, quantities: Iterable[Quantity]) -> tuple[str, str]:
    """A predicate that misses none of the rows, and one for exactly the rows, both sooner known where numbers are text."""
    loose = where
    for q in quantities:
        if kind_of_type(q.column.type) == "text":
            exact = Compiler(subject.columns).sql(q.value).sql("duckdb")
            own = quoted(q.name)
            loose = loose.replace(exact, f"TRY_CAST({own} AS DOUBLE)" if q.form == "number" else own)
    return loose, where if loose == where else f"CASE WHEN {loose} THEN {where} END"


def regular(subject: Subject, dissents: Flags, without: Iterable[str]) -> bool:
    """Whether most exceptions come with some value of another column that mostly makes one: they are a rule of their own."""
    if not dissents.any():
        return False
    for column, values in sampled(subject):
        if column.name in without or subject.stats[column.name].distinct > REGULAR_VALUES:
            continue
        seen, odd = Counter(values), Counter(v for v, d in zip(values, dissents.tolist(), strict=True) if d)
        explained = sum(n for v, n in odd.items() if n >= max(WITNESSES, REGULAR * seen[v]))
        if explained >= REGULAR * int(dissents.sum()):
            return True
    return False
