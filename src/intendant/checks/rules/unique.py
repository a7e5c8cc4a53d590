"""No two rows share a value."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.engines.base import quoted
from intendant.language.to_sql import column_sql, find_column
from intendant.operators.base import free
from intendant.types import Column, Rule, Step

__all__ = ["Unique"]


class Unique(RuleKind):
    verb = "unique"
    form = "unique <columns:key>"
    summary = "No two rows have the same value here; the repeats are bad, the first is not. Missing values don't count."
    example = "check orders for unique order_id"

    def rule(self, step: Step) -> Rule:
        names = step.args["columns"]
        return Rule("unique", column=names[0]) if len(names) == 1 else Rule("unique", columns=tuple(names))

    def step(self, rule: Rule) -> Step:
        return Step("unique", {"columns": rule.columns or (rule.column,)})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        """Repeats, in the order of the other columns: rows that agree in everything are interchangeable, so which of
        them is the first doesn't matter, and asking twice gives the same rows.
        """
        keys, present = keys_of(rule, columns)
        own = {k.name.lower() for k in keys}
        rest = [c.name for c in columns if c.name.lower() not in own]
        order = exp.Order(expressions=[exp.Ordered(this=column_sql(n)) for n in rest])
        row = exp.Window(this=exp.RowNumber(), partition_by=keys, order=order if order.expressions else None)
        return exp.and_(exp.GT(this=row, expression=exp.Literal.number(1)), present)

    def tally(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        """Rows with a key less different keys: the same number as of the rows that `broken` picks, without their order."""
        keys, present = keys_of(rule, columns)
        if len(keys) == 1:
            different = exp.Count(this=exp.Distinct(expressions=keys))
            return exp.Sub(this=exp.Count(this=keys[0].copy()), expression=different)
        different = exp.Count(this=exp.Distinct(expressions=[exp.Tuple(expressions=keys)]))
        return exp.Sub(
            this=exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=present)),
            expression=exp.Filter(this=different, expression=exp.Where(this=present.copy())),
        )

    def culprits(self, rule: Rule, columns: Sequence[Column], source: str) -> str:
        """The keys that come more than once, without sorting the rows of each."""
        keys, present = keys_of(rule, columns)
        listed, times = ", ".join(k.sql("duckdb") for k in keys), quoted(free("_times", (c.name for c in columns)))
        counted = f"SELECT {listed}, count(*) AS {times} FROM {source} WHERE {present.sql('duckdb')} GROUP BY {listed}"
        return f"SELECT {listed} FROM ({counted}) AS t WHERE {times} > 1"


def keys_of(rule: Rule, columns: Sequence[Column]) -> tuple[list[exp.Column], exp.Expression]:
    """The key's columns, and the condition that none of them is missing."""
    keys = [column_sql(find_column(n, columns).name) for n in (rule.columns or (str(rule.column),))]
    return keys, exp.and_(*(exp.Not(this=exp.Is(this=k.copy(), expression=exp.Null())) for k in keys))
