"""One plan for all plans that do the same: what may stand in any order stands in one, what may be one step is one.

Two readers, or one model twice, often say the same otherwise; only plans that are compared in this form count as agreeing.
It claims no more than is safe: plans of one form give equal tables, while equal tables may come from plans of two forms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from intendant.language.expression import Binary, Expr, parse_expression, print_expression
from intendant.types import Plan, Step

__all__ = ["canonical"]

CELL = frozenset(("trim", "cast", "clip", "derive"))
"""Operators that change or add one column from values of the same row. So does `fill` with a value."""
ORDER = {"filter": 0, "drop_rows": 0, "drop_missing": 0, "rename": 2, "drop_columns": 3}
CHOICES = frozenset(("how", "type", "otherwise", "written", "side"))
"""Arguments that name no column."""
WORD = re.compile(r"'(?:[^']|'')*'|\"((?:[^\"]|\"\")+)\"|([^\W\d]\w*)")


def canonical(plan: Plan) -> Plan:
    """The plan's form. Its steps must be resolved: defaults filled in."""
    steps: list[Step] = []
    for step in map(ordered, plan.steps):
        joined = merged(steps[-1], step) if steps else None
        if joined is not None:
            steps[-1] = ordered(joined)
        else:
            steps.append(step)
    return Plan(tuple(steps))


def merged(a: Step, b: Step) -> Step | None:
    """Both steps as one where that does the same: a table changed twice, or made and then changed; rules on one table."""
    if a.verb != b.verb or a.verb not in ("transform", "check"):
        return None
    if a.verb == "check":
        same = a.get("table") == b.get("table") and a.get("on_failure") == b.get("on_failure")
        rules = (*(a.get("rules") or ()), *(b.get("rules") or ()))
        return replace(a, args={**a.args, "rules": rules}) if same and a.get("rules") and b.get("rules") else None
    made = a.get("target") or a.get("table")
    in_place = b.get("target") in (None, b.get("table"))
    if made != b.get("table") or not in_place:
        return None
    return replace(a, args={**a.args, "operators": (*a.args["operators"], *b.args["operators"])})


def ordered(step: Step) -> Step:
    """The step with its operators, rules and conditions in order."""
    args = dict(step.args)
    for name in ("condition", "where"):
        if isinstance(args.get(name), str):
            args[name] = terms(args[name])
    if step.get("operators"):
        args["operators"] = sorted_operators([ordered(o) for s in step.args["operators"] for o in single(s)])
    if step.verb == "check" and step.get("rules"):
        args["rules"] = tuple(sorted(step.args["rules"], key=repr))
    if step.verb == "rename":
        args["names"] = tuple(sorted(args["names"]))
    if step.verb == "drop_columns":
        args["columns"] = tuple(sorted(args["columns"]))
    return replace(step, args=args)


def terms(condition: str) -> str:
    found = sorted(print_expression(t) for t in anded(parse_expression(condition)))
    return " and ".join(t if not re.search(r"\bor\b", t) else f"({t})" for t in found)


def anded(e: Expr) -> list[Expr]:
    return [*anded(e.left), *anded(e.right)] if isinstance(e, Binary) and e.op == "and" else [e]


def single(step: Step) -> list[Step]:
    """`trim a, b` is `trim a` and `trim b`."""
    if step.verb == "trim":
        return [replace(step, args={**step.args, "columns": (c,)}) for c in step.args["columns"]]
    return [step]


def sorted_operators(found: Sequence[Step]) -> tuple[Step, ...]:
    """Neighbours that don't touch each other's columns by their kind and text; then what goes together as one."""
    out = list(found)
    moved = True
    while moved:
        moved = False
        for i in range(len(out) - 1):
            if free(out[i], out[i + 1]) and place(out[i + 1]) < place(out[i]):
                out[i], out[i + 1], moved = out[i + 1], out[i], True
    return tuple(together(out))


def place(step: Step) -> tuple[int, str]:
    return ORDER.get(step.verb, 1), repr(step)


def is_cell(step: Step) -> bool:
    return step.verb in CELL or (step.verb == "fill" and "value" in step.args)


def free(a: Step, b: Step) -> bool:
    """Whether both may change places."""
    if a.verb == b.verb == "trim" and a.args["columns"] == b.args["columns"]:
        return "trim" in (a.args["how"], b.args["how"])
    movable = all(is_cell(s) or (s.verb in ORDER and (s.verb != "drop_missing" or s.get("columns"))) for s in (a, b))
    return movable and not names(a) & names(b)


def names(step: Step) -> set[str]:
    """Every word of the step that may be a column's name."""
    found = WORD.finditer(" ".join(flat(v) for k, v in step.args.items() if k not in CHOICES))
    return {(m[1] or m[2]).lower() for m in found if m[1] or m[2]}


def flat(value: object) -> str:
    return " ".join(map(flat, value)) if isinstance(value, tuple) else str(value)


def together(found: Sequence[Step]) -> list[Step]:
    """Filters one after another as one, renames and drops as well; `sort by x first 5` as `bottom 5 by x`."""
    out: list[Step] = []
    for step in found:
        last = out[-1] if out else None
        if last is not None and last.verb == step.verb == "filter":
            both = " and ".join(f"({s.args['condition']})" for s in (last, step))
            out[-1] = replace(step, args={"condition": terms(both)})
        elif last is not None and last.verb == step.verb == "drop_columns":
            out[-1] = replace(step, args={"columns": tuple(sorted({*last.args["columns"], *step.args["columns"]}))})
        elif last is not None and last.verb == step.verb == "rename" and not names(last) & names(step):
            out[-1] = replace(step, args={"names": tuple(sorted((*last.args["names"], *step.args["names"])))})
        elif (
            last is not None and last.verb == "sort" and is_first(step) and len({d for _, d in last.args["keys"]}) == 1
        ):
            out[-1] = highest(last, step)
        elif last is not None and step.verb == "sort" and last.verb == "top" and repeats(last, step):
            continue
        else:
            out.append(step)
    return out


def is_first(step: Step) -> bool:
    """`first 5`: the first rows as they come."""
    return step.verb == "top" and "side" not in step.args


def highest(sort: Step, first: Step) -> Step:
    """`top` or `bottom` for a sort whose keys all fall or all rise, and so many first rows."""
    keys = sort.args["keys"]
    side = "top" if keys[0][1] == "descending" else "bottom"
    return Step("top", {"side": side, "count": first.args["count"], "keys": tuple((n, "ascending") for n, _ in keys)})


def repeats(top: Step, sort: Step) -> bool:
    """Whether a sort only says the order again that `top` leaves."""
    if "side" not in top.args or top.get("per"):
        return False
    falls = "descending" if top.args["side"] == "top" else "ascending"
    return all(d == "ascending" for _, d in top.args["keys"]) and sort.args["keys"] == tuple(
        (name, falls) for name, _ in top.args["keys"]
    )
