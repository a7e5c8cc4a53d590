"""Groups and their sums, counts, averages ...; also over the whole table."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.expression import Col, columns_of, parse_expression
from intendant.language.to_sql import column_sql, words
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Group", "default_name"]

FUNCTIONS = {
    "sum": "SUM",
    "avg": "AVG",
    "min": "MIN",
    "max": "MAX",
    "median": "MEDIAN",
    "stddev": "STDDEV",
    "first": "FIRST",
    "last": "LAST",
}
NUMERIC = ("sum", "avg", "median", "stddev")


def default_name(function: str, over: str) -> str:
    """An unnamed aggregate's column: sum_amount, count_distinct_x, row_count."""
    if not over:
        return "row_count"
    columns = columns_of(parse_expression(over))
    return f"{function.replace(' ', '_')}_{'_'.join(c.name for c in columns) or 'value'}"


class Group(Operator):
    verb = "group"
    form = "( group by <keys:columns> : <aggregates:aggregates> | aggregate <aggregates:aggregates> )"
    summary = "One row per group with its aggregates; `aggregate` makes one row of the whole table."
    example = "query orders group by region: sum amount as revenue, count as orders"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        keys = [self.column(n, relation, scope) for n in step.get("keys") or ()]
        shown: list[exp.Expression] = [column_sql(k.name) for k in keys]
        names = [k.name.lower() for k in keys]
        for function, over, alias in step.args["aggregates"]:
            name = alias or default_name(function, over)
            if name.lower() in names:
                raise LanguageError(f"two columns would be named {name!r}", where=scope.where, hint="Add `as NAME`.")
            names.append(name.lower())
            shown.append(exp.alias_(self.aggregate(function, over, relation, scope), name, quoted=True))
        query = select_from(relation, *shown)
        if keys:
            query = query.group_by(*(column_sql(k.name) for k in keys), copy=False)
        return Relation(query, scope.describe(query))

    def aggregate(self, function: str, over: str, relation: Relation, scope: Scope) -> exp.Expression:
        if not over:
            return exp.Count(this=exp.Star())
        parsed = parse_expression(over)
        compiler = self.compiler(relation, scope)
        value = compiler.sql(parsed)
        if function in NUMERIC and compiler.kind(parsed) not in ("number", "bool", "any"):
            hint = f"Cast it first: `cast {over} to number`." if isinstance(parsed, Col) else "Use an expression of numbers."
            raise TypeMismatch(
                f"`{function}` needs a number; `{over}` is {words(compiler.kind(parsed))}", where=scope.where, hint=hint
            )
        if function in NUMERIC and compiler.kind(parsed) == "bool":
            value = exp.cast(value, "INT")
        if function == "count":
            return exp.Count(this=value)
        if function == "count distinct":
            return exp.Count(this=exp.Distinct(expressions=[value]))
        return exp.func(FUNCTIONS[function], value, dialect="duckdb")

    def origins(self, step: Step, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
        out: dict[str, tuple[str, ...]] = {k: (k,) for k in step.get("keys") or ()}
        for function, over, alias in step.args["aggregates"]:
            used = tuple(c.name for c in columns_of(parse_expression(over))) if over else ()
            out[alias or default_name(function, over)] = used
        return out
