"""Rules for two tables: join, rows with and without a match, and the rows of both."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

from intendant.catalog import Catalog
from intendant.planner.frames.amounts import place_of
from intendant.planner.frames.draft import JOIN, draft_of, named
from intendant.planner.frames.frame import table_text
from intendant.planner.frames.pattern import Hit, Rule
from intendant.planner.ids import match_of

__all__ = ["JOINS"]

CUE = r"(?P<side>left |inner |right |full )?(?:join|joined|joining|combine|combined|merge|merged|enrich|enriched|link|linked|connect|extend|extended|match|matched|attach|bring in|look up|lookup|put|get|add|pair|together|along|show|list|load|take|with)"
ON = r"(?: (?:on|by|via|using|over|through|matched on|keyed on|matching|matching on|based on|along|matched by|by matching|on column|where|key|joined on|joining on|by their|on their)(?: same| shared| common| column)? {C+:on}(?: (?:=|equals|to|with|and) {C:right})?)"
EXTRA = r"(?: (?:table|data|details|information|columns|info|record|records|row|rows))?"


def joined(hit: Hit, side: str) -> bool | None:
    place, draft = place_of(hit.scene), draft_of(hit.scene)
    other = hit["b"]["T"]
    catalog = hit.scene.notes["catalog"]
    if not isinstance(catalog, Catalog) or other == place.name or other not in place.also:
        return None
    own = catalog.table(place.name).columns if not place.resource else place.columns
    theirs = catalog.table(other).columns
    ours = {c.name for c in own}
    pairs: list[tuple[str, str]] = []
    for c in hit.all("on") if hit.has("on") else []:
        name = c["C"]
        if name in ours and name in {t.name for t in theirs}:
            pairs.append((name, name))
        elif found := match_of(own, theirs, other):
            if name not in found[0]:
                return None
            pairs += [p for p in found if p not in pairs]
        else:
            return None
    if not pairs:
        pairs = list(match_of(own, theirs, other) or ())
    if not pairs:
        return None
    hit.scene.notes["joined"] = True
    on = " and ".join(named(a) if a == b else f"{named(a)} = {named(b)}" for a, b in pairs)
    return draft.add(hit, f"{side}join {table_text(other)} on {on}", JOIN)


def plain(hit: Hit) -> bool | None:
    return joined(
        hit, {"left": "left ", "right": "right ", "full": "full "}.get(hit.word("side"), "") if hit.has("side") else ""
    )


def kept(hit: Hit) -> bool | None:
    return joined(hit, "left ")


def unmatched(hit: Hit) -> bool | None:
    return joined(hit, "anti ")


def matched(hit: Hit) -> bool | None:
    return joined(hit, "semi ")


STAY = r"(?:(?: ,| and| -|, and)? (?:keep|keeping|even|also|including|keep all|keeping all|retain|retaining|and keep|regardless|still|with all)(?: also)?(?: all| those| ones| rows| {T}| every| even| including)*(?: (?:without|with no|that have no|lacking|that have none|who have none|with or without|whether or not)(?: a| any| there is| matching| known)*(?: match| {T}| one| partner| counterpart| it| them)?)?)"
WITH = r"(?:with|to|and|onto|plus|by|of|from|against|together with|alongside|next to|beside)"


def united(hit: Hit) -> bool | None:
    """Rows of two tables with the same columns, one below the other."""
    place, draft = place_of(hit.scene), draft_of(hit.scene)
    pair = [hit["a"]["T"], hit["b"]["T"]] if hit.has("a") else [place.name, hit["b"]["T"]]
    if place.name not in pair or pair[0] == pair[1]:
        return None
    catalog = hit.scene.notes["catalog"]
    other = pair[1] if pair[0] == place.name else pair[0]
    if not isinstance(catalog, Catalog) or place.name not in catalog.tables or other not in catalog.tables:
        return None
    ours, theirs = ({c.name for c in catalog.table(t).columns} for t in (place.name, other))
    if len(ours & theirs) < 0.7 * max(len(ours), len(theirs)):
        return None
    draft.edits = True
    distinct = " distinct" if hit.has("once") else ""
    return draft.add(hit, f"union {table_text(other)}{distinct}", JOIN)


ONCE = r"(?P<once> ,? ?(?:and )?(?:without|no|dropping|removing|with no|leaving out) (?:duplicates|doubles|repeats|double rows|duplicate rows|repeated rows|identical rows))"
UNITE = r"(?:stack|union|append|combine|merge|unite|unify|add|concatenate|put|bring together|pile|glue|join|pool|bring|line up)"
ONE = r"(?: (?:together|in one|into one|on top of each other|below each other|one below other|as one|table|into single|in single|one|single|up|rows of|under each other))*"
UNIONS: tuple[Rule, ...] = (
    Rule(rf"(?:{UNITE} )?(?:rows of |all rows of )?{{T:a}} (?:and|with|plus|,|&) {{T:b}}{ONE}{ONCE}?", united),
    Rule(
        rf"{UNITE}(?: rows of)? {{T:a}} (?:to|onto|under|underneath|below|on top of|with|at end of|after|beneath|to end of) {{T:b}}{ONE}{ONCE}?",
        united,
    ),
    Rule(rf"(?:union|stacked (?:with|on)|unioned with|appended with|combined with|plus) {{T:b}}{ONE}{ONCE}?", united),
    Rule(
        rf"add (?:rows of |all rows of )?{{T:b}} (?:to|under|below|underneath)(?: it| them| that| those)?{ONCE}?",
        united,
    ),
)
ANTI = r"(?:without|with no|that have no|who have no|having no|that never had|lacking|not in|that are not in|which are not in|who are not in|missing from|missing in|that don't appear in|that do not appear in|with no matching|without matching|who never had|absent from|that aren't in|not found in|not present in|that have never had|not appearing in)"
SEMI = r"(?:that have|who have|that appear in|which appear in|with at least one|that are in|which are in|who are in|found in|having at least one|that also appear in|also in|that exist in|present in|with matching|who appear in|that are also in|that occur in)"
JOINS: tuple[Rule, ...] = (
    *UNIONS,
    Rule(rf"{ANTI}(?: any| single| matching)? {{T:b}}{EXTRA}{ON}?", unmatched),
    Rule(rf"{SEMI}(?: any| single| matching)? {{T:b}}{EXTRA}{ON}?", matched),
    Rule(rf"(?:left join|left joined with|left joined to|left - join) {{T:b}}{EXTRA}{ON}?", kept),
    Rule(rf"{CUE}(?: {{T}}| it| them| that)?(?: up| together)?(?: {WITH})? {{T:b}}{EXTRA}{ON}?{STAY}", kept),
    Rule(
        rf"{CUE}(?: {{T}}| it| them| that| this)?(?: up| together)?(?: {WITH})? (?:its |their |matching |corresponding |respective |related )*{{T:b}}{EXTRA}{ON}?",
        plain,
    ),
    Rule(
        rf"(?:and|plus|,|to|\+) (?:its |their |matching |corresponding |respective )*{{T:b}}{EXTRA}(?: joined)?{ON}",
        plain,
    ),
    Rule(rf"(?:from|of|in|and|plus) {{T:b}}{EXTRA}{ON}?", plain),
)
