"""Plans that can be run but that nobody means: a column or value said twice, a thing compared with itself, an empty range."""

from __future__ import annotations

from collections.abc import Iterator

from intendant.errors import LanguageError
from intendant.language.expression import (
    Between,
    Binary,
    Call,
    Case,
    Expr,
    Literal,
    parse_expression,
    print_expression,
    walk,
)
from intendant.types import Plan, Step

__all__ = ["nonsense"]

ITSELF = frozenset(("-", "/", "%", "=", "!=", "<", "<=", ">", ">=", "and", "or"))


def nonsense(plan: Plan) -> None:
    """Raises LanguageError at the first step that nobody would mean."""
    improved = [(s.get("table"), s.get("query")) for s in plan.steps if s.verb == "optimize"]
    if len(set(improved)) < len(improved):
        raise LanguageError("the plan optimizes one thing twice")
    for step in plan.steps:
        others = [o.get("table") for o in step.args.get("operators") or () if o.verb in ("join", "union")]
        if step.get("table") in others:
            raise LanguageError(f"{step.args['table']} is joined with itself")
    for step in parts(plan):
        for name, value in step.args.items():
            if isinstance(value, tuple) and all(isinstance(v, str) for v in value) and len(set(value)) < len(value):
                raise LanguageError(f"`{step.verb}` says something twice in {', '.join(map(str, value))}")
            if isinstance(value, str) and name in ("condition", "value", "where", "expression"):
                for e in walk(parse_expression(value)):
                    empty(e)
        low, high = step.args.get("low"), step.args.get("high")
        if isinstance(low, str) and isinstance(high, str):
            ordered(low, high)


def parts(plan: Plan) -> Iterator[Step]:
    """Every step, its operators and its rules."""
    for step in plan.steps:
        yield step
        yield from step.args.get("operators") or ()
        yield from step.args.get("rules") or ()


def empty(e: Expr) -> None:
    if isinstance(e, Binary) and e.op in ITSELF and print_expression(e.left) == print_expression(e.right):
        raise LanguageError(f"`{print_expression(e)}` compares a thing with itself")
    if isinstance(e, Call) and len(e.args) > 1 and len({print_expression(a) for a in e.args}) < len(e.args):
        raise LanguageError(f"`{print_expression(e)}` says a thing twice")
    if isinstance(e, Between):
        ordered(print_expression(e.low), print_expression(e.high))
    if isinstance(e, Case):
        whens = [print_expression(a) for a, _ in e.whens]
        if len(set(whens)) < len(whens):
            raise LanguageError("a `case` says a condition twice")


def ordered(low: str, high: str) -> None:
    a, b = parse_expression(low), parse_expression(high)
    if (
        isinstance(a, Literal)
        and isinstance(b, Literal)
        and a.kind == b.kind == "number"
        and float(a.value) >= float(b.value)
    ):
        raise LanguageError(f"nothing lies between {low} and {high}")
