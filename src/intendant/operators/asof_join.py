"""Columns of another table as they were at each row's time: its last row at or before it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.to_sql import column_sql, find_column, kind_of_type
from intendant.operators._window import ranked, windowed
from intendant.operators.base import Operator, Relation, Scope, free, select_from, table_sql
from intendant.operators.join import Join, qualified
from intendant.types import Column, Step

__all__ = ["AsofJoin"]


class AsofJoin(Operator):
    verb = "asof_join"
    form = "[(left):side] asof join <table:table> [on <match:match>] by <times:match>"
    summary = (
        "Add the columns of another table's last row at or before each row's time, among those where the keys match; "
        "`left` keeps rows that come before all of them. Of rows at the same time, the last in the order of its other columns "
        "counts."
    )
    example = "transform trades left asof join quotes on symbol by traded_at = quoted_at into trades_with_quotes"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        other = scope.table(step.args["table"])
        join, side = Join(), step.get("side") or "inner"
        keys = [join.pair(a, b, relation, other, scope) for a, b in step.get("match") or ()]
        if len(step.args["times"]) != 1:
            raise LanguageError(
                "`asof join` goes by one time", where=scope.where, hint="Other columns that must match come after `on`."
            )
        mine_at, theirs_at = step.args["times"][0]
        time = join.pair(mine_at, theirs_at, relation, other, scope)
        kind = kind_of_type(find_column(time[0], relation.columns, scope.where).type)
        if kind not in ("time", "number"):
            raise TypeMismatch(
                f"{time[0]!r} is no time and no number, so nothing comes before it",
                where=scope.where,
                hint=f"Cast it first: `cast {time[0]} to timestamp`.",
            )
        columns, shown = join.output([*keys, time], relation, other, step.args["table"], side)
        on = exp.and_(
            *(exp.EQ(this=qualified("l", a), expression=qualified("r", b)) for a, b in keys),
            exp.GTE(this=qualified("l", time[0]), expression=qualified("r", time[1])),
        )
        mine = relation.query.copy() if isinstance(relation.query, exp.Table) else exp.Subquery(this=relation.query)
        theirs = self.last_ones(step, [*(b for _, b in keys), time[1]], other, scope)
        query = exp.Select(expressions=shown).from_(exp.alias_(mine, "l", table=True))
        joined = exp.Join(
            this=exp.alias_(exp.Subquery(this=theirs), "r", table=True), method="ASOF", on=on,
            side="LEFT" if side == "left" else None,
        )  # fmt: skip
        return Relation(query.join(joined), columns)

    @staticmethod
    def last_ones(step: Step, by: Sequence[str], other: tuple[Column, ...], scope: Scope) -> exp.Select:
        """One row of the other table for each key and time."""
        table = Relation(table_sql(step.args["table"]), other)
        order = ranked([(n, "descending") for n in table.names if n not in by], table, scope)
        name, place = free("place", table.names), windowed(exp.RowNumber(), by, order)
        numbered = select_from(table, *(column_sql(n) for n in table.names), exp.alias_(place, name, quoted=True))
        return select_from(Relation(numbered, other)).where(
            exp.EQ(this=column_sql(name), expression=exp.Literal.number(1)), copy=False
        )

    def reads(self, step: Step) -> tuple[str, ...]:
        return (step.args["table"],)
