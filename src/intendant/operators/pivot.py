"""Rows to columns: the values of one column become columns, each with the aggregates of its rows.

The columns that come out depend on what the table holds, so they are either said or read from the tables as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlglot import exp

from intendant.errors import LanguageError
from intendant.language.expression import HARD, Col, In, Literal, parse_expression
from intendant.language.lexer import quote_name
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.operators.group import aggregate, default_name, used
from intendant.types import Column, Step

__all__ = ["Pivot"]

MOST_COLUMNS = 200
Value: TypeAlias = tuple[str, exp.Expression]
"""A new column's name and the condition of its rows."""


class Pivot(Operator):
    verb = "pivot"
    form = "pivot <column:column> [in <values:list>] : <aggregates:aggregates> [by <keys:columns>]"
    summary = (
        "Turn the values of a column into columns that hold the aggregates of their rows: one row per key, or one row "
        "of the whole table. `in` says which values; without it, those that the table holds now."
    )
    example = "query readings pivot metric in ('temperature', 'humidity'): avg value by device_id"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        keys = [self.column(n, relation, scope).name for n in step.get("keys") or ()]
        aggregates = step.args["aggregates"]
        values = self.values(step, column, relation, scope)
        self.few(len(values) * len(aggregates), column, scope)
        shown: list[exp.Expression] = [column_sql(k) for k in keys]
        names = list(keys)
        for value, test in values:
            for function, over, alias in aggregates:
                alone = len(aggregates) == 1 and not alias
                names.append(value if alone else f"{value}_{alias or default_name(function, over)}")
                made = aggregate(function, over, relation, scope, test.copy())
                shown.append(exp.alias_(made, names[-1], quoted=True))
        self.no_clash(names, scope, f"Rename the key, or make the values of {column.name!r} alike, e.g. with `lower`.")
        query = select_from(relation, *shown)
        if keys:
            query = query.group_by(*(column_sql(k) for k in keys), copy=False)
        return Relation(query, scope.describe(query))

    def values(self, step: Step, column: Column, relation: Relation, scope: Scope) -> list[Value]:
        if step.get("values"):
            return [self.said(v, column, relation, scope) for v in dict.fromkeys(step.args["values"])]
        text = exp.cast(column_sql(column.name), "TEXT")
        found = scope.values(self.distinct(column, relation))
        if not found:
            shown, said = quote_name(column.name, HARD), "transpose by" if step.verb == "transpose" else "pivot"
            why = "the table has no rows" if found is not None else "the rows are only known when the step runs"
            raise LanguageError(
                f"the columns of `{said} {shown}` can't be known: {why}",
                where=scope.where,
                hint=f"Say the values: `{said} {shown} in ('a', 'b')`.",
            )
        return [
            (named(v), is_null(column) if v is None else exp.EQ(this=text.copy(), expression=exp.Literal.string(v)))
            for v in found
        ]

    def said(self, text: str, column: Column, relation: Relation, scope: Scope) -> Value:
        value = parse_expression(text)
        assert isinstance(value, Literal), "a list holds values only"
        if value.kind == "null":
            return "null", is_null(column)
        return named(value.value), self.compiler(relation, scope).condition(In(Col(column.name), (value,)))

    def distinct(self, column: Column, relation: Relation) -> exp.Expression:
        """The values as text, in their own order, one more than there may be."""
        own = column_sql(column.name)
        query = select_from(relation, exp.cast(own, "TEXT")).group_by(exp.cast(own.copy(), "TEXT"), copy=False)
        least = exp.Ordered(this=exp.Min(this=own.copy()), nulls_first=False)
        return query.order_by(least, copy=False).limit(exp.Literal.number(MOST_COLUMNS + 1), copy=False)

    def few(self, count: int, column: Column, scope: Scope) -> None:
        if count > MOST_COLUMNS:
            raise LanguageError(
                f"`pivot` would make more than {MOST_COLUMNS} columns of the values of {column.name!r}",
                where=scope.where,
                hint=f"Say which values: `pivot {quote_name(column.name, HARD)} in ('a', 'b'): ...`, or use `group by`.",
            )

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        folded = {k.lower() for k in step.get("keys") or ()}
        made = [c for c in columns if c.lower() not in folded]
        aggregates = step.args["aggregates"]
        out: dict[str, tuple[str, ...]] = {}
        for i, name in enumerate(made):
            over = aggregates[i % len(aggregates)][1]
            out[name] = tuple(dict.fromkeys((*used(over), step.args["column"])))
        return out


def is_null(column: Column) -> exp.Expression:
    return exp.Is(this=column_sql(column.name), expression=exp.Null())


def named(value: str | None) -> str:
    """The column of a value; a missing one is "null", an empty text "empty"."""
    return "null" if value is None else value or "empty"
