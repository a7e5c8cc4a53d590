"""Expressions to sqlglot trees, typed against the columns they stand on; nothing else makes SQL of what people write."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from intendant.errors import TypeMismatch, UnknownName, did_you_mean
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
    Unary,
    print_expression,
)
from intendant.language.functions import FUNCTIONS
from intendant.language.guard import Guard, attempted, columns_in, divided_by_zero, narrowed, raises, undefined_power
from intendant.language.sql_names import ARITY, CASTS, SIMPLE, WHOLE
from intendant.types import Column

__all__ = ["Compiler", "column_sql", "find_column", "kind_of_type", "literal_sql", "words"]

NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|REAL|DECIMAL)", re.I)
TYPE_NAMES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "decimal": "DECIMAL(18, 4)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "json": "JSON",
}
"""The language's types as DuckDB's."""

BINARY: dict[str, type[exp.Binary]] = {
    "and": exp.And,
    "or": exp.Or,
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "/": exp.Div,
    "%": exp.Mod,
    "||": exp.DPipe,
}


def kind_of_type(duckdb_type: str) -> str:
    """number, text, bool, time (dates and timestamps), clock (time of day), duration or other."""
    t = duckdb_type.upper()
    if t.endswith("[]") or t.startswith(("STRUCT", "MAP", "UNION")):
        return "other"
    if NUMBER.match(t):
        return "number"
    if t.startswith(("DATE", "TIMESTAMP")):
        return "time"
    if t.startswith(("VARCHAR", "ENUM", "UUID", "JSON")):
        return "text"
    return {"BOOLEAN": "bool", "TIME": "clock", "INTERVAL": "duration"}.get(t, "other")


def find_column(name: str, columns: Sequence[Column], where: str = "") -> Column:
    """The column of that name, exactly or in any case. Raises UnknownName with the nearest one."""
    for c in columns:
        if c.name == name:
            return c
    folded = [c for c in columns if c.name.lower() == name.lower()]
    if len(folded) > 1:
        said = " and ".join(repr(c.name) for c in folded)
        raise UnknownName(f"{name!r} may be {said}", where=where, hint="Write it as one of them is written.", name=name)
    if folded:
        return folded[0]
    raise UnknownName(
        f"there is no column {name!r}",
        where=where,
        hint=did_you_mean(name, [c.name for c in columns], "column"),
        name=name,
    )


def column_sql(name: str) -> exp.Column:
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def literal_sql(e: Literal) -> exp.Expression:
    """A literal as a typed SQL literal; text can't leave its quotes."""
    if e.kind == "number":
        negative = e.value.startswith("-")
        out: exp.Expression = exp.Literal.number(e.value.lstrip("-"))
        return exp.Neg(this=out) if negative else out
    if e.kind == "bool":
        return exp.Boolean(this=e.value == "true")
    if e.kind == "null":
        return exp.Null()
    if e.kind in ("date", "timestamp"):
        return exp.Cast(this=exp.Literal.string(e.value), to=exp.DataType.build(e.kind.upper(), dialect="duckdb"))
    if e.kind == "duration":
        n, unit = e.value.split()
        return exp.Interval(this=exp.Literal.string(n), unit=exp.Var(this=unit.upper()))
    return exp.Literal.string(e.value)


