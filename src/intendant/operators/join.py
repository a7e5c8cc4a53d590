"""Columns of another table beside ours, matched by keys."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import TypeMismatch, UnknownName
from intendant.language.to_sql import column_sql, find_column, kind_of_type
from intendant.operators.base import Operator, Relation, Scope, table_sql
from intendant.types import Column, Step

__all__ = ["Join"]

SIDES = {"inner": "", "left": "LEFT", "right": "RIGHT", "full": "FULL", "semi": "SEMI", "anti": "ANTI"}


class Join(Operator):
    verb = "join"
    form = "[(inner|left|right|full|semi|anti):side] join <table:table> on <match:match>"
    summary = (
        "Add the columns of another table where the keys match; `left` keeps rows without a match. `semi` just keeps the "
        "rows that have a match, `anti` those that have none, and neither adds columns. In `on a = b` the column of this table "
        "comes first. A column of theirs that has the name of one of ours gets their table's name in front: `customers_name`."
    )
    example = "transform orders left join customers on customer_id into orders_with_names"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        other = scope.table(step.args["table"])
        side = step.get("side") or "inner"
        pairs = [self.pair(left, right, relation, other, scope) for left, right in step.args["match"]]
        on = exp.and_(*(exp.EQ(this=qualified("l", a), expression=qualified("r", b)) for a, b in pairs))
        columns, shown = self.output(pairs, relation, other, step.args["table"], side)
        left_source = (
            relation.query.copy() if isinstance(relation.query, exp.Table) else exp.Subquery(this=relation.query)
        )
        query = exp.Select(expressions=shown).from_(exp.alias_(left_source, "l", table=True))
        query = query.join(
            exp.alias_(table_sql(step.args["table"]), "r", table=True), on=on, join_type=SIDES[side] or "inner"
        )
        return Relation(query, columns)

    def shares(self, step: Step, theirs: Sequence[str]) -> dict[str, str]:
        """The keys of rows without a partner here are the other table's."""
        return dict(step.args["match"]) if step.get("side") in ("right", "full") else {}

    def pair(
        self, left: str, right: str, relation: Relation, other: tuple[Column, ...], scope: Scope
    ) -> tuple[str, str]:
        try:
            a = find_column(left, relation.columns, scope.where)
            b = find_column(right, other, scope.where)
        except UnknownName as e:
            swapped = {left.lower()} <= named(other) and {right.lower()} <= named(relation.columns)
            if swapped and left.lower() != right.lower():
                e.hint = f"The column of this table comes first: `on {right} = {left}`."
            raise
        kinds = {kind_of_type(a.type), kind_of_type(b.type)}
        if len(kinds) > 1 or (kinds == {"other"} and a.type != b.type):
            raise TypeMismatch(
                f"{a.name!r} is {a.type}, {b.name!r} is {b.type}: they can't match",
                where=scope.where,
                hint=f"Cast one first: `cast {a.name} to text`.",
            )
        return a.name, b.name

    def output(
        self, pairs: list[tuple[str, str]], relation: Relation, other: tuple[Column, ...], table: str, side: str
    ) -> tuple[tuple[Column, ...], list[exp.Expression]]:
        """Ours, then theirs without the keys they share with us; a clash gets the other table's name as prefix."""
        columns, shown = [], []
        same = {b: a for a, b in pairs}
        for c in relation.columns:
            partner = next((b for a, b in pairs if a == c.name), None)
            value: exp.Expression = qualified("l", c.name)
            if partner and side in ("right", "full"):
                value = exp.Coalesce(this=value, expressions=[qualified("r", partner)])
            columns.append(c)
            shown.append(exp.alias_(value, c.name, quoted=True))
        taken = {c.name.lower() for c in columns}
        for c in () if side in ("semi", "anti") else other:
            if c.name in same:
                continue
            name = c.name if c.name.lower() not in taken else f"{table.rpartition('.')[2]}_{c.name}"
            while name.lower() in taken:
                name += "_2"
            taken.add(name.lower())
            columns.append(Column(name, c.type))
            shown.append(exp.alias_(qualified("r", c.name), name, quoted=True))
        return tuple(columns), shown

    def reads(self, step: Step) -> tuple[str, ...]:
        return (step.args["table"],)


def named(columns: Sequence[Column]) -> set[str]:
    return {c.name.lower() for c in columns}


def qualified(alias: str, column: str) -> exp.Column:
    out = column_sql(column)
    out.set("table", exp.to_identifier(alias))
    return out
