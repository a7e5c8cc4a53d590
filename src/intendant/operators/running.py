"""Totals that grow row by row."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.operators._window import added, origins, seen
from intendant.operators.base import Operator, Relation, Scope
from intendant.operators.group import aggregate, used
from intendant.types import Step

__all__ = ["Running"]


class Running(Operator):
    verb = "running"
    form = "running (sum|avg|count|min|max):how <value:expr> by <keys:order> [per <per:columns>] as <name:name>"
    summary = "Add the sum, average, count, least or greatest of a value over this row and all before it in an order."
    example = "transform payments running sum amount by paid_on per customer_id as balance"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        value = aggregate(step.args["how"], step.args["value"], relation, scope)
        return added(relation, scope, {step.args["name"]: seen(value, step, relation, scope, frame=True)})

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return origins(step, used(step.args["value"]))