class Compiler:
    """Compiles expressions over `columns`. `where` names the place in errors.

    With `guards`, the trees are NULL where a value can't be computed, and the tests that find such rows are put there.
    """

    def __init__(self, columns: Sequence[Column], where: str = "", guards: list[Guard] | None = None) -> None:
        self.columns, self.where, self.guards = columns, where, guards

    def guard(self, e: Expr, problem: str, test: exp.Expression) -> None:
        if self.guards is not None:
            self.guards.append(Guard(print_expression(e), problem, columns_in(test), test))

    def tried(self, e: Expr, tree: exp.Expression, problem: str = "can't be computed") -> exp.Expression:
        """The tree, guarded where it may fail."""
        if self.guards is None:
            return tree
        self.guard(e, problem, raises(tree))
        return attempted(tree)

    @property
    def mark(self) -> int:
        """How many guards there are: those that follow are of what is visited next."""
        return len(self.guards or ())

    def only(self, condition: exp.Expression, start: int, end: int | None = None) -> None:
        """What was visited since `start` is needed only where the condition is true."""
        if self.guards:
            narrowed(self.guards, start, condition, end)

    def sql(self, e: Expr) -> exp.Expression:
        """The SQL tree. Raises UnknownName or TypeMismatch."""
        return self.visit(e)[0]

    def kind(self, e: Expr) -> str:
        return self.visit(e)[1]

    def condition(self, e: Expr) -> exp.Expression:
        """The SQL tree of an expression that must be true or false."""
        return self.truth(e, *self.visit(e))

    def truth(self, e: Expr, tree: exp.Expression, kind: str) -> exp.Expression:
        """A visited expression as a condition; visiting it again would double the work at every level of nesting."""
        if kind == "number" and isinstance(e, Col):  # databases without booleans keep 0 and 1
            return exp.NEQ(this=tree, expression=exp.Literal.number(0))
        if kind not in ("bool", "null", "any"):
            raise self.wrong(
                e,
                f"`{print_expression(e)}` is {words(kind)}, not a condition",
                "Compare it with something, e.g. `> 0`.",
            )
        return tree

    def wrong(self, e: Expr, message: str, hint: str) -> TypeMismatch:
        return TypeMismatch(message, where=self.where or f"`{print_expression(e)}`", hint=hint)

    def visit(self, e: Expr) -> tuple[exp.Expression, str]:
        return VISITORS[type(e)](self, e)

    def literal(self, e: Literal) -> tuple[exp.Expression, str]:
        kind = {"date": "time", "timestamp": "time"}.get(e.kind, e.kind)
        if kind == "time" and not re.match(r"\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d(:\d\d(\.\d+)?)?)?\Z", e.value):
            raise self.wrong(e, f"{e.value!r} is no {e.kind}", "Write it as '2025-12-31' or '2025-12-31 18:00'.")
        return literal_sql(e), kind

    def column(self, e: Col) -> tuple[exp.Expression, str]:
        found = find_column(e.name, self.columns, self.where)
        return column_sql(found.name), kind_of_type(found.type)

    def unary(self, e: Unary) -> tuple[exp.Expression, str]:
        tree, kind = self.visit(e.arg)
        if e.op == "not":
            return exp.Not(this=exp.paren(self.truth(e.arg, tree, kind))), "bool"
        self.expect(e.arg, kind, ("number", "duration"), "`-` needs a number")
        return self.tried(e, exp.Neg(this=exp.paren(tree))), kind

    def expect(self, e: Expr, kind: str, wanted: tuple[str, ...], message: str) -> None:
        if kind not in (*wanted, "null", "any", "other"):
            raise self.wrong(
                e, f"{message}; `{print_expression(e)}` is {words(kind)}", "Cast it or use another column."
            )

    def binary(self, e: Binary) -> tuple[exp.Expression, str]:
        start = self.mark
        left, lk = self.visit(e.left)
        middle = self.mark
        right, rk = self.visit(e.right)
        op = e.op
        if op in ("and", "or"):
            self.expect(e.left, lk, ("bool",), f"`{op}` joins conditions")
            self.expect(e.right, rk, ("bool",), f"`{op}` joins conditions")
            self.only(undecided(op, right), start, middle)
            self.only(undecided(op, left), middle)
            return BINARY[op](this=exp.paren(left), expression=exp.paren(right)), "bool"
        if op in ("like", "matches", "contains", "starts with", "ends with"):
            tested = self.text_test(e, left, lk, right, rk)
            fixed = op != "matches" or isinstance(e.right, Literal)
            return (tested if fixed else self.tried(e, tested, "has no regular expression")), "bool"
        if op in ("=", "!=", "<", "<=", ">", ">="):
            left, right = self.comparable(e, e.left, left, lk, e.right, right, rk)
            compared = BINARY[op](this=wrapped(left), expression=wrapped(right))
            return (compared if lk == rk != "other" else self.tried(e, compared, "can't be compared")), "bool"
        return self.operated(e, left, right), self.arithmetic(e, lk, rk)

    def operated(self, e: Binary, left: exp.Expression, right: exp.Expression) -> exp.Expression:
        if self.guards is not None and e.op in "/%":
            self.guard(e, "divides by zero", divided_by_zero(left, right))
            right = exp.Nullif(this=right, expression=exp.Literal.number(0))
        tree = BINARY[e.op](this=wrapped(left), expression=wrapped(right))
        return tree if e.op in ("/", "||") else self.tried(e, tree, "is too large" if e.op in "+-*" else "can't be computed")

    def arithmetic(self, e: Binary, lk: str, rk: str) -> str:
        if e.op == "||":
            return "text"
        if lk == "time" and rk in ("duration", "number") and e.op in "+-":
            return "time"
        if lk == "time" and rk == "time" and e.op == "-":
            return "duration"
        if {lk, rk} == {"duration"} and e.op in "+-":
            return "duration"
        self.expect(e.left, lk, ("number",), f"`{e.op}` needs numbers")
        self.expect(e.right, rk, ("number",), f"`{e.op}` needs numbers")
        return "number"

    def text_test(self, e: Binary, left: exp.Expression, lk: str, right: exp.Expression, rk: str) -> exp.Expression:
        self.expect(e.left, lk, ("text",), f"`{e.op}` needs text")
        self.expect(e.right, rk, ("text",), f"`{e.op}` needs text")
        if e.op == "like":
            return exp.Like(this=wrapped(left), expression=wrapped(right))
        if e.op == "matches":
            if isinstance(e.right, Literal):
                self.regex(e.right)
            return exp.RegexpLike(this=left, expression=right)
        name = {"contains": "CONTAINS", "starts with": "STARTS_WITH", "ends with": "ENDS_WITH"}[e.op]
        return exp.func(name, left, right, dialect="duckdb")

    def regex(self, e: Literal) -> None:
        try:
            re.compile(e.value)
        except re.error as x:
            raise self.wrong(e, f"{e.value!r} is no regular expression: {x}", "Escape special characters.") from None

    def comparable(
        self, whole: Expr, a: Expr, left: exp.Expression, lk: str, b: Expr, right: exp.Expression, rk: str
    ) -> tuple[exp.Expression, exp.Expression]:
        """Both sides, a text literal beside a time made that time; other mixtures are errors."""
        if lk == rk or {lk, rk} & {"null", "any", "other"}:
            return left, right
        if lk == "time" and isinstance(b, Literal) and b.kind == "text":
            return left, self.literal(Literal(b.value, "timestamp"))[0]
        if rk == "time" and isinstance(a, Literal) and a.kind == "text":
            return self.literal(Literal(a.value, "timestamp"))[0], right
        if {lk, rk} == {"clock", "text"}:
            return left, right
        if lk == "number" and isinstance(b, Literal) and b.kind == "bool":
            return left, exp.Literal.number(1 if b.value == "true" else 0)
        raise self.wrong(
            whole,
            f"`{print_expression(a)}` is {words(lk)}, `{print_expression(b)}` is {words(rk)}",
            "Compare like with like: quote text, leave numbers bare, or cast the column.",
        )

    def between(self, e: Between) -> tuple[exp.Expression, str]:
        tree, kind = self.visit(e.arg)
        low, lk = self.visit(e.low)
        high, hk = self.visit(e.high)
        _, low = self.comparable(e, e.arg, tree, kind, e.low, low, lk)
        _, high = self.comparable(e, e.arg, tree, kind, e.high, high, hk)
        out: exp.Expression = exp.Between(this=wrapped(tree), low=wrapped(low), high=wrapped(high))
        return (exp.Not(this=exp.paren(out)) if e.negated else out), "bool"

    def among(self, e: In) -> tuple[exp.Expression, str]:
        tree, kind = self.visit(e.arg)
        items = []
        for item in e.items:
            sql, k = self.visit(item)
            items.append(self.comparable(e, e.arg, tree, kind, item, sql, k)[1])
        out: exp.Expression = exp.In(this=wrapped(tree), expressions=items)
        return (exp.Not(this=exp.paren(out)) if e.negated else out), "bool"

    def null_test(self, e: IsNull) -> tuple[exp.Expression, str]:
        out: exp.Expression = exp.Is(this=wrapped(self.sql(e.arg)), expression=exp.Null())
        return (exp.Not(this=exp.paren(out)) if e.negated else out), "bool"

    def case(self, e: Case) -> tuple[exp.Expression, str]:
        ifs: list[exp.If] = []
        kinds: list[tuple[Expr, str]] = []
        for condition, value in e.whens:
            start = self.mark
            test = self.condition(condition)
            middle = self.mark
            tree, k = self.visit(value)
            self.only(holds(test), middle)
            for earlier in ifs:
                self.only(exp.Not(this=holds(earlier.this)), start)
            kinds.append((value, k))
            ifs.append(exp.If(this=test, true=tree))
        start = self.mark
        default = self.visit(e.otherwise) if e.otherwise is not None else None
        for earlier in ifs:
            self.only(exp.Not(this=holds(earlier.this)), start)
        if default and e.otherwise is not None:
            kinds.append((e.otherwise, default[1]))
        return exp.Case(ifs=ifs, default=default[0] if default else None), self.alike(e, kinds)

    def alike(self, whole: Expr, kinds: Sequence[tuple[Expr, str]]) -> str:
        """The one kind of values that stand for each other. Raises TypeMismatch when there are two."""
        known = [(e, k) for e, k in kinds if k not in ("null", "any", "other")]
        for e, k in known[1:]:
            text = isinstance(e, Literal) and e.kind == "text" and known[0][1] == "time"
            if k != known[0][1] and not text:
                a, b = (f"`{print_expression(x)}` is {words(kind)}" for x, kind in (known[0], (e, k)))
                raise self.wrong(
                    whole, f"{a}, {b}: they can't stand for each other", "Use values of one type, or cast."
                )
        return known[0][1] if known else kinds[0][1]

    def call(self, e: Call) -> tuple[exp.Expression, str]:
        low, high = ARITY.get(e.name, (1, 1))
        if not low <= len(e.args) <= high:
            n = str(low) if low == high else f"{low} to {high}"
            raise self.wrong(
                e,
                f"`{e.name}` takes {n} argument{'' if n == '1' else 's'}, {len(e.args)} given",
                "See `docs/language.md`.",
            )
        marks, pairs = [self.mark], []
        for a in e.args:
            pairs.append(self.visit(a))
            marks.append(self.mark)
        if e.name == "if":
            pairs[0] = self.truth(e.args[0], *pairs[0]), "bool"
            self.only(holds(pairs[0][0]), marks[1], marks[2])
            self.only(exp.Not(this=holds(pairs[0][0])), marks[2])
        if e.name == "coalesce" and self.guards and len(pairs) > 1:
            del self.guards[marks[0] : marks[-2]]  # what is missing there has the next value
            marks[-2] = marks[0]
        for i in range(1, len(pairs) if e.name == "coalesce" else 0):
            self.only(exp.Is(this=exp.Paren(this=pairs[i - 1][0].copy()), expression=exp.Null()), marks[-2])
        if e.name in ("if", "coalesce", "nullif", "greatest", "least"):
            first = 1 if e.name == "if" else 0
            self.alike(e, [(a, k) for a, (_, k) in zip(e.args[first:], pairs[first:], strict=True)])
        result = FUNCTIONS[e.name].kind if e.name in FUNCTIONS else "time"
        kind = {"same": pairs[0][1] if pairs else "any", "second": pairs[1][1] if len(pairs) > 1 else "any"}.get(
            result, result
        )
        return self.called(e, [p[0] for p in pairs]), kind

    def called(self, e: Call, args: list[exp.Expression]) -> exp.Expression:
        """A function of visited arguments, guarded unless it has a value for all of them."""
        if e.name == "power":
            self.guard(e, "has no value", undefined_power(*args))
        tree = self.function(e, args)
        if e.name in WHOLE or not e.args:
            return tree
        return self.tried(e, tree, f"is no {e.name.removesuffix('_of')}" if e.name in CASTS else "can't be computed")

    def function(self, e: Call, args: list[exp.Expression]) -> exp.Expression:
        if e.name in CASTS:
            return exp.Cast(this=args[0], to=exp.DataType.build(CASTS[e.name], dialect="duckdb"))
        if e.name in SIMPLE:
            return exp.func(SIMPLE[e.name], *args, dialect="duckdb")
        return SPECIAL[e.name](self, e, args)

    def start_of(self, e: Call, args: list[exp.Expression]) -> exp.Expression:
        unit = e.args[0]
        if not isinstance(unit, Literal) or unit.value not in ("hour", "day", "week", "month", "quarter", "year"):
            raise self.wrong(
                e,
                "`start_of` begins with 'hour', 'day', 'week', 'month', 'quarter' or 'year'",
                "Write start_of('month', created_at).",
            )
        return exp.func("DATE_TRUNC", exp.Literal.string(unit.value), args[1], dialect="duckdb")


