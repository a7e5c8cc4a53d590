"""Keep one row per key: the newest, the oldest, or whichever comes first."""

from __future__ import annotations

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["DropDuplicates"]


class DropDuplicates(Operator):
    verb = "drop_duplicates"
    form = "drop duplicates [by <keys:columns> [keeping (newest|oldest):keep by <by:column>]]"
    summary = "Keep one row of equal ones; with a key, one row per key, the newest or oldest if said."
    example = "transform customers drop duplicates by customer_id keeping newest by updated_at"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        if not step.get("keys"):
            return Relation(select_from(relation).distinct(copy=False), relation.columns)
        keys = [column_sql(self.column(n, relation, scope).name) for n in step.args["keys"]]
        order = []
        if step.get("by"):
            by = self.column(step.args["by"], relation, scope)
            order = [exp.Ordered(this=column_sql(by.name), desc=step.args["keep"] == "newest", nulls_first=False)]
        rest = [
            exp.Ordered(this=column_sql(n)) for n in relation.names if not step.get("by") or n != order[0].this.name
        ]
        window = exp.Window(this=exp.RowNumber(), partition_by=keys, order=exp.Order(expressions=[*order, *rest]))
        query = select_from(relation)
        query.set("qualify", exp.Qualify(this=exp.EQ(this=window, expression=exp.Literal.number(1))))
        return Relation(query, relation.columns)
