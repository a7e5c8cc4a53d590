"""Values lie within bounds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind, bound, literal_of, plain
from intendant.language.expression import print_expression
from intendant.language.to_sql import column_sql
from intendant.types import Column, Rule, Step

__all__ = ["Range"]


class Range(RuleKind):
    verb = "range"
    form = ("<column:column> ( between <low:value> and <high:value> | at least <min:value> | at most <max:value>"
            " | above <over:value> | below <under:value> )")
    summary = "Values lie between two bounds, at least or at most one (inclusive), above or below one (exclusive)."
    example = "check orders for amount between 0 and 100000, quantity above 0"

    def rule(self, step: Step) -> Rule:
        a = step.args
        first = next((a[k] for k in ("low", "min", "over") if k in a), None)
        last = next((a[k] for k in ("high", "max", "under") if k in a), None)
        return Rule("range", column=a["column"], min=None if first is None else plain(first),
                    max=None if last is None else plain(last), min_exclusive=True if "over" in a else None,
                    max_exclusive=True if "under" in a else None)

    def step(self, rule: Rule) -> Step:
        low, high = (None if v is None else print_expression(literal_of(v)) for v in (rule.min, rule.max))
        if low is not None and high is not None:
            return Step("range", {"column": rule.column, "low": low, "high": high})
        if low is not None:
            return Step("range", {"column": rule.column, "over" if rule.min_exclusive else "min": low})
        return Step("range", {"column": rule.column, "under" if rule.max_exclusive else "max": high})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        column = self.number_or_time(str(rule.column), columns)
        tests: list[exp.Expression] = []
        if rule.min is not None:
            worse = exp.LTE if rule.min_exclusive else exp.LT
            tests.append(worse(this=column_sql(column.name), expression=bound(rule.min, column)))
        if rule.max is not None:
            worse = exp.GTE if rule.max_exclusive else exp.GT
            tests.append(worse(this=column_sql(column.name), expression=bound(rule.max, column)))
        return exp.paren(exp.or_(*tests))
