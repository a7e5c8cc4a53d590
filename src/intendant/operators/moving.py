"""Averages and sums over the last few rows."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.errors import LanguageError
from intendant.operators._window import added, origins, seen
from intendant.operators.base import Operator, Relation, Scope
from intendant.operators.group import aggregate, used
from intendant.types import Step

__all__ = ["Moving"]


class Moving(Operator):
    verb = "moving"
    form = "moving (avg|sum|min|max):how <value:expr> over <count:int> rows by <keys:order> [per <per:columns>] as <name:name>"
    summary = (
        "Add the average, sum, least or greatest of a value over this row and those before it, so many in all; "
        "the first rows go over what is there."
    )
    example = "transform daily_sales moving avg revenue over 7 rows by sold_on as week_avg"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        count = step.args["count"]
        if count < 1:
            raise LanguageError(
                "a moving value needs at least 1 row", where=scope.where, hint="Say how many, e.g. `over 7 rows`."
            )
        value = aggregate(step.args["how"], step.args["value"], relation, scope)
        window = seen(value, step, relation, scope, frame=True, before=count - 1)
        return added(relation, scope, {step.args["name"]: window})

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return origins(step, used(step.args["value"]))