def elapsed(seconds: int) -> Callable[[Compiler, Call, list[exp.Expression]], exp.Expression]:
    """The time that passed between two moments in a unit of so many seconds, fractions included.

    DuckDB's DATE_DIFF counts the boundaries that were crossed: from 10:59 to 11:01 an hour.
    """

    def build(_: Compiler, e: Call, args: list[exp.Expression]) -> exp.Expression:
        start, end = (exp.Anonymous(this="EPOCH", expressions=[a]) for a in args)
        passed = exp.Paren(this=exp.Sub(this=end, expression=start))
        return passed if seconds == 1 else exp.Div(this=passed, expression=exp.Literal.number(seconds))

    return build


def holds(condition: exp.Expression) -> exp.Expression:
    return exp.Is(this=exp.Paren(this=condition.copy()), expression=exp.true())


def undecided(op: str, other: exp.Expression) -> exp.Expression:
    """Whether `and` or `or` needs its one side, given the other: `false and x` is false whatever x is."""
    decides = exp.false() if op == "and" else exp.true()
    return exp.Not(this=exp.Is(this=exp.Paren(this=other.copy()), expression=decides))


def words(kind: str) -> str:
    return {
        "number": "a number",
        "text": "text",
        "bool": "true or false",
        "time": "a date or time",
        "clock": "a time of day",
        "duration": "a length of time",
        "null": "null",
    }.get(kind, "a nested value")


