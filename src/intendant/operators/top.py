"""The first rows by some order: the highest, the lowest, or just a few; of the table, or of each group."""

from __future__ import annotations

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators._window import ranked, windowed
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.operators.sort import order_by
from intendant.types import Step

__all__ = ["Top"]


class Top(Operator):
    verb = "top"
    form = "( (top|bottom):side <count:int> by <keys:order> [per <per:columns>] | first <count:int> )"
    summary = (
        "`top 5 by x` keeps the highest, `bottom 5 by x` the lowest, `first 5` the first rows as they are; "
        "with `per`, so many of each group. Missing values come last."
    )
    example = "query sales top 3 by revenue per region"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        if step.get("per"):
            return self.of_each(step, relation, scope)
        query = select_from(relation)
        if step.get("side"):
            flip = step.args["side"] == "top"
            query = query.order_by(*order_by(step.args["keys"], relation, scope, flip=flip), copy=False)
        query = query.limit(exp.Literal.number(step.args["count"]), copy=False)
        return Relation(query, relation.columns, bool(step.get("side")) or relation.ordered)

    def of_each(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        """The best of each group, group by group; rows equal in the order are told apart by their other columns."""
        per = [self.column(n, relation, scope).name for n in step.args["per"]]
        order = ranked(step.args["keys"], relation, scope, flip=step.args["side"] == "top")
        place = windowed(exp.RowNumber(), per, order)
        query = select_from(relation)
        query.set("qualify", exp.Qualify(this=exp.LTE(this=place, expression=exp.Literal.number(step.args["count"]))))
        groups = [exp.Ordered(this=column_sql(n), nulls_first=False) for n in per]
        query = query.order_by(*groups, *(o.copy() for o in order), copy=False)
        return Relation(query, relation.columns, True)
