"""Change a column's type; a value that doesn't fit stops the step, it never turns into NULL unseen."""

from __future__ import annotations

from sqlglot import exp

from intendant.language.to_sql import TYPE_NAMES, column_sql
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Cast"]


class Cast(Operator):
    verb = "cast"
    form = "cast <column:column> to <type:type>"
    summary = "Change a column's type. A value that doesn't fit stops the step and nothing is published."
    example = "transform orders cast quantity to integer"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        to = exp.DataType.build(TYPE_NAMES[step.args["type"]], dialect="duckdb")
        return self.replaced(relation, scope, {column.name: exp.Cast(this=column_sql(column.name), to=to)})
