"""Rules for columns: derive, flag, select, drop, distinct, and what turns columns to rows and back."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.language.expression import Expr
from intendant.planner.frames.amounts import expression_of, place_of
from intendant.planner.frames.draft import GROUP, SELECT, draft_of, name_in, named, names
from intendant.planner.frames.pattern import NAME, Hit, Rule, rule
from intendant.planner.frames.rows import REMOVE
from intendant.planner.frames.trees import show, tree

__all__ = ["DERIVES", "DROPS", "FLAGS", "PIVOTS", "RESHAPES", "SELECTS", "WINDOWS"]

ADD = r"(?:add|create|compute|calculate|derive|make|introduce|include|work out|build|set up|insert|put|define|have|get|generate|append|give|show|put in|figure out|need|let there be)"
NEW = r"(?:(?: new| extra| additional| calculated| computed| further| boolean| flag| text| number)*(?: (?:column|field|flag|attribute|measure|columns|flag column|col))?(?: called| named| for)?)"
IS = r"(?:as|=|:|equal to|which is|that is|being|from|computed as|calculated as|, which is|defined as|that's|equals|, i\.e\.|, that is|with|by|, being|to be|, that's|computed from|is|should be|means|meaning|holding|with value|as product of|out of|-|, computed as|, calculated as|made of|made from|from|containing|that holds|, namely|:=)"
ON = r"(?: (?:in|on|to|for|of|from) (?:{T}|it|there|table|that table))?"


def derived(hit: Hit, name: str, e: Expr, quality: float = 1.0) -> bool | None:
    if not name:
        return None
    draft = draft_of(hit.scene)
    draft.edits = True
    draft.quality *= quality
    text = show(e)
    hit.scene.notes.setdefault("made", []).append(name)
    return draft.add(hit, f"derive {name} = {text}", makes=name, uses=text)


def derive_as(hit: Hit) -> bool | None:
    x = expression_of(hit["x"])
    if x is None or (hit["x"]["N"] is not None and hit["x"]["X"] is None):
        return None
    named_so = hit.match["n"] or ""
    if "<I" not in named_so and any(t.chunk is not None and t.chunk["I"] for t in hit.scene.tokens):
        return None
    if (
        re.search(r"\b(?:per|each|every|by|total|sum|average|mean)\b", hit.scene.notes["all"])
        and not re.match(ADD, hit.match[0])
        and not re.match(rf"{NAME} (?:=|:)", hit.match[0])
    ):
        return None
    return derived(hit, name_in(hit, "n"), x, hit["x"].quality)


DERIVES: tuple[Rule, ...] = (
    Rule(rf"{ADD}{NEW}{ON} {{n:n}}{ON} {IS} {{XE:x}}{ON}", derive_as),
    Rule(
        rf"{{n:n}} (?:=|:|is|should be|equals|as|being|means|, that's|, i\.e\.|meaning|, which is|- >|, being|, that is|:=|\() {{X:x}}(?: \))?{ON}",
        derive_as,
    ),
    Rule(
        rf"(?:{ADD} )?{{X:x}} (?:as|=|called|named|- >|→|into column|, call it|, called|, named|,? as|stored as|saved as|under name|in column called|in new column|as new column|as column|as extra column|as new column called|in column|to be called|, in column|as field|, calling it|and call it|, named|and name it|labelled|in new column called|into new column) {{n:n}}(?: column)?{ON}",
        derive_as,
    ),
)


@rule(
    rf"{ADD}(?: new| extra| additional)*(?: column| field)?(?: called| named| for| with| holding| of)? {{E:x}}(?: column| field)?{ON}"
)
def derive_concept(hit: Hit) -> bool | None:
    """add a revenue column"""
    if hit["x"]["C"] is not None or re.match(r"show|give|get|need|have", hit.match[0]):
        return None
    if hit.scene.notes.get("groups"):
        return None
    e = tree(hit["x"]["E"][0])
    return derived(hit, named(hit["x"].said.replace(" ", "_")), e, 0.9)


@rule(
    rf"(?:{ADD}{NEW} )?{{n:n}}{ON} ?(?:=|:|is true when|is true where|is true for|true when|true where|that is true when|that's true when|which is true when|when|if|which is true if|saying whether|says whether|telling whether|, true when|, true if|, true where|, which is true when|is true if|showing whether|that says whether|true for|marking|to mark|for) {{K:k}}"
)
def flag(hit: Hit) -> bool | None:
    name = name_in(hit, "n")
    if not name or not re.match(
        r'"?(?:is|has|was|flag|needs)_|.*_(?:flag|late|ok)$|(?:late|big|expensive|overdue|long|high|low)\b', name
    ):
        return None
    return derived(hit, name, hit["k"]["K"], hit["k"].quality)


@rule(r"(?:flag|mark|tag|label) {K:k} (?:as|with|in|in column|in column called|as column) {n:n}")
def flagged(hit: Hit) -> bool | None:
    return derived(hit, name_in(hit, "n"), hit["k"]["K"], hit["k"].quality)


FLAGS: tuple[Rule, ...] = (flag, flagged, derive_concept)

COLUMNS = r"(?:columns?|fields?|attributes?)"


@rule(
    rf"{REMOVE}(?: {COLUMNS})?(?: both)? {{C+:cs}}(?: {COLUMNS})?(?: altogether| entirely| too)?(?: (?:in|from|of|out of|on) {{T}})?(?= [,.;!?•]| and| from| then|$)"
)
def drop_columns(hit: Hit) -> bool | None:
    return dropped(hit)


@rule(rf"(?:take|leave|cut|strip|get|cast|throw) {{C+:cs}}(?: {COLUMNS})? (?:away|out)(?: (?:from|of) (?:{{T}}|it))?")
def take_away(hit: Hit) -> bool | None:
    return dropped(hit)


@rule(
    rf"{{C+:cs}}(?: {COLUMNS})?(?: (?:in|from|of|out of|on) {{T}})? (?:should |must |can |shall |are |is |to |have to |need to |has to |may |needs to |both |all )*(?:be )?(?:removed|dropped|deleted|thrown out|go|gone|taken out|left out|disappear|out|go away|be gone)"
)
def columns_go(hit: Hit) -> bool | None:
    return dropped(hit)


def dropped(hit: Hit) -> bool | None:
    cs = hit.all("cs")
    place = place_of(hit.scene)
    if len(cs) == 1 and (place.is_a(cs[0]["C"], "B") or cs[0]["V"]) and not re.search(r"column|field", hit.match[0]):
        return None
    if any(c["T"] == place.name and c.quality < 0.95 for c in cs):
        return None
    if any(c["V"] is not None and c["C"] is None for c in cs) or any(
        c["T"] and not re.search(r"column|field", hit.match[0]) and c.quality < 0.95 for c in cs
    ):
        return None
    draft = draft_of(hit.scene)
    draft.edits = True
    draft.quality *= min(c.quality for c in cs)
    return draft.add(hit, f"drop {names([c['C'] for c in cs])}", SELECT if hit.scene.notes.get("joined") else 1)


@rule(rf"(?:leaving out|without|but not|except for|except|minus|leave out|omitting|excluding) {COLUMNS} {{C+:cs}}")
def without_columns(hit: Hit) -> bool | None:
    draft = draft_of(hit.scene)
    return draft.add(hit, f"drop {names([c['C'] for c in hit.all('cs')])}", SELECT)


@rule(
    r"(?:distinct|different|unique|unlike|list of distinct|list of different|list of unique|all different|deduplicated)(?: values? of| values? in| combinations? of| pairs? of| combinations| pairs)? {C+:cs}(?: values?| combinations?| pairs?)?(?: (?:in|of|from|that occur in|there are in|we have in|that exist in) {T})?(?: there are| are there| we have| do we have| exist| occur| that occur)*"
)
def distinct(hit: Hit) -> bool:
    return draft_of(hit.scene).add(hit, f"distinct {names([c['C'] for c in hit.all('cs')])}")


@rule(
    r"(?:list|show|show me|what|which|give|see|know|what are|tell)?(?: all)? ?{C+:cs} (?:we use|in use|are used|there are|exist|occur|do we have|we have|appear|are there|that exist|are in use|do we use|that we use|have we got)"
)
def in_use(hit: Hit) -> bool | None:
    if any(place_of(hit.scene).is_a(c["C"], "M") for c in hit.all("cs")):
        return None
    draft_of(hit.scene).asks = True
    return draft_of(hit.scene).add(hit, f"distinct {names([c['C'] for c in hit.all('cs')])}")


def selection(hit: Hit, sure: float) -> bool | None:
    cs = hit.all("cs")
    place = place_of(hit.scene)
    draft = draft_of(hit.scene)
    if any(o.stage == GROUP or o.text.startswith(("group", "aggregate")) for o in draft.ops):
        return None
    if len(cs) == 1 and place.is_a(cs[0]["C"], "B") and sure < 1:
        return None
    draft.quality *= min(c.quality for c in cs) * sure
    made = [m for m in hit.scene.notes.get("made", ()) if f" {m}" in hit.match[0]]
    return draft.add(hit, f"select {names([c['C'] for c in cs] + made)}", SELECT)


@rule(
    rf"(?:select|(?:keep|keeping|show|take|with|only|retain|include|including|want|leave|showing|give|needed|need|list|limited to|restricted to|use)(?: me| us| it| them)?(?: down to| to)?) (?:only |just |nothing but |no more than |{COLUMNS} )+{{C+:cs}}(?: {COLUMNS})?(?: only)?(?: (?:of|from|for|in) {{T}})?"
)
def select_only(hit: Hit) -> bool | None:
    return selection(hit, 1.0)


@rule(rf"(?:select|only|just|nothing but) {{C+:cs}}(?: {COLUMNS})?(?: only)?(?: (?:of|from|for|in) {{T}})?")
def select_plain(hit: Hit) -> bool | None:
    return selection(hit, 1.0)


@rule(rf"{{C+:cs}}(?: {COLUMNS})? (?:only|are enough|is enough|will do|suffice|suffices|nothing else)")
def enough(hit: Hit) -> bool | None:
    return selection(hit, 1.0)


@rule(r"(?:{C+:cs}) (?:of|from|for|in|on) (?:all |every |each |those |any )?{T}")
def columns_of_table(hit: Hit) -> bool | None:
    """names and emails of the customers"""
    return selection(hit, 0.95)


@rule(rf"(?:with|showing|including|,|:|and) {{C+:cs}}(?: {COLUMNS})?")
def with_columns(hit: Hit) -> bool | None:
    if len(hit.all("cs")) < 2 and not hit.match[0].startswith(("with", "showing")):
        return None
    return selection(hit, 0.9)


@rule(
    r"(?:show|list|display|give|see|what are|view|return|print|get|find|tell|who|want|need)(?: me| us)?(?: all| every)? {C+:cs}"
)
def show_columns(hit: Hit) -> bool | None:
    return selection(hit, 0.95)


SELECTS: tuple[Rule, ...] = (
    distinct,
    in_use,
    select_only,
    enough,
    select_plain,
    columns_of_table,
    show_columns,
    with_columns,
)
DROPS: tuple[Rule, ...] = (without_columns, drop_columns, columns_go, take_away)

BY = r"(?: (?:by|ordered by|in order of|sorted by|over|along|according to) {C:by}(?P<down> descending| desc| highest first| newest first| largest first)?)"
PER = r"(?: (?:per|for each|within each|for every|in each|within|partitioned by|each|of each) {C+:per})"
OVER = rf"(?:{PER}{BY}?|{BY.replace('by}', 'by2}').replace('down>', 'down2>')}{PER.replace('per}', 'per2}')}?)?"
CALLED = r"(?: (?:as|called|named|, called|, as|into|and call it|, call it|in column|in column called|in new column|, named|in|to) {n:x})"


def window(hit: Hit, text: str, by: str, default: str, *, down: bool = False) -> bool | None:
    """A window operator: its order, its groups, its name."""
    per = [c["C"] for g in ("per", "per2") if g in hit.match.groupdict() and hit.has(g) for c in hit.all(g)]
    name = name_in(hit, "x") if hit.has("x") else default
    if not name or not by:
        return None
    draft = draft_of(hit.scene)
    draft.edits = True
    hit.scene.notes.setdefault("made", []).append(name)
    way = " descending" if down else ""
    group = f" per {names(per)}" if per else ""
    return draft.add(hit, f"{text} by {named(by)}{way}{group} as {name}", makes=name)


def by_of(hit: Hit) -> str:
    group = next((g for g in ("by", "by2") if g in hit.match.groupdict() and hit.has(g)), "")
    by = hit[group]["C"] if group else place_of(hit.scene).time
    return str(by or "")


@rule(
    rf"(?:add |compute |calculate |give |with |create |show |make )*(?:running|cumulative|rolling up) (?P<f>total|sum|average|mean|count|maximum|max|minimum|min|totals)(?: of| for| over)? {{M:c}}{PER}?{BY}?{ON}{CALLED}?"
)
def running(hit: Hit) -> bool | None:
    return run(hit)


@rule(
    rf"(?:add |compute |calculate |give |with |create |show |make )*(?:running|cumulative) (?P<f>total|sum|average|mean|count|maximum|max|minimum|min|totals)(?: of| for| over)? {{M:c}}{BY}{PER}{ON}{CALLED}?"
)
def running_by(hit: Hit) -> bool | None:
    return run(hit)


def run(hit: Hit) -> bool | None:
    f = {"total": "sum", "totals": "sum", "average": "avg", "mean": "avg", "maximum": "max", "minimum": "min"}.get(
        hit.word("f"), hit.word("f")
    )
    c = hit["c"]["C"]
    down = bool(hit.has("down") and hit.match["down"])
    return window(hit, f"running {f} {named(c)}", by_of(hit), named(f"running_{c}"), down=down)


@rule(
    rf"(?:add |compute |calculate |give |with |create |show |make )*(?P<m>moving|rolling) (?P<f>average|mean|sum|total|minimum|maximum|min|max)(?: of| for| over)? {{M:c}} (?:over|of|across|for|with)(?: last| past| previous)? {{N:n}} (?:rows|readings|values|entries|records|{{T}}){OVER}{ON}{CALLED}?"
)
def moving(hit: Hit) -> bool | None:
    f = {"total": "sum", "average": "avg", "mean": "avg", "maximum": "max", "minimum": "min"}.get(
        hit.word("f"), hit.word("f")
    )
    by = hit["by2"]["C"] if hit.has("by2") else by_of(hit)
    per = hit.all("per2") if hit.has("per2") else hit.all("per") if hit.has("per") else []
    name = name_in(hit, "x") if hit.has("x") else named(f"moving_{hit['c']['C']}")
    if not by or not name:
        return None
    draft_of(hit.scene).edits = True
    group = f" per {names([p['C'] for p in per])}" if per else ""
    return draft_of(hit.scene).add(
        hit, f"moving {f} {named(hit['c']['C'])} over {hit['n']['N']} rows by {named(by)}{group} as {name}", makes=name
    )


@rule(
    rf"(?:add |compute |calculate |give |with |create |show |put |bring in )*(?P<side>previous|preceding|prior|last|next|following) {{C:c}}(?: value)?(?: of each| of same)?{OVER}{ON}{CALLED}"
)
def shifted(hit: Hit) -> bool | None:
    side = "next" if hit.word("side") in ("next", "following") else "previous"
    return window(hit, f"{side} {named(hit['c']['C'])}", by_of(hit), "")


@rule(
    rf"(?:add |compute |calculate |give |show |assign )*(?P<how>rank|dense rank|ranking|row number|number)(?: {{T}}| rows| them| each| every)*(?: by| according to| on) {{C:by}}(?P<down> descending| desc| highest first| from high to low| ,? highest first)?{PER}?{ON}{CALLED}"
)
def ranked(hit: Hit) -> bool | None:
    how = {"ranking": "rank", "number": "row number"}.get(
        hit.word("how").replace("_", " "), hit.word("how").replace("_", " ")
    )
    down = bool(hit.match["down"])
    return window(hit, how, hit["by"]["C"], "", down=down)


@rule(
    rf"(?:add |compute |calculate |give |show |with )*(?:share|percentage|proportion|fraction|portion)(?: of)?(?: each {{T}}| total| overall)? ?(?:of|in)? {{M:c}}(?:{PER})?{ON}{CALLED}"
)
def share(hit: Hit) -> bool | None:
    name = name_in(hit, "x")
    per = f" per {names([c['C'] for c in hit.all('per')])}" if hit.has("per") else ""
    if not name:
        return None
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"share of {named(hit['c']['C'])}{per} as {name}", makes=name)


@rule(
    rf"(?:explode|unnest|unroll|flatten|expand) {{C:c}}(?: list| column)?(?: (?:to|into) (?:one row per|rows|one row each|separate rows)(?: element| item)?)?{ON}{CALLED}?"
)
def explode(hit: Hit) -> bool | None:
    name = name_in(hit, "x") if hit.has("x") else ""
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"explode {named(hit['c']['C'])}" + (f" as {name}" if name else ""))


SEPARATORS = {
    "space": " ",
    "blank": " ",
    "comma": ",",
    "dash": "-",
    "hyphen": "-",
    "slash": "/",
    "semicolon": ";",
    "colon": ":",
    "underscore": "_",
    "pipe": "|",
    "dot": ".",
    "at sign": "@",
    "point": ".",
    "spaces": " ",
    "commas": ",",
}


@rule(
    rf"(?:split|break|separate|divide)(?: up)? {{L:c}}(?: column)?{ON} (?:at|on|by|along|around)(?: every| first)? (?:(?P<word>{'|'.join(SEPARATORS)})|{{J:j}}) (?:into|as|to|in)(?: columns)? (?P<xs>{NAME}(?:(?: , and| ,| and) {NAME})+)"
)
def split(hit: Hit) -> bool | None:
    parts = [p.strip() for p in re.split(r" , and | , | and ", re.sub(r"<\w+>", "", hit.match["xs"]))]
    ids = [hit.chunks[int(m)] for m in re.findall(r"<[A-Z]*I[A-Z]*(\d+)>", hit.match["xs"])]
    if len(ids) == len(parts):
        parts = [str(c["I"]) for c in ids]
    if not all(re.fullmatch(r"[^\W\d]\w*", p) for p in parts):
        return None
    sep = "'" + SEPARATORS[hit.word("word").replace("_", " ")] + "'" if hit.has("word") else hit["j"]["J"]
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"split {named(hit['c']['C'])} by {sep} as {', '.join(map(named, parts))}")


@rule(
    rf"unpivot(?: columns?)? {{C+:cs}}(?: columns?)?{ON}(?: (?:into|as|to))(?: columns?)? (?P<a>{NAME}) (?:and|,) (?P<b>{NAME})(?: columns?)?"
)
def unpivot(hit: Hit) -> bool | None:
    a, b = name_in(hit, "a"), name_in(hit, "b")
    if not a or not b:
        return None
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"unpivot {names([c['C'] for c in hit.all('cs')])} as {a}, {b}")


@rule(
    r"pivot(?: {T})?(?: on| by| column| over)* {C:c} (?:with|using|showing|taking|,|:|and) {A:a}(?: value)?(?: {G:g})?(?: as values| values)?"
)
def pivot(hit: Hit) -> bool:
    keys = f" by {', '.join(hit['g']['G'])}" if hit.has("g") else ""
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"pivot {named(hit['c']['C'])}: {hit['a']['A']}{keys}", GROUP)


WINDOWS: tuple[Rule, ...] = (running_by, running, moving, shifted, ranked, share)
RESHAPES: tuple[Rule, ...] = (explode, split, unpivot)
PIVOTS: tuple[Rule, ...] = (pivot,)
