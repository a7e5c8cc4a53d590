"""What a format of others is: rules out as its text, its document in as rules, and the name of whatever doesn't fit.

To add a format, write one file in this folder with one class and name it in `contracts/__init__.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from intendant.errors import LanguageError, UnknownName, did_you_mean
from intendant.language.expression import parse_expression, print_expression
from intendant.language.to_sql import Compiler
from intendant.types import Column, Json, Rule, split_table

__all__ = [
    "Exported", "Format", "Imported", "LeftOut", "Read", "anchored", "chosen", "condition_sql", "expression_rule",
    "full_match", "listed", "range_rules", "short_name", "simple", "values_rule",
]  # fmt: skip

Read: TypeAlias = "tuple[Rule, ...] | str"
"""The rules that an entry of a file says, or why it can't be said as a rule."""


@dataclass(frozen=True)
class LeftOut:
    """What wasn't carried over, and why; `line` is its place in the file, 0 when it isn't known."""

    what: str
    why: str
    line: int = 0

    def as_dict(self) -> dict[str, Json]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Exported:
    text: str
    left_out: tuple[LeftOut, ...] = ()


@dataclass
class Imported:
    """The rules of one table in a file, in its order; each once."""

    rules: list[Rule] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, read: Read, what: str, line: int = 0) -> None:
        if isinstance(read, str):
            self.left_out.append(LeftOut(what, read, line))
        else:
            self.rules += [r for r in read if r not in self.rules]


class Format(ABC):
    """A format of others. `name` is what a person says for it."""

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def recognises(self, document: Mapping[str, Json]) -> bool:
        """Whether a file's document is of this format."""

    @abstractmethod
    def write(self, table: str, columns: Sequence[Column], rules: Sequence[Rule]) -> Exported:
        """The rules as a file of this format."""

    @abstractmethod
    def read(self, document: Mapping[str, Json], table: str) -> Imported:
        """The rules that a document says about the table. Raises UnknownName when it is about others only."""


def short_name(table: str) -> str:
    """The name that other tools know a table by: without `staging.`."""
    return split_table(table)[1]


def listed(value: Json) -> list[Json]:
    """A list of the file; [] for anything else."""
    return value if isinstance(value, list) else []


def chosen(names: Iterable[str], table: str, where: str) -> str:
    """Which of a file's tables is meant: the one of the same name, or the only one. Raises UnknownName."""
    known = list(dict.fromkeys(names))
    same = [n for n in known if n.lower() in (table.lower(), short_name(table).lower())]
    if same or len(known) == 1:
        return (same or known)[0]
    raise UnknownName(
        f"the file says nothing about {table!r}",
        where=where,
        hint=did_you_mean(table, known, "table in it"),
        name=table,
    )


def simple(value: Json) -> bool:
    """Whether a value of a file can stand in a rule."""
    return isinstance(value, str | int | float | bool)


def values_rule(column: str, values: Json) -> Read:
    """Values from a list; a missing one in it says nothing, since no rule but `not null` is broken by it."""
    if not isinstance(values, list) or not all(v is None or simple(v) for v in values):
        return "its values are no list of plain values"
    kept = tuple(v for v in values if v is not None)
    return (Rule("allowed_values", column=column, values=kept),) if kept else "its list of values is empty"


def range_rules(column: str, low: Json, high: Json, low_open: bool = False, high_open: bool = False) -> Read:
    """A range as one rule, or as two where a bound is exclusive beside another one."""
    for value in (low, high):
        if value is not None and (isinstance(value, bool) or not simple(value)):
            return f"the bound {value!r} is no number and no date"
    if low is None and high is None:
        return "it has no bound"
    if low is not None and high is not None and not (low_open or high_open):
        return (Rule("range", column=column, min=low, max=high),)
    out = []
    if low is not None:
        out.append(Rule("range", column=column, min=low, min_exclusive=True if low_open else None))
    if high is not None:
        out.append(Rule("range", column=column, max=high, max_exclusive=True if high_open else None))
    return tuple(out)


def expression_rule(text: Json) -> Read:
    """A condition in SQL as a condition of the language, where it is one of both."""
    try:
        return (Rule("expression", expression=print_expression(parse_expression(str(text)))),)
    except LanguageError as e:
        return f"its SQL is no expression of the intent language: {e.message}"


def condition_sql(rule: Rule, columns: Sequence[Column]) -> str:
    """The SQL of an `expression` rule's condition."""
    sql: str = Compiler(columns).condition(parse_expression(str(rule.expression))).sql("duckdb")
    return sql


def anchored(regex: str) -> str:
    """A regular expression that is searched for, from one that must match the whole text."""
    return f"^(?:{regex})$" if scanned(regex)[0] or wrapped(regex) else f"^{regex}$"


def full_match(regex: str) -> str:
    """A regular expression that must match the whole text, from one that is searched for."""
    inner = regex[1:-1]
    if regex.startswith("^") and regex.endswith("$") and not re.search(r"(?<!\\)(\\\\)*\\\Z", inner):
        if wrapped(inner):
            return inner[3:-1]
        if not scanned(inner)[0]:
            return inner
    return f"(?s).*(?:{regex}).*"


def wrapped(regex: str) -> bool:
    """Whether one group `(?:...)` is around everything."""
    return regex.startswith("(?:") and scanned(regex)[1] == len(regex) - 1


def scanned(regex: str) -> tuple[bool, int]:
    """(whether a | stands outside of all groups, where the first group closes)."""
    depth, bar, closes, at, in_class = 0, False, -1, 0, False
    while at < len(regex):
        c = regex[at]
        if c == "\\":
            at += 1
        elif in_class:
            in_class = c != "]"
        elif c == "[":
            in_class = True
            at += regex[at + 1 : at + 3].startswith("^]") * 2 or regex[at + 1 : at + 2] == "]"
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
            if depth == 0 and closes < 0:
                closes = at
        elif c == "|" and depth == 0:
            bar = True
        at += 1
    return bar, closes
