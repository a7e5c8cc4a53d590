"""Operators compiled so that no value stops them: rows that have none where one is needed are led out beside the result.

A query is run strictly first (`strict`), which costs next to nothing and stops at the first such row. Only then it is
compiled anew as here: each operator works on the rows that are good for it, and the others come out with a reason, as they
were when they reached it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from intendant.catalog import Catalog
from intendant.language.expression import Binary, Expr, columns_of, parse_expression, print_expression
from intendant.language.grammar import grammar
from intendant.language.guard import Guard, first_of
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators import operators
from intendant.operators._compile import Typing, scope_of, table_relation
from intendant.operators.base import Relation, free, select_from
from intendant.types import Step

__all__ = ["KNOWN_OF", "OPERATOR", "REASON", "Aside", "from_place", "guarded"]

REASON, OPERATOR = "_reason", "_operator"
KNOWN_OF = (REASON, OPERATOR, "_raw", "_step", "_run")
"""What the quarantine knows of a row beside the row."""
ROW_BY_ROW = frozenset(
    "filter drop_rows drop_columns derive cast trim clip sort rename join split explode fill".split()
)
"""Operators that use only the columns that they name, and leave the others as they are."""
SHOWN = 80
"""Characters of an offending value that a reason shows."""


@dataclass(frozen=True)
class Aside:
    """Rows that an operator can't work on: `operator` counts from 1, `said` is its sentence; `query` gives the rows as they
    reach it, with `_reason` and `_operator`."""

    operator: int
    said: str
    query: exp.Select


def guarded(
    table: str, steps: Sequence[Step], catalog: Catalog, typing: Typing, where: str, *, keep: bool = False
) -> tuple[Relation, list[Aside]]:
    """The relation of the rows that every operator can work on, and the others by operator; each row is in one of them.

    With `keep` those rows stay, with NULL for the value. Raises as `apply` does.
    """
    relation, known, aside = table_relation(table, catalog, where), operators(), list[Aside]()
    moved = list(hoisted(steps))
    for place, (at, step) in enumerate(moved):
        guards: list[Guard] = []
        scope = scope_of(step, catalog, typing, where, guards)
        out = known[step.verb].apply(step, copied(relation), scope)
        if guards and not unused(step, [s for _, s in moved[place + 1 :]]):
            said, own = grammar().write(steps[at]), place_of(at, step)
            aside.append(Aside(at + 1, said, bad_rows(relation, guards, own, said)))
            if not keep:
                query = select_from(copied(relation)).where(exp.Not(this=first_of(guards)), copy=False)
                good = Relation(query, relation.columns, relation.ordered)
                out = known[step.verb].apply(step, good, replace(scope, guards=[]))
        relation = out
    return relation, aside


def copied(relation: Relation) -> Relation:
    """The relation with a tree of its own: a tree can stand in one place only."""
    return replace(relation, query=relation.query.copy())


def place_of(at: int, step: Step) -> str:
    """What `_operator` says: the place, from 1, and the sentence, of a filter with several conditions just the one."""
    return f"{at + 1}: {grammar().write(step)}"


def from_place(steps: Sequence[Step], operator: str) -> tuple[list[Step], list[Step]]:
    """The steps that came before that `_operator` as they were done, and those that a mended row is still to pass: its own, what
    comes after it, and conditions from there on that were looked at earlier."""
    moved, number = list(hoisted(steps)), int(operator.partition(":")[0]) - 1
    own = [i for i, (at, _) in enumerate(moved) if at == number]
    place = next((i for i in own if place_of(*moved[i]) == operator), min(own, default=len(moved)))
    return [s for _, s in moved[:place]], [s for i, (at, s) in enumerate(moved) if i >= place or at >= number]


def bad_rows(relation: Relation, guards: Sequence[Guard], own: str, said: str) -> exp.Select:
    """The rows that one of the guards finds bad, with the first reason."""
    taken = {n.lower() for n in KNOWN_OF}
    shown = [
        exp.alias_(column_sql(n), free(n, taken) if n.lower() in taken else n, quoted=True) for n in relation.names
    ]
    why = exp.Case(ifs=[exp.If(this=g.test.copy(), true=reason(g, relation, said)) for g in guards])
    extra = [
        exp.alias_(why, REASON, quoted=True),
        exp.alias_(exp.Literal.string(own), OPERATOR, quoted=True),
    ]
    return select_from(copied(relation), *shown, *extra).where(first_of(guards), copy=False)


def reason(guard: Guard, relation: Relation, said: str) -> exp.Expression:
    """`derive rate = a / b`: `a / b` divides by zero (a = 5, b = 0)"""
    parts: list[exp.Expression] = [exp.Literal.string(f"`{said}`: `{guard.said}` {guard.problem} (")]
    for i, column in enumerate(c for c in relation.columns if c.name in guard.columns):
        value = exp.func(
            "LEFT", exp.TryCast(this=column_sql(column.name), to=exp.DataType.build("TEXT")), exp.Literal.number(SHOWN)
        )
        if kind_of_type(column.type) == "text":
            quote = exp.Literal.string("'")
            value = exp.DPipe(this=exp.DPipe(this=quote, expression=value), expression=quote.copy())
        parts.append(exp.Literal.string(f"{', ' if i else ''}{column.name} = "))
        parts.append(exp.Coalesce(this=value, expressions=[exp.Literal.string("missing")]))
    return exp.func("CONCAT", *parts, exp.Literal.string(")"), dialect="duckdb")


# ---------------------------------------------------------------- what isn't needed isn't looked at
def hoisted(steps: Sequence[Step]) -> Iterator[tuple[int, Step]]:
    """The steps with their places, each condition of a filter as early as the columns that it names are what they are:
    a row that is left out anyway is not set aside."""
    out: list[tuple[int, Step]] = []
    for at, step in enumerate(steps):
        for part in conditions(step):
            names = (
                {c.name.lower() for c in columns_of(parse_expression(part.args["condition"]))}
                if part.verb == "filter"
                else set()
            )
            place = len(out)
            while part.verb == "filter" and place and passes(out[place - 1][1], names):
                place -= 1
            out.insert(place, (at, part))
    yield from out


def conditions(step: Step) -> Iterator[Step]:
    """A filter as one filter for each of its conditions that all must hold; another step as it is."""
    if step.verb != "filter":
        yield step
        return
    rest: list[Expr] = [parse_expression(step.args["condition"])]
    while rest:
        e = rest.pop()
        if isinstance(e, Binary) and e.op == "and":
            rest += [e.right, e.left]
        else:
            yield Step("filter", {"condition": print_expression(e)})


def passes(before: Step, names: set[str]) -> bool:
    """Whether a filter by these columns may stand before that step and choose the same rows."""
    if before.verb == "derive":
        return str(before.args["name"]).lower() not in names
    if before.verb in ("cast", "clip"):
        return str(before.args["column"]).lower() not in names
    if before.verb in ("trim", "split"):
        made = before.args["columns"] if before.verb == "trim" else before.args["parts"]
        return not names & {str(n).lower() for n in made}
    return before.verb in ("filter", "sort", "select", "drop_columns")


def unused(step: Step, later: Sequence[Step]) -> bool:
    """Whether the column that a step makes is thrown away before anything has used it."""
    if step.verb not in ("derive", "cast"):
        return False
    name = str(step.args["name" if step.verb == "derive" else "column"]).lower()
    whole = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    for s in later:
        gone = s.verb == "drop_columns" and name in {str(n).lower() for n in s.args["columns"]}
        named = any(whole.search(text) for text in texts({k: v for k, v in s.args.items() if k != "name"}))
        if gone or (not named and s.verb in ("select", "group")):
            return True
        if s.verb == "derive" and str(s.args["name"]).lower() == name:
            return not named
        if named or s.verb not in ROW_BY_ROW:
            return False
    return False


def texts(value: object) -> Iterator[str]:
    """All texts in a step's arguments."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from texts(v)
    elif isinstance(value, list | tuple):
        for v in value:
            yield from texts(v)
