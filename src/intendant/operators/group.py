"""Groups and their sums, counts, averages ...; also over the whole table."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.expression import Col, columns_of, parse_expression
from intendant.language.to_sql import column_sql, words
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.types import Step

__all__ = ["Group", "aggregate", "default_name", "used"]

FUNCTIONS = {
    "sum": "SUM",
    "avg": "AVG",
    "min": "MIN",
    "max": "MAX",
    "median": "MEDIAN",
    "stddev": "STDDEV",
    "first": "FIRST",
    "last": "LAST",
    "mode": "MODE",
    "variance": "VAR_SAMP",
}
NUMERIC = ("sum", "avg", "median", "stddev", "variance")


def default_name(function: str, over: str) -> str:
    """An unnamed aggregate's column: sum_amount, count_distinct_x, row_count."""
    if not over:
        return "row_count"
    columns = columns_of(parse_expression(over))
    return f"{function.replace(' ', '_')}_{'_'.join(c.name for c in columns) or 'value'}"


class Group(Operator):
    verb = "group"
    form = "( group by <keys:columns> : <aggregates:aggregates> | aggregate <aggregates:aggregates> )"
    summary = (
        "One row per group with its aggregates; `aggregate` makes one row of the whole table. `list` gathers the values "
        "that aren't missing, sorted."
    )
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
            shown.append(exp.alias_(aggregate(function, over, relation, scope), name, quoted=True))
        query = select_from(relation, *shown)
        if keys:
            query = query.group_by(*(column_sql(k.name) for k in keys), copy=False)
        return Relation(query, scope.describe(query))

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        out: dict[str, tuple[str, ...]] = {k: (k,) for k in step.get("keys") or ()}
        for function, over, alias in step.args["aggregates"]:
            out[alias or default_name(function, over)] = used(over)
        return out


def aggregate(
    function: str, over: str, relation: Relation, scope: Scope, where: exp.Expression | None = None
) -> exp.Expression:
    """An aggregate as SQL, of all rows or of those for which `where` is true. Raises UnknownName, TypeMismatch."""
    value, present = exp.Star() if not over else operand(function, over, relation, scope), None
    if not over or function == "count":
        out: exp.Expression = exp.Count(this=value)
    elif function == "count distinct":
        out = exp.Count(this=exp.Distinct(expressions=[value]))
    elif function == "list":
        out = exp.ArrayAgg(this=exp.Order(this=value, expressions=[exp.Ordered(this=value.copy())]))
        present = exp.Not(this=exp.Is(this=exp.paren(value.copy()), expression=exp.Null()))
    else:
        out = exp.func(FUNCTIONS[function], value, dialect="duckdb")
    tests = [t for t in (where, present) if t is not None]
    return exp.Filter(this=out, expression=exp.Where(this=exp.and_(*tests))) if tests else out


def operand(function: str, over: str, relation: Relation, scope: Scope) -> exp.Expression:
    """What is aggregated; truths count as 0 and 1 where numbers are needed."""
    parsed = parse_expression(over)
    compiler = Operator.compiler(relation, scope)
    value, kind = compiler.visit(parsed)
    if function in NUMERIC and kind not in ("number", "bool", "any"):
        hint = (
            f"Cast it first: `cast {over} to number`." if isinstance(parsed, Col) else "Use an expression of numbers."
        )
        raise TypeMismatch(f"`{function}` needs a number; `{over}` is {words(kind)}", where=scope.where, hint=hint)
    return exp.cast(value, "INT") if function in NUMERIC and kind == "bool" else value


def used(over: str) -> tuple[str, ...]:
    """The columns that an expression names, once each."""
    return tuple(dict.fromkeys(c.name for c in columns_of(parse_expression(over)))) if over else ()
