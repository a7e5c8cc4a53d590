"""Where an expression can fail for a single row, and how such a row is found without the engine stopping at it.

An engine stops a whole query at the first value that can't be cast or computed, or gives infinity or NULL for a division
by zero. A `Guard` is the test that is true for the rows where that would happen, of one place in an expression.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlglot import exp

__all__ = [
    "Guard",
    "attempted",
    "columns_in",
    "divided_by_zero",
    "first_of",
    "narrowed",
    "raises",
    "strict",
    "undefined_power",
]

STOP = "a row has no value here"


@dataclass(frozen=True)
class Guard:
    """`said` is the place as written, `problem` what is wrong there, `columns` those it is computed from, and `test` an SQL
    condition over the operator's input that is true for a bad row and never fails itself."""

    said: str
    problem: str
    columns: tuple[str, ...]
    test: exp.Expression


def boxed(tree: exp.Expression) -> exp.Expression:
    """A list of the value alone, NULL for a row where computing it fails.

    DuckDB computes what stands twice in a query once, outside of the TRY around it; here only a TRY itself stands twice.
    """
    return exp.Anonymous(this="TRY", expressions=[exp.Anonymous(this="LIST_VALUE", expressions=[tree])])


def attempted(tree: exp.Expression) -> exp.Expression:
    """The expression, NULL for a row where it fails."""
    return exp.Anonymous(this="LIST_EXTRACT", expressions=[boxed(tree), exp.Literal.number(1)])


def raises(tree: exp.Expression) -> exp.Expression:
    """True for a row where computing the expression fails; false where it is NULL."""
    return exp.Is(this=boxed(tree.copy()), expression=exp.Null())


def present(tree: exp.Expression) -> exp.Expression:
    return exp.Not(this=exp.Is(this=exp.Paren(this=tree.copy()), expression=exp.Null()))


def divided_by_zero(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    zero = exp.EQ(this=exp.Paren(this=right.copy()), expression=exp.Literal.number(0))
    return exp.and_(zero, present(left), copy=False)


def undefined_power(base: exp.Expression, exponent: exp.Expression) -> exp.Expression:
    """Zero to a negative power, or a negative number to one that isn't whole."""
    zero, b, e = exp.Literal.number(0), exp.Paren(this=base.copy()), exp.Paren(this=exponent.copy())
    divides = exp.and_(exp.EQ(this=b, expression=zero), exp.LT(this=e, expression=zero.copy()))
    broken = exp.NEQ(this=e.copy(), expression=exp.Floor(this=e.copy()))
    return exp.or_(divides, exp.and_(exp.LT(this=b.copy(), expression=zero.copy()), broken))


def narrowed(guards: list[Guard], start: int, condition: exp.Expression, end: int | None = None) -> None:
    """The guards from `start` on count only for rows where the condition is true: others don't need the value."""
    for i in range(start, len(guards) if end is None else end):
        test = exp.And(this=exp.Paren(this=condition.copy()), expression=exp.Paren(this=guards[i].test))
        guards[i] = replace(guards[i], test=test)


# ---------------------------------------------------------------- the query that stops
def strict(query: exp.Expression) -> exp.Expression:
    """The query, stopping where the engine would give infinity, NaN or NULL for a value that isn't there: a division by
    zero, a remainder by zero, a power that is no number."""
    out = query.copy()
    nodes = [n for n in out.find_all(exp.Div, exp.Mod, exp.Pow) if not _safe(n)]
    tests = [(undefined_power if isinstance(n, exp.Pow) else divided_by_zero)(n.this, n.expression) for n in nodes]
    for node, test in zip(reversed(nodes), reversed(tests), strict=True):  # inner ones first, tests of what was written
        stop = exp.Null() if _caught(node) else exp.Anonymous(this="ERROR", expressions=[exp.Literal.string(STOP)])
        node.replace(exp.Paren(this=exp.Case(ifs=[exp.If(this=test, true=stop)], default=node.copy())))
    return out


def _caught(node: exp.Expression) -> bool:
    """Whether `coalesce` has another value for a row in which this one isn't there."""
    while node.parent is not None and not isinstance(node, exp.Query):
        parent = node.parent
        if isinstance(parent, exp.Coalesce) and node is not parent.expressions[-1]:
            return True
        node = parent
    return False


def _safe(node: exp.Expression) -> bool:
    """Whether an operation has a value for every row by the way its second operand is written."""
    inner = node.expression.unnest()
    if isinstance(node, exp.Pow):
        return isinstance(inner, exp.Literal) and str(inner.this).isdigit()
    if isinstance(inner, exp.Nullif):
        return isinstance(inner.expression, exp.Literal) and float(inner.expression.this) == 0
    inner = inner.this if isinstance(inner, exp.Neg) else inner
    return isinstance(inner, exp.Literal) and not inner.is_string and float(inner.this) != 0


def columns_in(tree: exp.Expression) -> tuple[str, ...]:
    """The columns that an SQL tree names, once each."""
    return tuple(dict.fromkeys(c.name for c in tree.find_all(exp.Column)))


def first_of(guards: Iterable[Guard]) -> exp.Expression:
    """True for a row that one of the guards finds bad, never NULL."""
    tests = [exp.Paren(this=g.test.copy()) for g in guards]
    return exp.Coalesce(this=exp.Paren(this=exp.or_(*tests, copy=False)), expressions=[exp.false()])
