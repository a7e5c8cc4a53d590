"""The value of the row before, behind, at the beginning or at the end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators._window import added, origins, seen
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Shift"]

FUNCTIONS = {"previous": "LAG", "next": "LEAD", "first": "FIRST_VALUE", "last": "LAST_VALUE"}


class Shift(Operator):
    verb = "shift"
    form = "(previous|next|first|last):side <column:column> by <keys:order> [per <per:columns>] as <name:name>"
    summary = (
        "Add a column's value of the row before (`previous`) or behind (`next`) in an order, missing where there is none, or "
        "of the `first` or `last` row of all."
    )
    example = "transform readings previous temperature by measured_at per sensor_id as temperature_before"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        value = exp.Anonymous(this=FUNCTIONS[step.args["side"]], expressions=[column_sql(column.name)])
        window = seen(value, step, relation, scope)
        if step.args["side"] in ("first", "last"):
            ends = {"start_side": "PRECEDING", "end_side": "FOLLOWING"}
            window.set("spec", exp.WindowSpec(kind="ROWS", start="UNBOUNDED", end="UNBOUNDED", **ends))
        return added(relation, scope, {step.args["name"]: window})

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return origins(step, (step.args["column"],))
