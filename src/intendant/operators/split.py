"""A text to its parts, each in a column of its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Split"]


class Split(Operator):
    verb = "split"
    form = "split <column:column> by <separator:text> as <parts:columns>"
    summary = (
        "Add a text column for each part of a text; a part that isn't there is missing, parts beyond the names are left "
        "out. The text itself stays."
    )
    example = "transform customers split full_name by ' ' as first_name, last_name"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        names, separator = step.args["parts"], step.args["separator"]
        if kind_of_type(column.type) != "text":
            raise TypeMismatch(
                f"`split` needs text; {column.name!r} is {column.type}",
                where=scope.where,
                hint=f"Cast it first: `cast {column.name} to text`.",
            )
        if not separator:
            raise LanguageError("`split` needs something to split by", where=scope.where, hint="Say it, e.g. `by ','`.")
        self.no_clash([column.name, *names], scope)
        pieces = exp.Anonymous(
            this="STRING_SPLIT",
            expressions=[exp.cast(column_sql(column.name), "TEXT"), exp.Literal.string(separator)],
        )
        new: dict[str, exp.Expression] = {
            name: exp.Anonymous(this="LIST_EXTRACT", expressions=[pieces.copy(), exp.Literal.number(i)])
            for i, name in enumerate(names, 1)
        }
        return self.added(relation, scope, new)

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(step.args["parts"], (step.args["column"],))
