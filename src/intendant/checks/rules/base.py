"""What a declared rule is: a sentence, the contract's shape of it, and an SQL predicate for the rows that break it.

To add a rule, write one file in this folder with one class that has `verb`, `form`, `rule`, `step` and `broken`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.expression import Literal, parse_expression
from intendant.language.to_sql import find_column, kind_of_type, literal_sql
from intendant.types import Column, Json, Rule, Snapshot, Step

if TYPE_CHECKING:
    from intendant.engines.base import Reader

__all__ = ["RuleKind", "bound", "literal_of", "plain"]


class RuleKind(ABC):
    """One kind of rule; `verb` is the `type` of the contract."""

    verb: ClassVar[str]
    form: ClassVar[str]
    summary: ClassVar[str]
    example: ClassVar[str]
    per_row: ClassVar[bool] = True
    """False for rules about the table as a whole: `broken` is then a condition over aggregates."""

    @abstractmethod
    def rule(self, step: Step) -> Rule:
        """The rule in the contract's shape."""

    @abstractmethod
    def step(self, rule: Rule) -> Step:
        """The step that would declare the rule."""

    @abstractmethod
    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        """The predicate that is true for a bad row (for the table, when not `per_row`).

        Missing values break only `not_null`. Raises UnknownName or TypeMismatch.
        """

    def tally(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        """The aggregate that counts the bad rows (for the table: 1 where it breaks the rule)."""
        broken = self.broken(rule, columns)
        if not self.per_row:
            return exp.cast(broken, "INT")
        return exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=broken))

    def reads(self, rule: Rule) -> tuple[str, ...]:
        """Other tables the rule looks at."""
        return ()

    def shows(self, rule: Rule, columns: Sequence[Column]) -> tuple[str, ...]:
        """The columns whose values are evidence for a broken rule."""
        return rule.columns or ((find_column(rule.column, columns).name,) if rule.column else ())

    def culprits(self, rule: Rule, columns: Sequence[Column], source: str) -> str:
        """SQL of the values in `source` that are evidence, where it is cheaper than by way of `broken`; "" where it isn't."""
        return ""

    def measured(self, rule: Rule, engine: Reader, table: str, tables: Mapping[str, Snapshot]) -> str:
        """What was found instead, for a broken rule about the table as a whole; a rule that can tell says more."""
        return "the table as a whole breaks it"

    @staticmethod
    def number_or_time(name: str, columns: Sequence[Column]) -> Column:
        column = find_column(name, columns)
        if kind_of_type(column.type) not in ("number", "time"):
            raise TypeMismatch(f"a range needs a number or a date; {name!r} is {column.type}",
                               hint=f"Cast it first: `transform ... cast {name} to number`.")
        return column


def plain(text: str) -> Json:
    """A literal of the language as JSON: numbers as numbers, dates as ISO text."""
    e = parse_expression(text)
    if not isinstance(e, Literal):
        raise TypeMismatch(f"`{text}` is no value", hint="Write a number, 'text' or date '2025-01-31'.")
    if e.kind == "number":
        return float(e.value) if any(c in e.value for c in ".eE") else int(e.value)
    if e.kind == "bool":
        return e.value == "true"
    return None if e.kind == "null" else e.value


def literal_of(value: Json, column: Column | None = None) -> Literal:
    """JSON back to a literal; text beside a date column is a timestamp."""
    if value is None:
        return Literal("null", "null")
    if isinstance(value, bool):
        return Literal("true" if value else "false", "bool")
    if isinstance(value, int | float):
        return Literal(repr(value), "number")
    timed = column is not None and kind_of_type(column.type) == "time"
    return Literal(str(value), "timestamp" if timed else "text")


def bound(value: Json, column: Column) -> exp.Expression:
    """A value to compare a column with. Raises TypeMismatch when the two are of different kinds."""
    literal = literal_of(value, column)
    kind, wanted = literal.kind, kind_of_type(column.type)
    if kind == "timestamp" and not re.match(r"\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d(:\d\d(\.\d+)?)?)?\Z", literal.value):
        raise TypeMismatch(f"{value!r} is no date; {column.name!r} is {column.type}",
                           hint="Write it as '2025-12-31' or '2025-12-31 18:00'.")
    if (kind, wanted) in {("text", "number"), ("text", "bool"), ("number", "text"), ("number", "time"),
                          ("number", "bool"), ("bool", "number"), ("bool", "text")}:
        raise TypeMismatch(f"{value!r} can't be compared with {column.name!r}, which is {column.type}",
                           hint="Quote text, leave numbers bare, or cast the column first.")
    return literal_sql(literal)
