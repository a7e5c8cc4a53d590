"""Every value is found in another table."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.language.to_sql import column_sql, find_column
from intendant.operators.base import table_sql
from intendant.types import Column, Rule, Step

__all__ = ["ForeignKey"]


class ForeignKey(RuleKind):
    verb = "foreign_key"
    form = "<column:column> references <ref:table_column>"
    summary = "Every value is found in that column of another table. Missing values don't count."
    example = "check orders for customer_id references customers.customer_id"

    def rule(self, step: Step) -> Rule:
        return Rule("foreign_key", column=step.args["column"], ref=".".join(step.args["ref"]))

    def step(self, rule: Rule) -> Step:
        table, _, column = str(rule.ref).rpartition(".")
        return Step("foreign_key", {"column": rule.column, "ref": (table, column)})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        table, _, ref = str(rule.ref).rpartition(".")
        own = column_sql(find_column(str(rule.column), columns).name)
        there = exp.Not(this=exp.Is(this=column_sql(ref), expression=exp.Null()))
        inner = exp.Select(expressions=[column_sql(ref)]).from_(table_sql(table)).where(there)
        known = exp.In(this=own, query=exp.Subquery(this=inner))
        return exp.and_(exp.Not(this=exp.Is(this=own.copy(), expression=exp.Null())), exp.Not(this=known))

    def reads(self, rule: Rule) -> tuple[str, ...]:
        return (str(rule.ref).rpartition(".")[0],)


