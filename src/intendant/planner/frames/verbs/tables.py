"""transform and query: operators in the order in which they were said, in place, into a table, or as a question."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import COMPARISONS, FORMULAS
from intendant.planner.frames.conditions import CONDITIONS, JOINED
from intendant.planner.frames.draft import Draft, draft_of
from intendant.planner.frames.edits import EDITS, EDITS_FIRST
from intendant.planner.frames.frame import Frame, Piece, Setting, unexplained
from intendant.planner.frames.groups import AGGREGATES, BUCKETS, WINNERS, group_up
from intendant.planner.frames.joins import JOINS
from intendant.planner.frames.pattern import Rule, Scene
from intendant.planner.frames.rows import DUPLICATES, ROWS, SORTS, TOPS, TOPS_LATE
from intendant.planner.frames.shapes import DERIVES, DROPS, FLAGS, PIVOTS, RESHAPES, SELECTS, WINDOWS
from intendant.planner.frames.targets import TARGETS, TARGETS_LATE

__all__ = ["FRAMES"]

ASKING = re.compile(
    r"\b(?:show|list|display|give|tell|see|what|what's|which|who|whose|how|print|view|look at|look up|find|count|know|query|report|is there|are there|"
    r"has|did|does|do we|are any|is any|curious|interested|can i see|preview|let me|wonder)\b|\?"
)
IMPERATIVE = re.compile(r"^(?:please |then |and |now |also )*(?:sort|order|arrange|reorder|put)\b")
ASKED = frozenset(
    """recorded measured taken made placed stored collected captured logged came happened happen used use spend spent earn earned
    seen saw held entered gone belong belongs contain contains look looks appear occurred who's listened went ever there's live lives living located group grouped take show list display give tell see print view look find know query report show's curious interested preview wonder return
    what what's which who whose how many much exist exists they're overview question need pull fetch get has have did does
    come comes we've look looks looking see up""".split()
)
EDITED = frozenset(
    "keep retain group grouped derive filter aggregate summarise summarize transform change modify update edit table make fix clean cleaned clean up tidy build compute calculate work out add take apply do next".split()
)


def run(rules: tuple[Rule, ...], scene: Scene) -> None:
    for r in rules:
        r.apply(scene)


PHASES: tuple[tuple[Rule, ...], ...] = (
    RESHAPES,
    WINDOWS,
    EDITS_FIRST,
    FORMULAS,
    DERIVES,
    TARGETS,
    DUPLICATES,
    EDITS,
    JOINS,
    SORTS[:2],
    TOPS,
    BUCKETS,
    COMPARISONS,
    WINNERS,
    AGGREGATES,
    PIVOTS,
    SORTS,
    TOPS,
    DROPS[1:2],
    CONDITIONS,
    JOINED,
    FLAGS,
    ROWS,
    DROPS,
)


def settle(scene: Scene) -> Draft:
    """All operators of a clause."""
    for phase in PHASES:
        run(phase, scene)
    group_first(scene)
    run(TARGETS_LATE[:1], scene)
    group_up(scene)
    run(TOPS_LATE, scene)
    settle_late(scene)
    run(SELECTS, scene)
    run(TARGETS_LATE, scene)
    return draft_of(scene)


def group_first(scene: Scene) -> None:
    scene.notes["groups"] = any(t.chunk is not None and t.chunk["G"] for t in scene.tokens)
    run(TOPS_LATE, scene)


def settle_late(scene: Scene) -> None:
    """A number of rows that was said alone stays open when nothing says what to rank by."""
    top = scene.notes.get("top")
    ranked = any(re.match(r"(?:top|bottom) ", o.text) for o in draft_of(scene).ops)
    if top and not ranked:
        scene.notes["open"] = "order"


def read(scene: Scene, setting: Setting) -> Piece | None:
    text = re.sub(r"<\w+>", "", scene.view()[0])
    asks, orders = bool(ASKING.search(text)), bool(IMPERATIVE.search(text))
    draft = settle(scene)
    place = setting.place
    operators = tuple(draft.ordered())
    if place.also and not any("join" in o or "union" in o for o in operators):
        return None
    if not operators and not draft.target:
        return None
    if any(o.startswith(("semi", "anti")) for o in operators) and re.search(r"\b(?:keep|retain)\b", text):
        draft.edits = True
    grouped = any(o.startswith(("group", "aggregate")) for o in operators)
    edits = (draft.edits and not (asks and grouped and not draft.target)) or (orders and not grouped)
    left = unexplained(
        scene, tables=(place.name, *place.also), extra=ASKED if not edits and not draft.target else EDITED | ASKED
    )
    if not operators:
        left = (*left, "nothing to do")
    if any(contradicts(o) for o in operators):
        left = (*left, "or")
    said = next((t.chunk.quality for t in scene.tokens if t.chunk is not None and t.chunk["T"] == place.name), 0.9)
    return Piece((), place.name, operators, draft.target, edits, left, draft.quality * said, "tables")


def contradicts(operator: str) -> bool:
    """Whether a filter wants one column to be two things at once."""
    names = re.findall(r"(?:^filter | and )(\S+) (?:= '|in \()", operator)
    return " or " not in operator and len(set(names)) < len(names)


FRAMES = (Frame("tables", re.compile(""), "T", read),)
