"""A value's part of the whole."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators._window import added, origins, windowed
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Share"]


class Share(Operator):
    verb = "share"
    form = "share of <column:column> [per <per:columns>] as <name:name>"
    summary = (
        "Add a number's part of its sum, 0.25 for a quarter, over the table or its group; missing where the sum is 0."
    )
    example = "query revenue_by_region share of revenue as part"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        self.numeric(column, scope, "`share of`")
        per = [self.column(n, relation, scope).name for n in step.get("per") or ()]
        own = exp.cast(column_sql(column.name), "DOUBLE")
        whole = windowed(exp.Sum(this=own.copy()), per, ())
        part = exp.Div(this=own, expression=exp.Nullif(this=whole, expression=exp.Literal.number(0)))
        return added(relation, scope, {step.args["name"]: part})

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return origins(step, (step.args["column"],))
