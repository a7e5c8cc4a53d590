"""Expressions of the intent language built piece by piece, with their negation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from intendant.language.expression import (
    Between,
    Binary,
    Call,
    Col,
    Expr,
    In,
    IsNull,
    Literal,
    Unary,
    parse_expression,
    print_expression,
)
from intendant.language.grammar import grammar

__all__ = ["both", "call", "column", "compare", "either", "number", "opposite", "show", "tree"]

OPPOSITES = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def show(e: Expr) -> str:
    """The canonical text."""
    return print_expression(e, grammar().kinds.reserved)


def tree(text: str) -> Expr:
    """A literal or an expression from its text."""
    return parse_expression(text)


def number(text: str) -> Expr:
    return Literal(text, "number")


def call(name: str, *args: Expr) -> Expr:
    return Call(name, args)


def compare(op: str, left: Expr, right: Expr) -> Expr:
    return Binary(op, left, right)


def both(parts: Sequence[Expr]) -> Expr:
    """All of them."""
    return reduce(lambda a, b: Binary("and", a, b), [t for p in parts for t in terms(p)])


def terms(e: Expr) -> list[Expr]:
    """The conditions that `and` joins."""
    return [*terms(e.left), *terms(e.right)] if isinstance(e, Binary) and e.op == "and" else [e]


def either(parts: Sequence[Expr]) -> Expr:
    """Any of them."""
    return reduce(lambda a, b: Binary("or", a, b), parts)


def opposite(e: Expr) -> Expr:
    """What is true when the expression is not, missing values aside."""
    if isinstance(e, Binary):
        if e.op in OPPOSITES:
            return Binary(OPPOSITES[e.op], e.left, e.right)
        if e.op in ("and", "or"):
            return Binary("or" if e.op == "and" else "and", opposite(e.left), opposite(e.right))
    if isinstance(e, Between):
        return Between(e.arg, e.low, e.high, not e.negated)
    if isinstance(e, In):
        return In(e.arg, e.items, not e.negated)
    if isinstance(e, IsNull):
        return IsNull(e.arg, not e.negated)
    if isinstance(e, Unary) and e.op == "not":
        return e.arg
    return Unary("not", e)


def column(name: str) -> Expr:
    return Col(name)
