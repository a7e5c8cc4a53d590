"""Remove the rows for which a condition is true; the opposite of `filter`, but what is unknown stays."""

from __future__ import annotations

from sqlglot import exp

from intendant.language.expression import parse_expression
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["DropRows"]


class DropRows(Operator):
    verb = "drop_rows"
    form = "drop rows where <condition:expr>"
    summary = (
        "Remove the rows for which the condition is true. Where it is unknown, since a value is missing, the row stays."
    )
    example = "transform orders drop rows where status = 'cancelled'"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        condition = self.compiler(relation, scope).condition(parse_expression(step.args["condition"]))
        stays = exp.Not(this=exp.Is(this=exp.paren(condition), expression=exp.Boolean(this=True)))
        return Relation(select_from(relation).where(stays, copy=False), relation.columns, relation.ordered)
