"""Add a column computed from others, or compute an existing one anew."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.language.expression import columns_of, parse_expression
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Derive"]


class Derive(Operator):
    verb = "derive"
    form = "derive <name:name> = <value:expr>"
    summary = "Add a column computed from others; a name that exists is computed anew."
    example = "transform orders derive total_revenue = price * quantity"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        value = self.expression(step.args["value"], relation, scope)
        return self.added(relation, scope, {step.args["name"]: value})

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        used = tuple(dict.fromkeys(c.name for c in columns_of(parse_expression(step.args["value"]))))
        out: dict[str, tuple[str, ...]] = {c: (c,) for c in columns}
        out[step.args["name"]] = used
        return out
