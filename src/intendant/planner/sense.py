"""Plans that can be run but that nobody means: a column or value said twice, a thing compared with itself, an empty range."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from intendant.errors import LanguageError
from intendant.language.expression import (
    Between,
    Binary,
    Call,
    Case,
    Col,
    Expr,
    In,
    IsNull,
    Literal,
    columns_of,
    parse_expression,
    print_expression,
    walk,
)
from intendant.types import Plan, Step

__all__ = ["nonsense"]

PLAIN = re.compile(r"[\w ]*")
"""A regular expression that says nothing but itself."""
COMPARED = frozenset(("=", "!=", "<", "<=", ">", ">="))
ITSELF = frozenset(("-", "/", "%", "=", "!=", "<", "<=", ">", ">=", "and", "or"))


def nonsense(plan: Plan) -> None:
    """Raises LanguageError at the first step that nobody would mean."""
    improved = [(s.get("table"), s.get("query")) for s in plan.steps if s.verb == "optimize"]
    if len(set(improved)) < len(improved):
        raise LanguageError("the plan optimizes one thing twice")
    for step in plan.steps:
        others = [o for o in step.args.get("operators") or () if o.verb in ("join", "union")]
        if any(o.get("table") == step.get("table") and not paired(o) for o in others):
            raise LanguageError(f"{step.args['table']} is joined with itself")
        alone(step.args.get("operators") or ())
        rules = step.args.get("rules") or ()
        if any(r in rules[:i] for i, r in enumerate(rules)):
            raise LanguageError("the check says a rule twice")
        if any(r.verb == "foreign_key" and r.args["ref"] == (step.get("table"), r.args["column"]) for r in rules):
            raise LanguageError("a column that refers to itself always holds")
    for step in parts(plan):
        of_key(step)
        for name, value in step.args.items():
            if isinstance(value, tuple) and all(isinstance(v, str) for v in value) and len(set(value)) < len(value):
                raise LanguageError(f"`{step.verb}` says something twice in {', '.join(map(str, value))}")
            if isinstance(value, str) and name in ("condition", "value", "where", "expression"):
                for e in walk(parse_expression(value)):
                    empty(e)
        if step.verb == "pattern" and PLAIN.fullmatch(str(step.args["regex"])):
            raise LanguageError(f"`matches` wants a pattern, {step.args['regex']!r} is a value")
        low, high = step.args.get("low"), step.args.get("high")
        if isinstance(low, str) and isinstance(high, str):
            ordered(low, high)


def paired(join: Step) -> bool:
    """Whether rows are joined by two different columns, as employees with those they report to."""
    return any(left != right for left, right in join.get("match") or ())


def of_key(step: Step) -> None:
    """A group has one value of its key: no sum, list or other aggregate of that says anything."""
    keys = {k.lower() for k in step.get("keys") or ()} if step.verb == "group" else set()
    for function, argument, _ in step.args["aggregates"] if keys else ():
        if function != "count" and str(argument or "").lower() in keys:
            raise LanguageError(f"`{function} {argument}` is asked of rows grouped by {argument}")


def parts(plan: Plan) -> Iterator[Step]:
    """Every step, its operators and its rules."""
    for step in plan.steps:
        yield step
        yield from step.args.get("operators") or ()
        yield from step.args.get("rules") or ()


def squared(e: Expr) -> bool:
    return isinstance(e, Binary) and e.op == "*" and isinstance(e.left, Col) and e.left == e.right


def alone(operators: Sequence[Step]) -> None:
    """Groups by a column of which only the missing values were kept make one group."""
    gone: set[str] = set()
    for o in operators:
        if o.verb == "filter":
            gone |= missing(conjuncts(parse_expression(o.args["condition"])))
        if o.verb == "group" and gone & {k.lower() for k in o.get("keys") or ()}:
            raise LanguageError("the rows are grouped by a column that is always missing")


def conjuncts(e: Expr) -> list[Expr]:
    return [*conjuncts(e.left), *conjuncts(e.right)] if isinstance(e, Binary) and e.op == "and" else [e]


def missing(parts: Sequence[Expr]) -> set[str]:
    """The columns that must be missing for all of these to hold."""
    return {p.arg.name.lower() for p in parts if isinstance(p, IsNull) and not p.negated and isinstance(p.arg, Col)}


def contradicted(e: Expr) -> None:
    """A column that must be missing and is asked for something else besides."""
    found = conjuncts(e)
    gone = missing(found)
    for p in found:
        used = {c.name.lower() for c in columns_of(p)}
        if gone & used and not (isinstance(p, IsNull) and not p.negated) and "coalesce" not in print_expression(p):
            raise LanguageError(f"`{print_expression(e)}` can never be true")


def empty(e: Expr) -> None:
    if isinstance(e, Binary) and e.op == "and":
        contradicted(e)
    if isinstance(e, Binary) and e.op in COMPARED and any(map(squared, (e.left, e.right))):
        raise LanguageError(f"`{print_expression(e)}` compares with a column times itself")
    if isinstance(e, In) and len({print_expression(i).lower() for i in e.items}) < len(e.items):
        raise LanguageError(f"`{print_expression(e)}` says a value twice")
    if isinstance(e, Binary) and e.op in ITSELF and print_expression(e.left) == print_expression(e.right):
        raise LanguageError(f"`{print_expression(e)}` compares a thing with itself")
    if isinstance(e, Call) and e.name != "concat" and len(e.args) > 1 and len({print_expression(a) for a in e.args}) < len(e.args):
        raise LanguageError(f"`{print_expression(e)}` says a thing twice")
    if isinstance(e, Between):
        ordered(print_expression(e.low), print_expression(e.high))
    if isinstance(e, Case):
        whens = [print_expression(a) for a, _ in e.whens]
        if len(set(whens)) < len(whens):
            raise LanguageError("a `case` says a condition twice")
        results = [print_expression(a) for a in (*(b for _, b in e.whens), e.otherwise) if a is not None]
        if len(results) > 2 and any(a == b for a, b in pairwise(results)):
            raise LanguageError("a `case` gives one value for two conditions")


def ordered(low: str, high: str) -> None:
    a, b = parse_expression(low), parse_expression(high)
    if (
        isinstance(a, Literal)
        and isinstance(b, Literal)
        and a.kind == b.kind == "number"
        and float(a.value) >= float(b.value)
    ):
        raise LanguageError(f"nothing lies between {low} and {high}")
