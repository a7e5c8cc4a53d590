"""No two rows share a value."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.language.to_sql import column_sql, find_column
from intendant.types import Column, Rule, Step

__all__ = ["Unique"]


class Unique(RuleKind):
    verb = "unique"
    form = "unique <columns:key>"
    summary = "No two rows have the same value here; all rows of a repeated value are bad. Missing values don't count."
    example = "check orders for unique order_id"

    def rule(self, step: Step) -> Rule:
        names = step.args["columns"]
        return Rule("unique", column=names[0]) if len(names) == 1 else Rule("unique", columns=tuple(names))

    def step(self, rule: Rule) -> Step:
        return Step("unique", {"columns": rule.columns or (rule.column,)})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        names = [find_column(n, columns).name for n in (rule.columns or (str(rule.column),))]
        keys = [column_sql(n) for n in names]
        present = [exp.Not(this=exp.Is(this=k.copy(), expression=exp.Null())) for k in keys]
        many = exp.GT(this=exp.Window(this=exp.Count(this=exp.Star()), partition_by=keys), expression=exp.Literal.number(1))
        return exp.and_(many, *present)
