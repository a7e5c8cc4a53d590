"""A plan made ready: every step resolved against what the steps before it leave, previewed, and held against policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from intendant.actions import actions
from intendant.actions.base import Footprint, TableAction
from intendant.catalog import Catalog
from intendant.errors import IntendantError, PolicyError, UnknownName
from intendant.language import print_plan, print_step
from intendant.language.lexer import lex
from intendant.language.lexer import place as place_in
from intendant.language.plans import looks_like_plan, sentences
from intendant.operators._compile import Typing
from intendant.run import budget, gone, impact
from intendant.run.knowledge import Knowledge
from intendant.types import Json, Plan, Step

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """`rendered` is the exact plan an approval binds; `needs_approval` says why ("" when it needs none).

    `fixes` is what is to be held against the table once a plan of mends has run.
    """

    text: str
    plan: Plan
    rendered: str
    shown: list[dict[str, Json]]
    preview: list[str]
    needs_approval: str
    confidence: float | None
    confirm: bool = False
    catalog: Catalog = field(default_factory=Catalog)
    fixes: Mapping[str, Json] | None = None


def prepare(
    text: str, plan: Plan, knowledge: Knowledge, typing: Typing, confidence: float | None, confirm: bool = False
) -> Prepared:
    """Resolves and checks the whole plan before anything runs. Raises LanguageError and its kin, with the place."""
    catalog = knowledge.catalog()
    before = catalog = _learned(plan, catalog, knowledge)
    steps, shown, preview, why = [], [], [], []
    made: set[str] = set()
    written: list[str] = []
    passed: list[tuple[Step, Catalog, tuple[str, ...]]] = []
    for i, step in enumerate(plan.steps):
        try:
            step, footprint = _resolved(step, catalog, knowledge, typing)
        except IntendantError as e:
            raise _placed(gone.told(e, step, knowledge.lake, knowledge.journal), text, i) from None
        action = actions()[step.verb]
        if footprint.needs_approval and not set(footprint.writes) & made:
            why.append(footprint.needs_approval)
        steps.append(step)
        preview.append(_said(step, catalog))
        shown.append(
            {
                "verb": step.verb,
                "agent": action.agent,
                "text": print_step(step),
                "reads": list(footprint.reads),
                "writes": list(footprint.writes),
            }
        )
        why += budget.joins(step, catalog, written, knowledge, typing)
        passed.append((step, catalog, tuple(written)))
        written += footprint.writes
        made |= {t for t in footprint.writes if not catalog.has(t)}
        catalog = action.after(step, catalog, typing)
    broken, asked = impact.told(plan, before, catalog, knowledge, typing)
    preview, why = preview + broken, why + asked + budget.storage(passed, knowledge, typing)
    resolved = Plan(tuple(steps))
    return Prepared(text, resolved, print_plan(resolved), shown, preview, "; ".join(why), confidence, confirm, catalog)


def _resolved(step: Step, catalog: Catalog, knowledge: Knowledge, typing: Typing) -> tuple[Step, Footprint]:
    action = actions()[step.verb]
    step = action.resolve(step, catalog, typing)
    own = step.get("table")
    if isinstance(action, TableAction) and action.target(step).startswith("quarantine.") and action.target(step) != own:
        raise PolicyError(
            f"{action.target(step)!r} is kept by the quality gate",
            where=f"`{print_step(step)}`",
            hint="Give the table another name; only the gate puts rows into quarantine.",
        )
    return step, action.footprint(step, catalog)


def _learned(plan: Plan, catalog: Catalog, knowledge: Knowledge) -> Catalog:
    """Asks sources for their columns where later steps of the plan need them, or where a resource isn't declared; databases
    whether they have the table that a delivery would replace."""
    learn = set()
    for i, step in enumerate(plan.steps):
        name = str(step.get("resource", ""))
        source = name.partition(".")[0]
        if step.verb == "deliver" and step.get("mode") == "replace" and source in catalog.sources:
            learn |= {source} - {r.source for r in catalog.resources.values() if r.full == name}
        if step.verb != "ingest":
            continue
        known = [r for r in catalog.resources.values() if r.full == name or (r.source == source and "." not in name)]
        needed = i + 1 < len(plan.steps) or (
            step.get("order") and not step.get("by") and not (known and known[0].timestamp)
        )
        if source in catalog.sources and (not known or (needed and not known[0].columns)):
            learn.add(source)
    if not learn:
        return catalog
    return knowledge.catalog(learn)


def _said(step: Step, catalog: Catalog) -> str:
    """What will change, in words."""
    action = actions()[step.verb]
    if isinstance(action, TableAction):
        target = action.target(step)
        if catalog.has(target):
            table = catalog.table(target)
            mode = (
                "upsert into"
                if step.get("keys") and step.verb == "ingest"
                else {"append": "append to"}.get(str(step.get("mode")), "replace the rows of")
            )
            return f"{mode} {target} (version {table.version}, {table.rows:,} rows) by `{print_step(step)}`"
        return f"create {target} by `{print_step(step)}`"
    return f"`{print_step(step)}`"


def _placed(e: IntendantError, text: str, i: int) -> IntendantError:
    """Adds line and column where the unknown name stands in the text itself."""
    name = str(e.facts.get("name", ""))
    start, end = _span(text, i)
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text[start:end]) if isinstance(e, UnknownName) and name else None
    if found:
        line, column = place_in(text, start + found.start())
        e.where = f"line {line}, column {column}" + (f", in {e.where}" if e.where else "")
    return e


def _span(text: str, i: int) -> tuple[int, int]:
    """Where the plan's step stands in the text; the whole text when it is a sentence."""
    if looks_like_plan(text) is None:
        return 0, len(text)
    tokens = sentences(lex(text), text)[i]
    return tokens[0].at, tokens[-1].after
