"""Expressions of the intent language: parse, print, find the columns, infer the kind of value.

price * quantity      status in ('paid', 'open')      created_at >= date '2025-01-01'      round(x / 3, 2)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from intendant.errors import LanguageError
from intendant.language.cursor import Cursor, Mismatch
from intendant.language.functions import FUNCTIONS
from intendant.language.lexer import lex, quote_name, quote_string

__all__ = [
    "HARD",
    "Between",
    "Binary",
    "Call",
    "Case",
    "Col",
    "Expr",
    "In",
    "IsNull",
    "Literal",
    "Unary",
    "columns_of",
    "name_token",
    "parse_expression",
    "print_expression",
    "read_expression",
    "read_literal",
    "walk",
]

HARD = frozenset(
    (
        "and or not null true false case when then else end in is between like matches contains starts ends "
        "as by to into on with from for of"
    ).split()
)
"""Words that are never a bare name."""


@dataclass(frozen=True)
class Literal:
    """`kind` is number, text, bool, null, date, timestamp, duration; a number keeps its digits as text."""

    value: str
    kind: str


@dataclass(frozen=True)
class Col:
    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Unary:
    op: str
    arg: Expr


@dataclass(frozen=True)
class Binary:
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Between:
    arg: Expr
    low: Expr
    high: Expr
    negated: bool = False


@dataclass(frozen=True)
class In:
    arg: Expr
    items: tuple[Expr, ...]
    negated: bool = False


@dataclass(frozen=True)
class IsNull:
    arg: Expr
    negated: bool = False


@dataclass(frozen=True)
class Call:
    name: str
    args: tuple[Expr, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Case:
    whens: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None = None


Expr: TypeAlias = Literal | Col | Unary | Binary | Between | In | IsNull | Call | Case

COMPARE = ("=", "!=", "<>", "<=", ">=", "<", ">")
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
MAX_DEPTH = 60


def name_token(c: Cursor, label: str) -> str:
    """A bare or quoted name at the cursor."""
    token = c.token
    if token.kind == "name" or (token.kind == "word" and token.lower not in HARD):
        return c.next().text
    raise c.fail(label)


class Reader:
    """Precedence climbing: or, and, not, comparison, + - ||, * / %, unary minus, primary."""

    def __init__(self, c: Cursor) -> None:
        self.c, self.depth = c, 0

    def expression(self) -> Expr:
        self.deeper()
        left = self.conjunction()
        while self.c.at_word("or"):
            self.c.next()
            left = Binary("or", left, self.conjunction())
        self.depth -= 1
        return left

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.too_deep()

    def too_deep(self) -> LanguageError:
        return self.c.refusal(
            f"the expression is nested deeper than {MAX_DEPTH}", "Split it with `derive`, or list values with `in`."
        )

    def conjunction(self) -> Expr:
        left = self.negation()
        while self.c.at_word("and"):
            self.c.next()
            left = Binary("and", left, self.negation())
        return left

    def negation(self) -> Expr:
        nots = 0
        while self.c.at_word("not"):
            self.c.next()
            nots += 1
            if nots > MAX_DEPTH:
                raise self.too_deep()
        out = self.comparison()
        for _ in range(nots):
            out = Unary("not", out)
        return out

    def comparison(self) -> Expr:
        left = self.sum()
        while True:
            nxt = self.tail(left)
            if nxt is None:
                return left
            left = nxt

    def tail(self, left: Expr) -> Expr | None:
        c = self.c
        if c.at_symbol(*COMPARE):
            op = c.next().text
            return Binary("!=" if op == "<>" else op, left, self.sum())
        if c.at_word("is"):
            return self.null_test(left)
        negated = c.at_word("not") and c.peek(1).lower in ("in", "between", "like", "matches", "contains")
        start = 1 if negated else 0
        word = c.peek(start).lower if c.peek(start).kind == "word" else ""
        if word == "in" and c.peek(start + 1).text == "(":
            self.skip(start + 1)
            return In(left, self.arguments(), negated)
        if word == "between":
            self.skip(start + 1)
            low = self.sum()
            c.word("and")
            return Between(left, low, self.sum(), negated)
        if word in ("like", "matches", "contains"):
            self.skip(start + 1)
            out: Expr = Binary(word, left, self.sum())
            return Unary("not", out) if negated else out
        if word in ("starts", "ends") and c.peek(1).lower == "with":
            self.skip(2)
            return Binary(f"{word} with", left, self.sum())
        return None

    def skip(self, n: int) -> None:
        for _ in range(n):
            self.c.next()

    def null_test(self, left: Expr) -> Expr:
        self.c.next()
        negated = self.c.at_word("not")
        if negated:
            self.c.next()
        self.c.word("null")
        return IsNull(left, negated)

    def sum(self) -> Expr:
        left = self.product()
        while self.c.at_symbol("+", "-", "||"):
            op = self.c.next().text
            left = Binary(op, left, self.product())
        return left

    def product(self) -> Expr:
        left = self.factor()
        while self.c.at_symbol("*", "/", "%"):
            op = self.c.next().text
            left = Binary(op, left, self.factor())
        return left

    def factor(self) -> Expr:
        if self.c.at_symbol("-"):
            self.c.next()
            self.deeper()
            arg = self.factor()
            self.depth -= 1
            if isinstance(arg, Literal) and arg.kind == "number" and not arg.value.startswith("-"):
                return Literal("-" + arg.value, "number")
            return Unary("-", arg)
        return self.primary()

    def arguments(self) -> tuple[Expr, ...]:
        self.c.symbol("(")
        out = [self.expression()]
        while self.c.at_symbol(","):
            self.c.next()
            out.append(self.expression())
        self.c.symbol(")")
        return tuple(out)

    def primary(self) -> Expr:
        c = self.c
        token = c.token
        if token.kind == "number":
            c.next()
            if c.token.kind == "word" and c.token.lower.rstrip("s") in UNITS:
                return Literal(f"{token.text} {c.next().lower.rstrip('s')}", "duration")
            return Literal(token.text, "number")
        if token.kind == "string":
            return Literal(c.next().text, "text")
        if c.at_symbol("("):
            c.next()
            inner = self.expression()
            c.symbol(")")
            return inner
        if token.kind == "word":
            out = self.keyword()
            if out is not None:
                return out
        at = token.at
        return Col(name_token(c, "a column, a value or a function"), at)

    def keyword(self) -> Expr | None:
        c = self.c
        word = c.token.lower
        if word in ("true", "false"):
            return Literal(c.next().lower, "bool")
        if word == "null":
            c.next()
            return Literal("null", "null")
        if word in ("date", "timestamp") and c.peek(1).kind == "string":
            c.next()
            return Literal(c.next().text, word)
        if word == "case":
            return self.case()
        if word in ("now", "today") and [(t.kind, t.text) for t in (c.peek(1), c.peek(2))] == [
            ("symbol", "("),
            ("symbol", ")"),
        ]:
            at = c.next().at
            self.skip(2)
            return Call(word, (), at)
        if c.peek(1).text == "(" and c.peek(1).kind == "symbol" and word in FUNCTIONS:
            at = c.next().at
            return Call(word, self.arguments(), at)
        return None

    def case(self) -> Expr:
        c = self.c
        c.word("case")
        whens = []
        while c.at_word("when"):
            c.next()
            condition = self.expression()
            c.word("then")
            whens.append((condition, self.expression()))
        if not whens:
            raise c.fail("when")
        otherwise = None
        if c.at_word("else"):
            c.next()
            otherwise = self.expression()
        c.word("end")
        return Case(tuple(whens), otherwise)


def read_expression(c: Cursor) -> Expr:
    """An expression at the cursor; raises Mismatch with the cursor's farthest place set, LanguageError when too deep."""
    reader = Reader(c)
    out = reader.expression()
    if height(out) > MAX_DEPTH:
        raise reader.too_deep()
    return out


