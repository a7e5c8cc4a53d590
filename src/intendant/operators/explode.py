"""A list in a cell to a row for each of its elements."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.guard import Guard, attempted, raises
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Column, Step

__all__ = ["Explode"]


class Explode(Operator):
    verb = "explode"
    form = "explode <column:column> [as <name:name>]"
    summary = (
        "One row for each element of a list, the other columns repeated; the element takes the list's place, under its "
        "name or another. Rows whose list is missing or empty go."
    )
    example = "transform orders explode items as item"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        name = step.get("name") or column.name
        self.no_clash([name, *(n for n in relation.names if n != column.name)], scope)
        element = exp.Anonymous(this="UNNEST", expressions=[self.listed(column, scope)])
        shown = [exp.alias_(element, name, quoted=True) if n == column.name else column_sql(n) for n in relation.names]
        query = select_from(relation, *shown)
        return Relation(query, scope.describe(query), relation.ordered)

    def listed(self, column: Column, scope: Scope) -> exp.Expression:
        if column.type.endswith("]"):
            return column_sql(column.name)
        if column.type == "JSON":
            cast = exp.Cast(this=column_sql(column.name), to=exp.DataType.build("JSON[]", dialect="duckdb"))
            if scope.guards is None:
                return cast
            scope.guards.append(Guard(column.name, "is no list", (column.name,), raises(cast)))
            return attempted(cast)
        hint = "Use a column that holds lists."
        if column.type == "VARCHAR":
            hint = (
                f"Where it holds JSON, cast it first: `cast {column.name} to json`; "
                f"else split it: `split {column.name} by ',' as first_part, second_part`."
            )
        raise TypeMismatch(f"`explode` needs a list; {column.name!r} is {column.type}", where=scope.where, hint=hint)

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {step.get("name") or step.args["column"]: (step.args["column"],)}
