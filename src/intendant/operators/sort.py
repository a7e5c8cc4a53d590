"""Put the rows in order."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Sort", "order_by"]


def order_by(
    keys: Sequence[tuple[str, str]], relation: Relation, scope: Scope, *, flip: bool = False
) -> list[exp.Ordered]:
    """ORDER BY terms; missing values come last either way."""
    terms = []
    for name, direction in keys:
        column = Operator.column(name, relation, scope)
        terms.append(
            exp.Ordered(this=column_sql(column.name), desc=(direction == "descending") != flip, nulls_first=False)
        )
    return terms


class Sort(Operator):
    verb = "sort"
    form = "sort by <keys:order>"
    summary = "Put the rows in order; missing values come last."
    example = "query orders sort by amount descending, order_id"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        query = select_from(relation).order_by(*order_by(step.args["keys"], relation, scope), copy=False)
        return Relation(query, relation.columns, True)
