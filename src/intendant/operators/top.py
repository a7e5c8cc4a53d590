"""The first rows by some order: the highest, the lowest, or just a few."""

from __future__ import annotations

from sqlglot import exp

from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.operators.sort import order_by
from intendant.types import Step

__all__ = ["Top"]


class Top(Operator):
    verb = "top"
    form = "( (top|bottom):side <count:int> by <keys:order> | first <count:int> )"
    summary = "`top 5 by x` keeps the highest, `bottom 5 by x` the lowest, `first 5` the first rows as they are."
    example = "query revenue_by_region top 5 by revenue"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        query = select_from(relation)
        if step.get("side"):
            flip = step.args["side"] == "top"
            query = query.order_by(*order_by(step.args["keys"], relation, scope, flip=flip), copy=False)
        query = query.limit(exp.Literal.number(step.args["count"]), copy=False)
        return Relation(query, relation.columns, bool(step.get("side")) or relation.ordered)
