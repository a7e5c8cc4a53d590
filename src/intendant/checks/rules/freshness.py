"""The newest row isn't too old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.errors import TypeMismatch
from intendant.language.to_sql import column_sql, find_column, kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Rule, Snapshot, Step

if TYPE_CHECKING:
    from intendant.engines.base import Reader

__all__ = ["Freshness"]

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000,
           "quarter": 7776000, "year": 31536000}


class Freshness(RuleKind):
    verb = "freshness"
    form = "fresh within <within:duration> by <column:column>"
    summary = "The newest value of a time column is no older than this. A month counts 30 days."
    example = "check staging.orders for fresh within 1 day by created_at"
    per_row = False

    def rule(self, step: Step) -> Rule:
        n, unit = step.args["within"].split()
        return Rule("freshness", column=step.args["column"], seconds=int(n) * SECONDS[unit.rstrip("s")])

    def step(self, rule: Rule) -> Step:
        seconds = rule.seconds or 0
        unit = next(u for u in ("week", "day", "hour", "minute", "second") if seconds % SECONDS[u] == 0)
        n = seconds // SECONDS[unit]
        return Step("freshness", {"within": f"{n} {unit}{'' if n == 1 else 's'}", "column": rule.column})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        column = find_column(str(rule.column), columns)
        if kind_of_type(column.type) != "time":
            raise TypeMismatch(f"freshness needs a date or time; {column.name!r} is {column.type}",
                               hint=f"Cast it first: `transform ... cast {column.name} to timestamp`.")
        newest = exp.cast(exp.Max(this=column_sql(column.name)), "TIMESTAMP")
        age = exp.Anonymous(this="DATE_DIFF", expressions=[exp.Literal.string("second"), newest,
                                                           exp.cast(exp.CurrentTimestamp(), "TIMESTAMP")])
        return exp.Coalesce(this=exp.GT(this=age, expression=exp.Literal.number(rule.seconds or 0)),
                            expressions=[exp.Boolean(this=True)])

    def measured(self, rule: Rule, engine: Reader, table: str, tables: Mapping[str, Snapshot]) -> str:
        newest = exp.Max(this=column_sql(find_column(str(rule.column), tables[table].columns).name)).sql("duckdb")
        rows = engine.rows(f"SELECT CAST({newest} AS VARCHAR) FROM {table_sql(table).sql('duckdb')}", tables)[1]
        return f"the newest {rule.column} is {rows[0][0]}" if rows[0][0] else f"no row has a {rule.column}"
