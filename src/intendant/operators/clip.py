"""Hold numbers within bounds."""

from __future__ import annotations

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.expression import Literal, parse_expression, print_expression
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Clip"]


class Clip(Operator):
    verb = "clip"
    form = "clip <column:column> between <low:value> and <high:value>"
    summary = "Values below the lower bound become it, values above the upper bound become that; missing ones stay."
    example = "transform readings clip humidity between 0 and 100"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        self.numeric(column, scope, "`clip`")
        bounds = [parse_expression(step.args[k]) for k in ("low", "high")]
        wrong = next((b for b in bounds if not isinstance(b, Literal) or b.kind != "number"), None)
        if wrong is not None:
            raise TypeMismatch(
                f"`{print_expression(wrong)}` is no bound for numbers",
                where=scope.where,
                hint="Use numbers, e.g. 0 and 100.",
            )
        if float(step.args["low"]) > float(step.args["high"]):
            raise LanguageError(
                f"{step.args['low']} is above {step.args['high']}", where=scope.where, hint="Put the lower bound first."
            )
        low, high = (self.compiler(relation, scope).sql(b) for b in bounds)
        own = column_sql(column.name)
        value = exp.Case(
            ifs=[
                exp.If(this=exp.LT(this=own, expression=low), true=low.copy()),
                exp.If(this=exp.GT(this=own.copy(), expression=high), true=high.copy()),
            ],
            default=own.copy(),
        )
        return self.replaced(relation, scope, {column.name: value})
