"""Values come from a list."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind, bound, literal_of, plain
from intendant.language.expression import print_expression
from intendant.language.to_sql import column_sql, find_column
from intendant.types import Column, Rule, Step

__all__ = ["AllowedValues"]


class AllowedValues(RuleKind):
    verb = "allowed_values"
    form = "<column:column> in <values:list>"
    summary = "Every value is one of the list."
    example = "check orders for status in ('paid', 'open', 'cancelled')"

    def rule(self, step: Step) -> Rule:
        return Rule("allowed_values", column=step.args["column"], values=tuple(plain(v) for v in step.args["values"]))

    def step(self, rule: Rule) -> Step:
        values = tuple(print_expression(literal_of(v)) for v in rule.values or ())
        return Step("allowed_values", {"column": rule.column, "values": values})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        column = find_column(str(rule.column), columns)
        values = [bound(v, column) for v in rule.values or ()]
        listed = exp.In(this=column_sql(column.name), expressions=values)
        return exp.and_(exp.Not(this=exp.Is(this=column_sql(column.name), expression=exp.Null())), exp.Not(this=listed))