def wrapped(e: exp.Expression) -> exp.Expression:
    """`e` in parentheses unless it stands alone; sqlglot counts `and` and `or` among the functions."""
    simple = isinstance(e, exp.Column | exp.Literal | exp.Func | exp.Cast | exp.Boolean | exp.Null | exp.Paren)
    return e if simple and not isinstance(e, exp.Connector) else exp.Paren(this=e)


SPECIAL: dict[str, Callable[[Compiler, Call, list[exp.Expression]], exp.Expression]] = {
    "start_of": Compiler.start_of,
    "days_between": elapsed(86_400),
    "hours_between": elapsed(3_600),
    "seconds_between": elapsed(1),
    "add_days": lambda c, e, a: exp.Anonymous(
        this="DATE_ADD", expressions=[a[0], exp.Anonymous(this="TO_DAYS", expressions=[exp.cast(a[1], "INT")])]
    ),
    "regexp_replace": lambda c, e, a: exp.Anonymous(this="REGEXP_REPLACE", expressions=[*a, exp.Literal.string("g")]),
    "if": lambda c, e, a: exp.If(this=a[0], true=a[1], false=a[2]),
    "initcap": lambda c, e, a: exp.DPipe(
        this=exp.func("UPPER", exp.func("LEFT", a[0].copy(), exp.Literal.number(1), dialect="duckdb")),
        expression=exp.func("LOWER", exp.func("SUBSTRING", a[0], exp.Literal.number(2))),
    ),
    "element": lambda c, e, a: exp.Anonymous(this="LIST_EXTRACT", expressions=a),
    "now": lambda c, e, a: exp.Cast(this=exp.CurrentTimestamp(), to=exp.DataType.build("TIMESTAMP")),
    "today": lambda c, e, a: exp.CurrentDate(),
}
VISITORS: dict[type, Callable[..., tuple[exp.Expression, str]]] = {
    Literal: Compiler.literal,
    Col: Compiler.column,
    Unary: Compiler.unary,
    Binary: Compiler.binary,
    Between: Compiler.between,
    In: Compiler.among,
    IsNull: Compiler.null_test,
    Case: Compiler.case,
    Call: Compiler.call,
}
