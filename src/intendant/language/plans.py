"""Plan <-> text <-> JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intendant.errors import LanguageError
from intendant.language.cursor import Cursor
from intendant.language.grammar import grammar, read_all
from intendant.language.lexer import Token, lex
from intendant.types import Json, Plan, Step

__all__ = ["from_json", "looks_like_plan", "parse", "print_plan", "print_step", "to_json"]

MAX_CHARS = 50_000


def sentences(tokens: list[Token], text: str) -> list[list[Token]]:
    """Tokens of each step: a line that isn't indented, or a semicolon, begins a new one."""
    out: list[list[Token]] = [[]]
    for i, t in enumerate(tokens[:-1]):
        if t.kind == "newline":
            nxt = tokens[i + 1]
            if nxt.kind not in ("newline", "end") and (nxt.at == 0 or text[nxt.at - 1] == "\n"):
                out.append([])
        elif t.kind == "symbol" and t.text == ";":
            out.append([])
        else:
            out[-1].append(t)
    return [s for s in out if s]


def parse(text: str) -> Plan:
    """The plan a text in the intent language holds.

    Raises LanguageError that says the line and column, what was found, what would fit, and the nearest word.
    """
    if len(text) > MAX_CHARS:
        raise LanguageError(f"the text has {len(text):,} characters", hint=f"A plan has at most {MAX_CHARS:,}.")
    steps = []
    for tokens in sentences(lex(text), text):
        c = Cursor(text, [*tokens, Token("end", "", tokens[-1].after)])
        steps.append(read_all(c))
    if not steps:
        raise LanguageError("there is no sentence", hint="Write one, e.g. `query orders top 5 by amount`.")
    return Plan(tuple(steps))


def looks_like_plan(text: str) -> Plan | None:
    """The plan, when the whole text is the intent language; None when it isn't."""
    try:
        return parse(text)
    except LanguageError:
        return None


def print_step(step: Step) -> str:
    """One step as one line."""
    return grammar().write(step)


def print_plan(plan: Plan) -> str:
    """The canonical text: one step a line; a transform's operators, when more than one, on lines of their own."""
    return "\n".join(_layout(s) for s in plan.steps)


def _layout(step: Step) -> str:
    g = grammar()
    operators = step.get("operators")
    if step.verb != "transform" or not operators or len(operators) < 2:
        return g.write(step)
    lines = g.operator_texts(operators)
    head = f"transform {g.kinds['table'].write(step.args['table'])}"
    tail = [f"into {g.kinds['table'].write(step.args['target'])}"] if step.get("target") else []
    return "\n  ".join([head, *lines, *tail])


def to_json(plan: Plan) -> list[Json]:
    """A list of {"verb": ..., arguments}; nested operators and rules are such objects too."""
    return [_to_json(s) for s in plan.steps]


def _to_json(value: Any) -> Json:
    if isinstance(value, Step):
        return {"verb": value.verb, **{k: _to_json(v) for k, v in value.args.items()}}
    if isinstance(value, tuple | list):
        return [_to_json(v) for v in value]
    return value


def from_json(data: Json) -> Plan:
    """The plan of `to_json`'s shape. Everything is printed and read again, so that only valid plans come out."""
    if not isinstance(data, list) or not all(isinstance(d, Mapping) and "verb" in d for d in data):
        raise LanguageError("a plan in JSON is a list of objects with a `verb`")
    try:
        said = Plan(tuple(_from_json(d) for d in data))
        read = parse(print_plan(said))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as e:
        raise LanguageError(
            f"the plan's JSON lacks or misplaces {e}", hint="`intendant plan --json` shows the shape."
        ) from None
    if _shape(read.steps) != _shape(said.steps):
        raise LanguageError(
            "the plan's JSON has an argument that isn't one value", hint="`intendant plan --json` shows the shape."
        )
    return read


def _shape(value: Any) -> Any:
    """The verbs and the names of the arguments, without their values: an expression can't bring steps of its own."""
    if isinstance(value, Step):
        return value.verb, {k: _shape(v) for k, v in value.args.items() if v is not None}
    if isinstance(value, tuple) and any(isinstance(v, Step) for v in value):
        return tuple(map(_shape, value))
    return None


def _from_json(value: Json) -> Any:
    if isinstance(value, Mapping):
        return Step(str(value["verb"]), {k: _from_json(v) for k, v in value.items() if k != "verb"})
    if isinstance(value, list):
        return tuple(_from_json(v) for v in value)
    return value
