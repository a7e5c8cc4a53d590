"""Give columns other names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Column, Step

__all__ = ["Rename"]


class Rename(Operator):
    verb = "rename"
    form = "rename <names:renames>"
    summary = "Give columns other names."
    example = "transform orders rename customer_id to cust_id"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        olds = [self.column(old, relation, scope).name for old, _ in step.args["names"]]
        again = next((n for n in olds if olds.count(n) > 1), None)
        if again:
            raise LanguageError(f"{again!r} is renamed twice", where=scope.where, hint="Name it once.")
        new = dict(zip(olds, (name for _, name in step.args["names"]), strict=True))
        columns = tuple(Column(new.get(c.name, c.name), c.type) for c in relation.columns)
        folded = [c.name.lower() for c in columns]
        twice = next((n for n in folded if folded.count(n) > 1), None)
        if twice:
            raise LanguageError(f"two columns would be named {twice!r}", where=scope.where, hint="Choose another name.")
        shown = [
            exp.alias_(column_sql(c.name), new[c.name], quoted=True) if c.name in new else column_sql(c.name)
            for c in relation.columns
        ]
        return Relation(select_from(relation, *shown), columns, relation.ordered)

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        back = {name: old for old, name in step.args["names"]}
        return {c: (back.get(c, c),) for c in columns}
