"""The rows of another table after ours, columns matched by name."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope, select_from, table_sql
from intendant.types import Column, Step

__all__ = ["Union"]


class Union(Operator):
    verb = "union"
    form = "union <table:table> [(distinct):distinct]"
    summary = "Add the rows of another table; columns are matched by name, absent ones are empty."
    example = "transform orders union order_archive into all_orders"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        theirs = {c.name.lower(): c for c in scope.table(step.args["table"])}
        ours = {c.name.lower(): c for c in relation.columns}
        for name in ours.keys() & theirs.keys():
            a, b = kind_of_type(ours[name].type), kind_of_type(theirs[name].type)
            if a != b:
                raise TypeMismatch(
                    f"{ours[name].name!r} is {ours[name].type} here and {theirs[name].type} there",
                    where=scope.where,
                    hint="Cast one of them first.",
                )
        columns = [*relation.columns, *(c for n, c in theirs.items() if n not in ours)]
        left = select_from(relation, *(shown(c, ours) for c in columns))
        other = Relation(table_sql(step.args["table"]), tuple(theirs.values()))
        right = select_from(other, *(shown(c, theirs) for c in columns))
        query = exp.union(left, right, distinct=bool(step.get("distinct")))
        return Relation(query, scope.describe(query))

    def shares(self, step: Step, theirs: Sequence[str]) -> dict[str, str]:
        return {name: name for name in theirs}

    def reads(self, step: Step) -> tuple[str, ...]:
        return (step.args["table"],)


def shown(column: Column, has: dict[str, Column]) -> exp.Expression:
    mine = has.get(column.name.lower())
    value: exp.Expression = (
        column_sql(mine.name) if mine else exp.cast(exp.Null(), exp.DataType.build(column.type, dialect="duckdb"))
    )
    return exp.alias_(value, column.name, quoted=True)
