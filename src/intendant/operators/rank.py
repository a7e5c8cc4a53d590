"""Number the rows in an order."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.operators._window import added, origins, seen, windowed
from intendant.operators.base import Operator, Relation, Scope
from intendant.operators.sort import order_by
from intendant.types import Step

__all__ = ["Rank"]

FUNCTIONS = {"rank": "RANK", "dense rank": "DENSE_RANK"}


class Rank(Operator):
    verb = "rank"
    form = "(rank|dense rank|row number):how by <keys:order> [per <per:columns>] as <name:name>"
    summary = (
        "Add each row's place in an order, of the table or of its group. Equal rows share a `rank` and leave a gap "
        "(1, 1, 3), `dense rank` leaves none (1, 1, 2), `row number` tells them apart (1, 2, 3). Missing values come last."
    )
    example = "transform sales rank by revenue descending per region as region_rank"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        return added(relation, scope, {step.args["name"]: self.place(step, relation, scope)})

    def place(self, step: Step, relation: Relation, scope: Scope) -> exp.Expression:
        how = step.args["how"]
        if how == "row number":
            return seen(exp.RowNumber(), step, relation, scope)
        per = [self.column(n, relation, scope).name for n in step.get("per") or ()]
        return windowed(exp.Anonymous(this=FUNCTIONS[how]), per, order_by(step.args["keys"], relation, scope))

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return origins(step, ())
