"""Plans made up from the forms themselves: whatever a verb, an operator or a rule may say, with odd names and texts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from intendant.language.expression import (
    HARD,
    UNITS,
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
from intendant.language.form import Choice, Form, Node, Optional, Sequence, Slot, words_of
from intendant.language.functions import FUNCTIONS
from intendant.language.grammar import grammar
from intendant.language.kinds import AGGREGATES, TYPES
from intendant.language.schedule import DAYS
from intendant.types import Plan, Step

__all__ = ["expressions", "names", "plans", "steps", "texts"]

G = grammar()
RESERVED = G.kinds.reserved
ODD = (
    "order id", 'quo"te', "it's", '"', '""', "größe", "名前", "🙂", "a.b", "staging.x", "quarantine.", "2024", "1e5", "-",
    "x; drop y", "a\nb", "tab\tbed", "--", "/*", "#no comment", "ı", "İ", "K", "\u202eevil", "\x01", " lead", "trail ", "?",
    "SELECT", "Null", "NOT", "count", "Count", "descending", "Into", "as", "duplicates", "missing", "rows", "row", "per",
    "date", "timestamp", "now", "today", "day", "days", "month", "second", "case", "end", "round", "if", "first", "previous",
    "staging", "quarantine", "distinct", "between", "by", "older", "than", "version", "cron", "daily", "fresh", "that",
)  # fmt: skip

texts = st.one_of(
    st.sampled_from(("", "'", "''", "it's", 'a "b"', "a\nb", "🙂", "\\", "%", "_", ";", "--", "/* */", "🏳️‍🌈", "${X}")),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
)
names = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(sorted(RESERVED)),
    st.sampled_from(("amount", "region", "order_id", "Größe", "名前", "_x", "x9")),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8),
)
numbers = st.one_of(
    st.integers(0, 10**20).map(str),
    st.sampled_from(("0.5", "1e5", "1.25E-3", "007", "-5", "-0.1")),
    st.integers(-9, -1).map(str),
)
literals: st.SearchStrategy[Literal] = st.one_of(
    numbers.map(lambda n: Literal(n, "number")),
    texts.map(lambda t: Literal(t, "text")),
    st.sampled_from((Literal("true", "bool"), Literal("false", "bool"), Literal("null", "null"))),
    st.sampled_from(("2025-01-31", "2025-01-31 06:00")).flatmap(
        lambda t: st.sampled_from((Literal(t, "date"), Literal(t, "timestamp")))
    ),
)
durations = st.builds(
    lambda n, u: Literal(f"{n} {u}", "duration"), st.sampled_from(("1", "2", "30", "1.5", "01")), st.sampled_from(UNITS)
)


def _negated(e: Expr) -> Expr:
    """A minus before a positive number is that number."""
    plain = isinstance(e, Literal) and e.kind == "number" and not e.value.startswith("-")
    return Literal(f"-{e.value}", "number") if plain and isinstance(e, Literal) else Unary("-", e)


OPERATORS = (
    "and", "or", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "like", "matches", "contains", "starts with",
    "ends with",
)  # fmt: skip


def _larger(e: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    some = st.lists(e, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Binary, st.sampled_from(OPERATORS), e, e),
        st.builds(lambda a: Unary("not", a), e),
        e.map(_negated),
        st.builds(Between, e, e, e, st.booleans()),
        st.builds(In, e, some, st.booleans()),
        st.builds(IsNull, e, st.booleans()),
        st.builds(Call, st.sampled_from(sorted(FUNCTIONS)), some),
        st.builds(Case, st.lists(st.tuples(e, e), min_size=1, max_size=2).map(tuple), st.none() | e),
    )


leaves = st.one_of(literals, durations, names.map(Col), st.sampled_from((Call("now", ()), Call("today", ()))))
expressions: st.SearchStrategy[Expr] = st.recursive(leaves, _larger, max_leaves=8)
"""Expression trees."""

expression_texts = expressions.map(lambda e: print_expression(e, RESERVED))
values = literals.map(print_expression)
clock = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"at {t[0]:02}:{t[1]:02}")
schedules = st.one_of(
    st.builds(lambda w, c: f"{w} {c}", st.sampled_from(("daily", "weekdays", "weekends")), clock),
    st.builds(
        lambda d, c: f"weekly on {', '.join(d)} {c}", st.lists(st.sampled_from(DAYS), min_size=1, max_size=3), clock
    ),
    st.builds(lambda n, c: f"monthly on day {n} {c}", st.integers(1, 31), clock),
    st.integers(1, 59).map(lambda n: f"every {n} minute{'' if n == 1 else 's'}"),
    st.integers(1, 23).map(lambda n: f"every {n} hour{'' if n == 1 else 's'}"),
    st.sampled_from(("hourly", "cron '5 4 * * 1'", "cron '*/5 0-6 1,15 * mon-fri'")),
)


def _tuples(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, min_size=1, max_size=3).map(tuple)


def _table(schema: str, name: str) -> str:
    return f"{schema}{name}"


tables = st.builds(_table, st.sampled_from(("", "", "staging.", "quarantine.")), names)
over = st.one_of(names.map(G.kinds.name), expression_texts)
aggregates = st.one_of(
    st.tuples(st.just("count"), st.just(""), st.just("") | names),
    st.tuples(st.sampled_from(AGGREGATES), over, st.just("") | names),
)
layouts = st.one_of(
    names.map(G.kinds.name),
    st.builds(lambda u, n: f"{u}({G.kinds.name(n)})", st.sampled_from(("year", "month", "day", "hour")), names),
)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "table": tables,
    "resource": st.builds(
        lambda s, d, r: f"{s}.{r}" if d else s, names.filter(lambda n: "." not in n), st.booleans(), names
    ),
    "column": names,
    "name": names,
    "columns": _tuples(names),
    "key": _tuples(names),
    "int": st.integers(0, 10**17),
    "text": texts,
    "expr": expression_texts,
    "value": values,
    "list": _tuples(values),
    "table_column": st.tuples(tables, names),
    "type": st.sampled_from(TYPES),
    "duration": st.builds(
        lambda n, u: f"{n} {u}{'' if n == 1 else 's'}", st.integers(0, 999), st.sampled_from(UNITS)
    ),
    "when": schedules,
    "order": _tuples(st.tuples(names, st.sampled_from(("ascending", "descending")))),
    "renames": _tuples(st.tuples(names, names)),
    "aggregates": _tuples(aggregates),
    "layout": _tuples(layouts),
    "match": _tuples(st.tuples(names, names)),
    "rate": st.builds(
        lambda n, w, e, u: f"{n} {w} per {u}" if e == 1 else f"{n} {w} per {e} {u}s",
        st.integers(1, 999), st.sampled_from(("requests", "rows")), st.integers(1, 9),
        st.sampled_from(("second", "minute", "hour", "day")),
    ),
}  # fmt: skip


@st.composite
def _args(draw: st.DrawFn, node: Node) -> dict[str, Any]:
    """Arguments that fill one way through a form."""
    if isinstance(node, Slot):
        if node.kind in ("operators", "rules"):
            forms = G.operators if node.kind == "operators" else G.rules
            return {node.name: tuple(draw(st.lists(steps(forms), min_size=1, max_size=3)))}
        return {node.name: draw(KINDS[node.kind])}
    if isinstance(node, Optional):
        return draw(_args(node.part)) if draw(st.booleans()) else {}
    if isinstance(node, Choice):
        option = draw(st.sampled_from(node.options))
        return {node.name: words_of(option)} if node.name else draw(_args(option))
    out: dict[str, Any] = {}
    for part in node.parts if isinstance(node, Sequence) else ():
        out |= draw(_args(part))
    return out


@st.composite
def steps(draw: st.DrawFn, forms: dict[str, Form]) -> Step:
    """A step of one of these forms."""
    verb = draw(st.sampled_from(sorted(forms)))
    return Step(verb, draw(_args(forms[verb].root)))


plans = st.lists(steps(G.verbs), min_size=1, max_size=3).map(lambda s: Plan(tuple(s)))
"""Plans of any verbs."""
assert set(KINDS) | {"operators", "rules"} == set(G.kinds), "every kind of argument has values here"
assert HARD <= RESERVED
