"""Put something where a value is missing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.expression import columns_of, parse_expression
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Fill"]

AVERAGES = {"mean": "AVG", "median": "MEDIAN", "mode": "MODE"}


class Fill(Operator):
    verb = "fill"
    form = "fill <column:column> with ( (mean|median|mode):how | (previous|next):how by <by:column> [per <per:column>] | <value:expr> )"
    summary = "Fill missing values of a column with its mean, median or mode, the previous value, or a value."
    example = "transform orders fill shipping_cost with median"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        own = column_sql(column.name)
        how = step.get("how")
        if how in ("previous", "next"):
            value = self.neighbour(step, relation, scope, own)
        elif how:
            value = self.average(how, column.name, column.type, relation, scope)
        else:
            parsed = parse_expression(step.args["value"])
            compiler = self.compiler(relation, scope)
            start = compiler.mark
            value, kind = compiler.visit(parsed)
            compiler.only(exp.Is(this=own.copy(), expression=exp.Null()), start)
            if kind not in (kind_of_type(column.type), "any", "other") and not (
                kind == "text" and kind_of_type(column.type) == "time"
            ):
                raise TypeMismatch(
                    f"{column.name!r} is {column.type}; `{step.args['value']}` is not",
                    where=scope.where,
                    hint="Fill with a value of the same type.",
                )
        return self.replaced(relation, scope, {column.name: exp.Coalesce(this=own.copy(), expressions=[value])})

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        used = [step.args["column"], *(step.args[name] for name in ("by", "per") if step.get(name))]
        used += [c.name for c in columns_of(parse_expression(step.args["value"]))] if step.get("value") else []
        return {step.args["column"]: tuple(dict.fromkeys(used))}

    def average(self, how: str, name: str, kind: str, relation: Relation, scope: Scope) -> exp.Expression:
        if how != "mode" and kind_of_type(kind) != "number":
            raise TypeMismatch(
                f"`{how}` needs a number; {name!r} is {kind}", where=scope.where, hint="Use `mode` or a value."
            )
        inner = select_from(relation, exp.func(AVERAGES[how], column_sql(name), dialect="duckdb"))
        return exp.Subquery(this=inner.copy())

    def neighbour(self, step: Step, relation: Relation, scope: Scope, own: exp.Column) -> exp.Expression:
        by = self.column(step.args["by"], relation, scope)
        order = exp.Order(expressions=[exp.Ordered(this=column_sql(by.name), desc=step.args["how"] == "next")])
        partition = [column_sql(self.column(step.args["per"], relation, scope).name)] if step.get("per") else None
        value = exp.IgnoreNulls(this=exp.LastValue(this=own.copy()))
        return exp.Window(this=value, order=order, partition_by=partition)
