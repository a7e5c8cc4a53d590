"""Clean text: blanks around it, its case."""

from __future__ import annotations

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Trim"]


class Trim(Operator):
    verb = "trim"
    form = "(trim|upper|lower):how <columns:columns>"
    summary = "`trim` removes blanks around the text of these columns, `upper` and `lower` change its case."
    example = "transform customers trim email lower email"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        changes = {}
        for name in step.args["columns"]:
            column = self.column(name, relation, scope)
            if kind_of_type(column.type) != "text":
                raise TypeMismatch(
                    f"`{step.args['how']}` needs text; {column.name!r} is {column.type}",
                    where=scope.where,
                    hint=f"Cast it first: `cast {column.name} to text`.",
                )
            changes[column.name] = exp.func(step.args["how"].upper(), column_sql(column.name), dialect="duckdb")
        return self.replaced(relation, scope, changes)
