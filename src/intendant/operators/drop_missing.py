"""Drop rows that lack a value."""

from __future__ import annotations

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["DropMissing"]


class DropMissing(Operator):
    verb = "drop_missing"
    form = "drop missing [<columns:columns>]"
    summary = "Drop rows where one of these columns (any column when none is named) is missing."
    example = "transform orders drop missing customer_id"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        names = [self.column(n, relation, scope).name for n in step.get("columns") or relation.names]
        tests = [exp.Not(this=exp.Is(this=column_sql(n), expression=exp.Null())) for n in names]
        return Relation(select_from(relation).where(*tests, copy=False), relation.columns, relation.ordered)
