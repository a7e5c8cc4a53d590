"""Remove columns."""

from __future__ import annotations

from intendant.errors import LanguageError
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Drop"]


class Drop(Operator):
    verb = "drop_columns"
    form = "drop <columns:columns>"
    summary = "Remove these columns."
    example = "transform orders drop internal_note"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        gone = {self.column(n, relation, scope).name for n in step.args["columns"]}
        kept = tuple(c for c in relation.columns if c.name not in gone)
        if not kept:
            raise LanguageError("no column would be left", where=scope.where, hint="To remove the table: `drop TABLE`.")
        return Relation(select_from(relation, *(column_sql(c.name) for c in kept)), kept, relation.ordered)
