"""A value is there."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.language.to_sql import column_sql, find_column
from intendant.types import Column, Rule, Step

__all__ = ["NotNull"]


class NotNull(RuleKind):
    verb = "not_null"
    form = "not null <column:column>"
    summary = "The column has a value in every row."
    example = "check orders for not null order_id"

    def rule(self, step: Step) -> Rule:
        return Rule("not_null", column=step.args["column"])

    def step(self, rule: Rule) -> Step:
        return Step("not_null", {"column": rule.column})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        return exp.Is(this=column_sql(find_column(str(rule.column), columns).name), expression=exp.Null())
