"""Windows: what is computed of a row among its neighbours, in an order that no two runs see differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, free, select_from
from intendant.operators.sort import order_by
from intendant.types import Step

__all__ = ["added", "origins", "ranked", "seen", "windowed"]


def ranked(
    keys: Sequence[tuple[str, str]], relation: Relation, scope: Scope, *, flip: bool = False
) -> list[exp.Ordered]:
    """ORDER BY terms of the keys and then of all other columns, so that only rows equal in everything are tied."""
    terms = order_by(keys, relation, scope, flip=flip)
    named = {t.this.name for t in terms}
    return [*terms, *(exp.Ordered(this=column_sql(n), nulls_first=False) for n in relation.names if n not in named)]


def windowed(
    value: exp.Expression,
    per: Sequence[str],
    order: Sequence[exp.Ordered],
    before: int | None = None,
    *,
    frame: bool = False,
) -> exp.Window:
    """`value` OVER rows of the same `per`. `frame`: the row and so many `before` it, all of them when None."""
    spec = None
    if frame:
        start: object = "UNBOUNDED" if before is None else exp.Literal.number(before)
        spec = exp.WindowSpec(kind="ROWS", start=start, start_side="PRECEDING", end="CURRENT ROW")
    return exp.Window(
        this=value,
        partition_by=[column_sql(n) for n in per],
        order=exp.Order(expressions=[o.copy() for o in order]) if order else None,
        spec=spec,
    )


def seen(
    value: exp.Expression,
    step: Step,
    relation: Relation,
    scope: Scope,
    *,
    frame: bool = False,
    before: int | None = None,
) -> exp.Window:
    """The window that a step's `by` and `per` say."""
    per = [Operator.column(n, relation, scope).name for n in step.get("per") or ()]
    return windowed(value, per, ranked(step.args["keys"], relation, scope), before, frame=frame)


def added(relation: Relation, scope: Scope, new: Mapping[str, exp.Expression]) -> Relation:
    """`Operator.added` for windows, which shuffle the rows: those that were sorted come back in their order."""
    if not relation.ordered:
        return Operator.added(relation, scope, new)
    place = free("place", (*relation.names, *new))
    numbered = exp.alias_(exp.Window(this=exp.RowNumber()), place, quoted=True)
    placed = select_from(relation, *(column_sql(n) for n in relation.names), numbered)
    out = Operator.added(Relation(placed, relation.columns), scope, new)
    assert isinstance(out.query, exp.Select)
    return Relation(out.query.order_by(column_sql(place), copy=False), out.columns, True)


def origins(step: Step, inputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The column that a window makes comes of its inputs, of what it is ordered by and of what it is kept apart by."""
    by = (name for name, _ in step.get("keys") or ())
    return {step.args["name"]: tuple(dict.fromkeys((*inputs, *by, *(step.get("per") or ()))))}
