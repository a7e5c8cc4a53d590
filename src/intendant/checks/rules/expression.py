"""A condition of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.language.expression import columns_of, parse_expression
from intendant.language.to_sql import Compiler, find_column
from intendant.types import Column, Rule, Step

__all__ = ["Expression"]


class Expression(RuleKind):
    verb = "expression"
    form = "that <expression:expr>"
    summary = "The condition is true in every row; unknown (because a value is missing) is not a violation."
    example = "check orders for that shipped_at >= created_at or shipped_at is null"

    def rule(self, step: Step) -> Rule:
        return Rule("expression", expression=step.args["expression"])

    def step(self, rule: Rule) -> Step:
        return Step("expression", {"expression": rule.expression})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        condition = Compiler(columns).condition(parse_expression(str(rule.expression)))
        return exp.Not(this=exp.paren(condition))

    def shows(self, rule: Rule, columns: Sequence[Column]) -> tuple[str, ...]:
        named = columns_of(parse_expression(str(rule.expression)))
        return tuple(dict.fromkeys(find_column(c.name, columns).name for c in named))