def height(e: Expr) -> int:
    """How deep the expression is nested; a chain such as `a or b or c` nests at each word."""
    level, below = 0, [e]
    while below:
        level, below = level + 1, [child for parent in below for child in children(parent)]
    return level


def read_literal(c: Cursor) -> Literal:
    """A literal at the cursor, a signed number among them; raises Mismatch."""
    start = c.pos
    out = Reader(c).factor()
    if not isinstance(out, Literal):
        c.pos = start
        raise c.fail("a value")
    return out


def parse_expression(text: str) -> Expr:
    """The expression a text holds. Raises LanguageError with line and column."""
    c = Cursor(text, [t for t in lex(text) if t.kind != "newline"])
    try:
        out = read_expression(c)
        if c.token.kind != "end":
            raise c.fail("the end of the expression")
    except Mismatch:
        raise c.error() from None
    return out


LEVEL = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "||": 5, "*": 6, "/": 6, "%": 6}


def level(e: Expr) -> int:
    if isinstance(e, Binary):
        return LEVEL.get(e.op, 4)
    if isinstance(e, Unary):
        return 3 if e.op == "not" else 7
    if isinstance(e, Between | In | IsNull):
        return 4
    return 9


def wrap(e: Expr, least: int, reserved: frozenset[str]) -> str:
    text = print_expression(e, reserved)
    return text if level(e) >= least else f"({text})"


