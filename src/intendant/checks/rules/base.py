"""What a declared rule is: a sentence, the contract's shape of it, and an SQL predicate for the rows that break it.

To add a rule, write one file in this folder with one class that has `verb`, `form`, `rule`, `step` and `broken`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.expression import Literal, parse_expression
from intendant.language.to_sql import find_column, kind_of_type, literal_sql
from intendant.types import Column, Json, Rule, Step

__all__ = ["RuleKind", "literal_of", "plain"]


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

    def reads(self, rule: Rule) -> tuple[str, ...]:
        """Other tables the rule looks at."""
        return ()

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
    if isinstance(value, bool):
        return Literal("true" if value else "false", "bool")
    if isinstance(value, int | float):
        return Literal(repr(value), "number")
    timed = column is not None and kind_of_type(column.type) == "time"
    return Literal(str(value), "timestamp" if timed else "text")


def bound(value: Json, column: Column) -> exp.Expression:
    return literal_sql(literal_of(value, column))
