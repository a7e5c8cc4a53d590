"""What an operator of `transform` and `query` is: a relation in, a relation out, as SQL trees; nothing runs here.

To add an operator, write one file in this folder with one class that has `verb`, `form` and `apply`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.expression import parse_expression
from intendant.language.guard import Guard
from intendant.language.to_sql import Compiler, column_sql, find_column, kind_of_type
from intendant.types import Column, Step

__all__ = ["Operator", "Relation", "Scope", "free", "select_from", "table_sql"]


@dataclass(frozen=True)
class Relation:
    """A query and the columns it gives. `order` survives operators that keep the order of rows."""

    query: exp.Expression
    columns: tuple[Column, ...]
    ordered: bool = False

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]


@dataclass(frozen=True)
class Scope:
    """What an operator may look at: tables' columns, the engine's typing of a query, and values where columns are made of them."""

    table: Callable[[str], tuple[Column, ...]]
    describe: Callable[[exp.Expression], tuple[Column, ...]]
    where: str = ""
    values: Callable[[exp.Expression], tuple[str | None, ...] | None] = lambda query: None
    """The first column of a query over the tables as they are now; None where their rows can't be known yet."""
    guards: list[Guard] | None = None
    """Where the tests of rows without a value are put; expressions are then NULL there. None lets the engine stop at them."""


def table_sql(name: str) -> exp.Table:
    """A table of the lake as an SQL table: main."orders", staging."orders"."""
    from intendant.types import split_table

    schema, rest = split_table(name)
    return exp.Table(this=exp.Identifier(this=rest, quoted=True), db=exp.Identifier(this=schema, quoted=True))


def select_from(relation: Relation, *expressions: exp.Expression) -> exp.Select:
    """SELECT expressions (all columns when none) FROM (relation)."""
    inner = relation.query
    source: exp.Expression = (
        inner
        if isinstance(inner, exp.Table)
        else exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("t")))
    )
    shown = list(expressions) or [column_sql(n) for n in relation.names]
    return exp.Select(expressions=shown).from_(source, copy=False)


def free(wanted: str, taken: Iterable[str]) -> str:
    """`wanted`, with underscores added until none of the taken names is like it; case makes no difference."""
    folded = {n.lower() for n in taken}
    while wanted.lower() in folded:
        wanted += "_"
    return wanted


class Operator(ABC):
    """One operator. `apply` raises UnknownName or TypeMismatch when the step doesn't fit the relation."""

    verb: ClassVar[str]
    form: ClassVar[str]
    summary: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        """The relation after this operator."""

    def reads(self, step: Step) -> tuple[str, ...]:
        """Further tables that the step reads."""
        return ()

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
        """Column lineage: the input columns of each of the output `columns`; one that isn't told comes from its namesake.

        `before` are the input's columns.
        """
        return None

    def shares(self, step: Step, theirs: Sequence[str]) -> dict[str, str]:
        """Column lineage, of an operator that reads another table: output columns whose values come from a column of that
        table (one of `theirs`) as well."""
        return {}

    @staticmethod
    def column(name: str, relation: Relation, scope: Scope) -> Column:
        return find_column(name, relation.columns, scope.where)

    @staticmethod
    def compiler(relation: Relation, scope: Scope) -> Compiler:
        return Compiler(relation.columns, scope.where, scope.guards)

    @staticmethod
    def numeric(column: Column, scope: Scope, what: str) -> None:
        if kind_of_type(column.type) != "number":
            raise TypeMismatch(
                f"{what} needs a number; {column.name!r} is {column.type}",
                where=scope.where,
                hint=f"Cast it first: `cast {column.name} to number`.",
            )

    @staticmethod
    def expression(text: str, relation: Relation, scope: Scope) -> exp.Expression:
        return Compiler(relation.columns, scope.where, scope.guards).sql(parse_expression(text))

    @staticmethod
    def replaced(relation: Relation, scope: Scope, changes: dict[str, exp.Expression]) -> Relation:
        """The relation with some columns computed anew, under their names."""
        shown = [exp.alias_(changes[n], n, quoted=True) if n in changes else column_sql(n) for n in relation.names]
        query = select_from(relation, *shown)
        return Relation(query, scope.describe(query), relation.ordered)

    @staticmethod
    def added(relation: Relation, scope: Scope, new: Mapping[str, exp.Expression]) -> Relation:
        """The relation with columns behind the others; one whose name exists is computed anew where it stands."""
        standing = {n.lower(): n for n in relation.names}
        changes = {standing[n.lower()]: e for n, e in new.items() if n.lower() in standing}
        shown = [exp.alias_(changes[n], n, quoted=True) if n in changes else column_sql(n) for n in relation.names]
        shown += [exp.alias_(e, n, quoted=True) for n, e in new.items() if n.lower() not in standing]
        query = select_from(relation, *shown)
        return Relation(query, scope.describe(query), relation.ordered)

    @staticmethod
    def no_clash(names: Sequence[str], scope: Scope, hint: str = "Choose another name.") -> None:
        """Raises LanguageError when two columns would have one name; case makes no difference."""
        folded = [n.lower() for n in names]
        twice = next((n for i, n in enumerate(names) if n.lower() in folded[:i]), None)
        if twice is not None:
            raise LanguageError(f"two columns would be named {twice!r}", where=scope.where, hint=hint)
