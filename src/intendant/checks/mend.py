"""The sentence that would mend a finding, built as a step and printed by the grammar, so that it always parses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intendant.checks import rules
from intendant.language.expression import Call, Case, Col, Expr, In, Literal, print_expression
from intendant.language.grammar import grammar
from intendant.types import OnFailure, Rule, Step

__all__ = ["derived", "guard", "pulled", "replaced_values", "transform"]

MAX_CASES = 200


def transform(table: str, verb: str, **args: object) -> str:
    """`transform TABLE OPERATOR`."""
    return grammar().write(Step("transform", {"table": table, "operators": (Step(verb, args),)}))


def guard(table: str, rule: Rule, on_failure: OnFailure = "quarantine") -> str:
    """`check TABLE for RULE on failure quarantine`."""
    step = rules.kinds()[rule.type].step(rule)
    return grammar().write(Step("check", {"table": table, "rules": (step,), "on_failure": on_failure}))


def derived(table: str, column: str, value: Expr) -> str:
    """`transform TABLE derive COLUMN = VALUE`."""
    return transform(table, "derive", name=column, value=print_expression(value, grammar().kinds.reserved))


def replaced_values(table: str, column: str, to: Mapping[str, str | None]) -> str:
    """Each text of a column replaced by another (None: by null); "" when there are too many to read."""
    if not to or len(to) > MAX_CASES:
        return ""
    by_target: dict[str | None, list[str]] = {}
    for old, new in to.items():
        by_target.setdefault(new, []).append(old)
    whens = tuple((In(Col(column), tuple(Literal(o, "text") for o in olds)),
                   Literal("null", "null") if new is None else Literal(new, "text"))
                  for new, olds in by_target.items())
    return derived(table, column, Case(whens, Col(column)))


def pulled(table: str, column: str, regex: str, group: int | None = None) -> str:
    """A column computed anew as the number inside its text."""
    args: Sequence[Expr] = (Col(column), Literal(regex, "text"))
    if group is not None:
        args = (*args, Literal(str(group), "number"))
    return derived(table, column, Call("number", (Call("regexp_extract", tuple(args)),)))
