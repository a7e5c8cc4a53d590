"""The table has as many rows as it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.operators.base import table_sql
from intendant.types import Column, Rule, Snapshot, Step

if TYPE_CHECKING:
    from intendant.engines.base import Reader

__all__ = ["RowCount"]


class RowCount(RuleKind):
    verb = "row_count"
    form = "row count ( between <low:int> and <high:int> | at least <min:int> | at most <max:int> )"
    summary = "The table has at least, at most, or between so many rows."
    example = "check orders for row count at least 1000"
    per_row = False

    def rule(self, step: Step) -> Rule:
        a = step.args
        return Rule("row_count", min=a.get("low", a.get("min")), max=a.get("high", a.get("max")))

    def step(self, rule: Rule) -> Step:
        if rule.min is not None and rule.max is not None:
            return Step("row_count", {"low": rule.min, "high": rule.max})
        return Step("row_count", {"min": rule.min} if rule.min is not None else {"max": rule.max})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        count = exp.Count(this=exp.Star())
        tests: list[exp.Expression] = []
        if rule.min is not None:
            tests.append(exp.LT(this=count, expression=exp.Literal.number(rule.min)))
        if rule.max is not None:
            tests.append(exp.GT(this=count.copy(), expression=exp.Literal.number(rule.max)))
        return exp.paren(exp.or_(*tests))

    def measured(self, rule: Rule, engine: Reader, table: str, tables: Mapping[str, Snapshot]) -> str:
        rows = engine.rows(f"SELECT count(*) FROM {table_sql(table).sql('duckdb')}", tables)[1]
        return f"the table has {rows[0][0]} rows"
