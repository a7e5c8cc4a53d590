"""Rules for the table that a clause makes: "into slim_orders", "call it best_stores", "a table named X with ..."."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import place_of
from intendant.planner.frames.draft import draft_of, name_in
from intendant.planner.frames.frame import table_text
from intendant.planner.frames.pattern import Hit, Rule

__all__ = ["TARGETS", "TARGETS_LATE"]

THAT = r"(?: (?:it|them|that|this|result|results|those|these|everything|all|lot|rows|whole thing|output|outcome|all of it|all this|whole lot|table|rest|list))*"
SAVE = (
    r"(?:(?:, and|and|,|then|, then)? ?(?:save|store|put|write|keep|land|place|load|dump|have|get|saved|stored|written|collect|output|turn|move|goes|go|send|copy|materialise|materialize|keeping|kept|placed|landing|gathered|saving|storing|ending up|end up|collected|put together|turned|split off|separate|split|move)"
    + THAT
    + ")"
)
TABLE = r"(?:(?: new| separate| own| temporary| temp| fresh| their own| small| summary)*(?: table| place| list| view| copy)?(?:,? called|,? named| name| with name| by name)?)"
END = r"(?= [,.;!?•]| and| with| but| ,| - | where| that| which| for| from| replacing| sorted| holding| please| using| by| so| :|$)"


def aim(hit: Hit, quality: float = 1.0) -> bool | None:
    draft = draft_of(hit.scene)
    if draft.target:
        return None
    if re.match(r"(?:, and |and |, |; )?(?:call|name)\b", hit.match[0]) and any(
        o.text.startswith(("cast", "rename")) for o in draft.ops
    ):
        return None
    if hit.has("t"):
        table = hit["t"]["T"]
        if table == place_of(hit.scene).name:
            return None
        draft.target = table_text(table)
        return True
    name = name_in(hit, "x", table=True)
    if not name:
        return None
    draft.target = name
    draft.quality *= quality
    return True


sure = Rule(
    rf"(?:{SAVE} )?(?:into|in|as|to|under|named|called|name it|call it|- >|→|=>|name :|name|table|named :|output|, so|create|make|build|under name|becomes|titled|name of|table :|onto|call that|call result|calling it|naming it|call this|call table){TABLE} {{I:x}}(?: table)?",
    aim,
)
existing = Rule(rf"(?:{SAVE} )?(?:into|in to){TABLE} {{T:t}}", aim)
saved = Rule(rf"{SAVE} (?:into|as|to|under|in){TABLE} {{n:x}}{END}", aim)
calling = Rule(
    rf"(?:, and|and|,|;)? ?(?:call|name|title|label)(?: it| that| this| result| table| new table| them| whole thing| output| lot)+(?: :| as)? {{n:x}}{END}",
    aim,
)
tabled = Rule(
    rf"(?:(?:make|build|create|set up|produce|prepare|form|generate|construct|want|need|get|have|give|put together|in|into|as|to|with|derive|provide|draw up)(?: me| us| up)? )?(?:(?:new|separate|small|little|summary|own|short|temporary) )*(?:table|list|view) (?:called|named|titled|by name|with name|by name of) {{n:x}}(?: (?:holding|with|of|from|containing|having|showing|that has|that holds|which holds|where|out of|which has))?{END}",
    aim,
)
into = Rule(rf"(?:(?:, and|and|,)? ?(?:put|save|store) )?(?:into){TABLE} {{n:x}}{END}", aim)
made = Rule(
    r"(?:make|build|create|set up|produce|prepare|generate|construct|derive|compile|assemble)(?: me| us)?(?: table)? {I:x}(?: table)?(?: (?:from|out of|with|of|holding|containing|:|by|as|,))?",
    aim,
)


def late(hit: Hit) -> bool | None:
    return aim(hit, 0.92)


lone = Rule(r"{I:x}(?: table)?", late)
as_word = Rule(rf"(?:,? )?as {{n:x}}{END}", late)


TARGETS: tuple[Rule, ...] = (tabled, made, sure, existing, calling, saved, into)
TARGETS_LATE: tuple[Rule, ...] = (lone, as_word)
