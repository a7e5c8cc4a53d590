"""One of each: rows, or values of some columns."""

from __future__ import annotations

from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Distinct"]


class Distinct(Operator):
    verb = "distinct"
    form = "distinct [<columns:columns>]"
    summary = "Keep one of equal rows; with columns, the distinct values of just these."
    example = "query orders distinct status"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        kept = tuple(self.column(n, relation, scope) for n in step.get("columns") or relation.names)
        query = select_from(relation, *(column_sql(c.name) for c in kept)).distinct(copy=False)
        return Relation(query, kept)
