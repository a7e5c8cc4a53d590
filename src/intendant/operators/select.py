"""Keep some columns, in the order named."""

from __future__ import annotations

from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Select"]


class Select(Operator):
    verb = "select"
    form = "select <columns:columns>"
    summary = "Keep these columns, in this order."
    example = "transform orders select order_id, amount into slim_orders"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        kept = tuple(dict.fromkeys(self.column(n, relation, scope) for n in step.args["columns"]))
        return Relation(select_from(relation, *(column_sql(c.name) for c in kept)), kept, relation.ordered)
