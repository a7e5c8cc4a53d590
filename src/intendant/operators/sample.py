"""Some of the rows, the same ones each time: chosen by a hash of what stands in them."""

from __future__ import annotations

from sqlglot import exp

from intendant.errors import LanguageError
from intendant.language.to_sql import column_sql
from intendant.operators._window import windowed
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Sample"]


class Sample(Operator):
    verb = "sample"
    form = "sample <count:int> (rows|percent):unit"
    summary = "Keep some rows, spread over the table and in no order; the same rows of the same table each time. Percents are rounded up."
    example = "query orders sample 10 percent"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        count = exp.Literal.number(step.args["count"])
        chance = exp.Ordered(this=exp.Anonymous(this="HASH", expressions=[column_sql(n) for n in relation.names]))
        query = select_from(relation)
        if step.args["unit"] == "rows":
            return Relation(query.order_by(chance, copy=False).limit(count, copy=False), relation.columns)
        if step.args["count"] > 100:
            raise LanguageError(
                f"{step.args['count']} percent is more than there is", where=scope.where, hint="Say 1 to 100 percent."
            )
        place, all_rows = windowed(exp.RowNumber(), (), (chance,)), windowed(exp.Count(this=exp.Star()), (), ())
        before = exp.Mul(
            this=exp.paren(exp.Sub(this=place, expression=exp.Literal.number(1))), expression=exp.Literal.number(100)
        )
        wanted = exp.Mul(this=all_rows, expression=count)
        query.set("qualify", exp.Qualify(this=exp.LT(this=before, expression=wanted)))
        return Relation(query, relation.columns)
