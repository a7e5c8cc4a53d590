"""Columns to rows: one row for each of them, with its name and its value."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Column, Step

__all__ = ["Unpivot", "alike", "held"]


class Unpivot(Operator):
    verb = "unpivot"
    form = "unpivot <columns:columns> as <name:name>, <value:name>"
    summary = (
        "Turn columns into rows: for each of them a row with the column's name and its value, missing ones too; the "
        "other columns are repeated."
    )
    example = "transform answers unpivot q1, q2, q3 as question, score into scores"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        turned = list(dict.fromkeys(self.column(n, relation, scope) for n in step.args["columns"]))
        alike(turned, scope)
        kept = [c.name for c in relation.columns if c not in turned]
        name, value = step.args["name"], step.args["value"]
        self.no_clash([*kept, name, value], scope)
        said = exp.Array(expressions=[exp.Literal.string(c.name) for c in turned])
        cells = exp.Array(expressions=[held(c, turned) for c in turned])
        shown = [
            *(column_sql(n) for n in kept),
            exp.alias_(exp.Anonymous(this="UNNEST", expressions=[said]), name, quoted=True),
            exp.alias_(exp.Anonymous(this="UNNEST", expressions=[cells]), value, quoted=True),
        ]
        query = select_from(relation, *shown)
        return Relation(query, scope.describe(query), relation.ordered)

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {step.args["name"]: (), step.args["value"]: tuple(step.args["columns"])}


def held(column: Column, among: Sequence[Column]) -> exp.Expression:
    """The value; text of several types, such as JSON beside VARCHAR, becomes plain text."""
    plain = kind_of_type(column.type) == "text" and len({c.type for c in among}) > 1
    return exp.cast(column_sql(column.name), "TEXT") if plain else column_sql(column.name)


def alike(columns: Sequence[Column], scope: Scope) -> None:
    """Raises TypeMismatch for columns whose values can't stand in one column."""
    first = columns[0]
    for c in columns[1:]:
        kinds = {kind_of_type(first.type), kind_of_type(c.type)}
        if len(kinds) > 1 or (kinds == {"other"} and c.type != first.type):
            raise TypeMismatch(
                f"{first.name!r} is {first.type}, {c.name!r} is {c.type}: they can't share a column",
                where=scope.where,
                hint=f"Cast them first: `cast {first.name} to text cast {c.name} to text`.",
            )
