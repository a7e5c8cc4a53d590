"""Rows to columns and columns to rows at once: each row becomes a column, named by its value of one column."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, free, select_from
from intendant.operators.pivot import Pivot
from intendant.operators.unpivot import Unpivot
from intendant.types import Step

__all__ = ["Transpose"]


class Transpose(Operator):
    verb = "transpose"
    form = "transpose by <column:column> [in <values:list>] as <name:name>"
    summary = (
        "Turn rows into columns and columns into rows: each value of the column names a new column, each other column "
        "becomes a row with its name in front. `in` says which rows; without it, those that the table holds now."
    )
    example = "query revenue_by_region transpose by region as figure"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        key, name = self.column(step.args["column"], relation, scope), step.args["name"]
        others = tuple(n for n in relation.names if n != key.name)
        if not others:
            raise LanguageError(
                f"there is no column beside {key.name!r} to transpose", where=scope.where, hint="Take another table."
            )
        pivot = Pivot()
        values = pivot.values(step, key, relation, scope)
        pivot.few(len(values), key, scope)
        self.no_clash([name, *(v for v, _ in values)], scope, f"Name the new column otherwise: `as {name}_of`.")
        cell = free("cell", (*relation.names, name))
        label = free("figure", (*relation.names, cell))
        long = Unpivot().apply(Step("unpivot", {"columns": others, "name": label, "value": cell}), relation, scope)
        shown = [exp.alias_(column_sql(label), name, quoted=True)]
        shown += [exp.alias_(only(cell, value, test), value, quoted=True) for value, test in values]
        places = exp.Array(expressions=[exp.Literal.string(n) for n in others])
        place = exp.Anonymous(this="LIST_POSITION", expressions=[places, column_sql(label)])
        query = select_from(long, *shown).group_by(column_sql(label), copy=False).order_by(place, copy=False)
        return Relation(query, scope.describe(query), True)

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {c: () if c == step.args["name"] else tuple(before) for c in columns}


def only(cell: str, value: str, test: exp.Expression) -> exp.Expression:
    """The cell of the one row that has the value; an error where two have it, since one of them would be lost."""
    rows = exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=test.copy()))
    held = exp.Filter(this=exp.AnyValue(this=column_sql(cell)), expression=exp.Where(this=test.copy()))
    stop = exp.Anonymous(
        this="ERROR",
        expressions=[
            exp.Literal.string(f"transpose: two rows are {value!r}; make one of them first, e.g. with group by")
        ],
    )
    return exp.Case(ifs=[exp.If(this=exp.GT(this=rows, expression=exp.Literal.number(1)), true=stop)], default=held)