def print_expression(e: Expr, reserved: frozenset[str] = HARD) -> str:
    """The canonical text; parsing it gives the same expression."""
    if isinstance(e, Literal):
        return print_literal(e)
    if isinstance(e, Col):
        return quote_name(e.name, reserved)
    if isinstance(e, Unary):
        return f"not {wrap(e.arg, 3, reserved)}" if e.op == "not" else f"-{wrap(e.arg, 9, reserved)}"
    if isinstance(e, Binary):
        n = level(e)
        least = 5 if n == 4 else n
        return f"{wrap(e.left, least, reserved)} {e.op} {wrap(e.right, least + (n != 4), reserved)}"
    if isinstance(e, Between):
        no = "not " if e.negated else ""
        return f"{wrap(e.arg, 5, reserved)} {no}between {wrap(e.low, 5, reserved)} and {wrap(e.high, 5, reserved)}"
    if isinstance(e, In):
        items = ", ".join(print_expression(i, reserved) for i in e.items)
        return f"{wrap(e.arg, 5, reserved)} {'not ' if e.negated else ''}in ({items})"
    if isinstance(e, IsNull):
        return f"{wrap(e.arg, 5, reserved)} is {'not ' if e.negated else ''}null"
    if isinstance(e, Call):
        return f"{e.name}({', '.join(print_expression(a, reserved) for a in e.args)})"
    whens = " ".join(f"when {print_expression(a, reserved)} then {print_expression(b, reserved)}" for a, b in e.whens)
    tail = f" else {print_expression(e.otherwise, reserved)}" if e.otherwise is not None else ""
    return f"case {whens}{tail} end"


def print_literal(e: Literal) -> str:
    if e.kind == "text":
        return quote_string(e.value)
    if e.kind in ("date", "timestamp"):
        return f"{e.kind} {quote_string(e.value)}"
    if e.kind == "duration":
        n, unit = e.value.split()
        return f"{n} {unit}{'' if n == '1' else 's'}"
    return e.value


def children(e: Expr) -> tuple[Expr, ...]:
    if isinstance(e, Unary | IsNull):
        return (e.arg,)
    if isinstance(e, Binary):
        return (e.left, e.right)
    if isinstance(e, Between):
        return (e.arg, e.low, e.high)
    if isinstance(e, In):
        return (e.arg, *e.items)
    if isinstance(e, Call):
        return e.args
    if isinstance(e, Case):
        return (*(x for pair in e.whens for x in pair), *((e.otherwise,) if e.otherwise is not None else ()))
    return ()


def walk(e: Expr) -> Iterator[Expr]:
    """The expression and everything in it, outermost first."""
    yield e
    for child in children(e):
        yield from walk(child)


def columns_of(e: Expr) -> tuple[Col, ...]:
    """The columns an expression names, in order."""
    return tuple(x for x in walk(e) if isinstance(x, Col))
