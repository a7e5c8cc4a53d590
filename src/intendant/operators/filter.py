"""Keep the rows for which a condition is true."""

from __future__ import annotations

from intendant.language.expression import parse_expression
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Filter"]


class Filter(Operator):
    verb = "filter"
    form = "filter <condition:expr>"
    summary = "Keep the rows for which the condition is true."
    example = "transform orders filter status = 'paid' and amount > 0"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        condition = self.compiler(relation, scope).condition(parse_expression(step.args["condition"]))
        return Relation(select_from(relation).where(condition, copy=False), relation.columns, relation.ordered)
