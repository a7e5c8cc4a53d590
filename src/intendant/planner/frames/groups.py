"""Rules for groups and their numbers: "revenue per region", "how many orders each month", "which store sells most"."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.language.expression import Expr
from intendant.operators.group import default_name
from intendant.planner.frames.amounts import expression_of, kind_of_expression, place_of
from intendant.planner.frames.draft import BUCKET, GROUP, HAVING, ORDER, Draft, draft_of, name_in, named
from intendant.planner.frames.pattern import Chunk, Hit, Rule, Scene, rule
from intendant.planner.frames.trees import call, column, show, tree

__all__ = ["AGGREGATES", "BUCKETS", "WINNERS", "group_up"]

FUNCTIONS = {
    "sum": "total|sum of|sum|total of|totals of|summed|sum up|add up|overall|combined|totals|total amount of|amount of|how much|accumulated|sums of|summed up|added up|entire|all in all|cumulative|total number of",
    "avg": "average|mean|avg|on average|average of|mean of|averages of|typical|average value of|means of|averaged|average amount of",
    "max": "maximum|max|highest|largest|peak|latest|most recent|biggest|newest|greatest|longest|last|maximum of|heaviest|top|max of",
    "min": "minimum|min|lowest|smallest|earliest|oldest|shortest|first|minimum of|cheapest|min of|lightest",
    "median": "median|median of|medians of",
    "stddev": "standard deviation|standard deviation of|stddev|std dev|std|stddev of",
}
FUNCTION_OF = {w: f for f, words in FUNCTIONS.items() for w in words.split("|")}
FUNC = "(?:" + "|".join(sorted(FUNCTION_OF, key=lambda w: -len(w))) + ")"
AFTER = {
    "sum": r"in total|in all|in sum|added up|summed up|summed|total|totals|overall|altogether|combined|all together|sum|added together",
    "avg": "on average|averaged|average|mean",
    "max": "at most|maximum|max",
    "min": "minimum|min",
}
AFTER_OF = {w: f for f, words in AFTER.items() for w in words.split("|")}
AFT = "(?:" + "|".join(sorted(AFTER_OF, key=lambda w: -len(w))) + ")"
ROWS = r"(?:{T}|rows|records|entries|lines|ones|cases)"
ALIAS = r"(?: (?:as|called|named|, called|, named|and call it|\( call it) (?P<alias>[^\s<>,.;:()]*(?:<[A-Z]*I[A-Z]*\d+>|_[^\s<>,.;:()]+)))?"


def aggregate(scene: Scene, function: str, over: Expr | None, alias: str, *parts: Chunk, at: int = 0) -> Chunk:
    """A chunk of kind A: its text in the language and the column that it makes."""
    text = show(over) if over is not None else ""
    simple = re.fullmatch(r'[^\W\d]\w*|"[^"]+"', text)
    shown = f" {text}" if simple else f" ({text})" if text else ""
    out = alias or named(default_name(function, text))
    scene.notes["aggregates"] = True
    quality = min((p.quality for p in parts), default=1.0)
    values = {"A": f"{function}{shown}" + (f" as {alias}" if alias else ""), "out": out}
    return Chunk("A", values, "_".join(p.said for p in parts), quality)


def fits(function: str, x: Chunk, scene: Scene) -> bool:
    kind = kind_of_expression(x, place_of(scene))
    if function in ("sum", "avg", "median", "stddev"):
        c = x["C"]
        return kind == "number" and not (c and re.search(r"(?:^|_)(?:id|no|code)$", c))
    if x["C"] and x.quality < 1 and re.search(r"(?:^|_)(?:id|no|code)$", x["C"]):
        return False
    return kind in ("number", "time")


def alias_of(hit: Hit) -> str:
    return name_in(hit, "alias") if hit.has("alias") else ""


@rule(rf"(?P<fs>{FUNC}(?:(?: , and| ,| and| &| plus) {FUNC})+) {{MWXE:x}}")
def several(hit: Hit) -> Chunk | None:
    functions = [FUNCTION_OF[f.strip()] for f in re.split(r" , and | , | and | & | plus ", hit.word("fs"))]
    x = expression_of(hit["x"])
    if x is None or not all(fits(f, hit["x"], hit.scene) for f in functions):
        return None
    made = [aggregate(hit.scene, f, x, "", hit["x"]) for f in functions]
    return Chunk("A", {"A": ", ".join(m["A"] for m in made), "out": made[0]["out"]}, hit["x"].said, hit["x"].quality)


@rule(rf"{{MWX:x}} (?P<fs>{FUNC}(?:(?: , and| ,| and| &) {FUNC})+)")
def several_after(hit: Hit) -> Chunk | None:
    return several.build(hit)  # type: ignore[return-value]


@rule(rf"(?P<f>{FUNC}) (?:value of |of |amount of |all )*{{MWXE:x}}(?: values?| amount)?{ALIAS}")
def function_first(hit: Hit) -> Chunk | None:
    f = FUNCTION_OF[hit.word("f")]
    x = expression_of(hit["x"])
    if x is None or not fits(f, hit["x"], hit.scene):
        return None
    return aggregate(hit.scene, f, x, alias_of(hit), hit["x"])


@rule(rf"{{MXE:x}} (?P<f>{AFT}){ALIAS}")
def function_after(hit: Hit) -> Chunk | None:
    f = AFTER_OF[hit.word("f")]
    x = expression_of(hit["x"])
    if x is None or not fits(f, hit["x"], hit.scene):
        return None
    return aggregate(hit.scene, f, x, alias_of(hit), hit["x"])


@rule(
    rf"(?:number of|how many|count of|count|no of|amount of) (?:different|distinct|unique|separate) {{C:c}}(?: are there| there are| we have| do we have| values| there were| exist)?{ALIAS}"
)
def distinct_count(hit: Hit) -> Chunk:
    return aggregate(hit.scene, "count distinct", column(hit["c"]["C"]), alias_of(hit), hit["c"])


@rule(r"(?:distinct|unique) {C:c} count")
def distinct_count_after(hit: Hit) -> Chunk:
    return distinct_count.build(hit)  # type: ignore[return-value]


@rule(
    rf"(?:number of|how many|count of|counts of|count|quantity of|numbers of|total number of|how often|row count of) (?:all |every |of )*{ROWS}(?: are there| there are| were there| do we have| we have| have we| there were| we had| did we have| exist| are| it has| they have| came in| in total)*{ALIAS}"
)
def count_rows(hit: Hit) -> Chunk | None:
    for t in re.findall(r"<[A-Z]*T[A-Z]*(\d+)>", hit.match[0]):
        if hit.chunks[int(t)]["T"] != place_of(hit.scene).name:
            return None
    return aggregate(hit.scene, "count", None, alias_of(hit))


@rule(rf"(?:number of|how many|count of|count) {{C:c}}(?: are there| there are| we have| do we have)?{ALIAS}")
def entity_count(hit: Hit) -> Chunk | None:
    """how many users listened: different ones"""
    c = hit["c"]
    if not c["C"].endswith("_id") or c["T"] == place_of(hit.scene).name or c["C"] == place_of(hit.scene).key:
        return None
    return aggregate(
        hit.scene, "count distinct", column(c["C"]), alias_of(hit), Chunk("C", {}, c.said, c.quality * 0.85)
    )


@rule(
    rf"(?:{{T}} )?(?:row count|rowcount|counts|count|headcount|tally|count them|count those|count it|how many|counted|number)(?: are there| there are| do we have| we have| were there| is it| of them)*{ALIAS}"
)
def count_alone(hit: Hit) -> Chunk | None:
    return aggregate(hit.scene, "count", None, alias_of(hit))


UNITS = r"(?P<u>day|days|week|weeks|month|months|quarter|quarters|year|years|hour|hours|weekday|calendar month|calendar day|calendar week|date|hour of day|day of week)"
EACH = r"(?:per|by|for each|for every|each|every|grouped by|group by|within each|in each|across|broken down by|split by|for all|of each|of every|in every|from each|at each|on each|with each|to each|under each|according to|aggregated by|summarised by|summarized by|grouped per|on every|over)"


def bucket(hit: Hit, unit: str, c: str | None) -> Chunk | None:
    """A derived column that cuts time into days, months ... and the key that it is."""
    place = place_of(hit.scene)
    time = c or place.time
    if not time:
        return None
    unit = unit.split()[-1].rstrip("s") if "of" not in unit else unit
    unit = {"date": "day", "hour of day": "hour", "day of week": "weekday"}.get(unit, unit)
    if unit == "day" and (found := place.column(time)) and found.type.upper() == "DATE":
        return Chunk("G", {"G": [named(time)]}, time, 0.95 if c else 0.85)
    name = named(f"{time}_{unit}")
    e = {
        "day": call("date_of", column(time)),
        "hour": call("hour", column(time)),
        "weekday": call("day_name", column(time)),
    }.get(unit) or call("start_of", tree(f"'{unit}'"), column(time))
    draft_of(hit.scene).add(hit, f"derive {name} = {show(e)}", BUCKET, makes=name)
    return Chunk("G", {"G": [name]}, name, 0.95 if c else 0.85)


@rule(rf"{EACH} {UNITS}(?: (?:of|by|on|in) {{W:c}})?")
def per_unit(hit: Hit) -> Chunk | None:
    return bucket(hit, hit.word("u"), hit["c"]["C"] if hit.has("c") else None)


@rule(rf"{EACH} {{W:c}} {UNITS}")
def per_column_unit(hit: Hit) -> Chunk | None:
    return bucket(hit, hit.word("u"), hit["c"]["C"])


@rule(r"(?P<u>month|day|week|year|quarter) by (?P<v>month|day|week|year|quarter)")
def unit_by_unit(hit: Hit) -> Chunk | None:
    return bucket(hit, hit.word("u"), None) if hit.word("u") == hit.word("v") else None


@rule(
    rf"{EACH} (?:different |single |individual |distinct |combination of |pair of |column )*{{C+:cs}}(?: column| combination| separately)?"
)
def per_columns(hit: Hit) -> Chunk | None:
    chunks = hit.all("cs")
    place = place_of(hit.scene)
    times = [c for c in chunks if (found := place.column(c["C"])) and found.type.upper().startswith("TIMESTAMP")]
    if times and hit.match[0].startswith(("by", "according")):
        return None
    if hit.match[0].startswith(("over", "across", "according")) and any(place.is_a(c["C"], "M") for c in chunks):
        return None
    return Chunk(
        "G", {"G": [named(c["C"]) for c in chunks]}, "_".join(c.said for c in chunks), min(c.quality for c in chunks)
    )


@rule(r"{C:a} (?:by|for) {C:b}")
def one_by_one(hit: Hit) -> Chunk | None:
    """ward by ward"""
    if hit["a"]["C"] != hit["b"]["C"]:
        return None
    return Chunk("G", {"G": [named(hit["a"]["C"])]}, hit["a"].said, hit["a"].quality)


@rule(r"{C:a} - ?wise")
def wise(hit: Hit) -> Chunk:
    return Chunk("G", {"G": [named(hit["a"]["C"])]}, hit["a"].said, hit["a"].quality)


@rule(r"{G:a} (?:, and|,|and|,? then|and then|x) {G:b}")
def joined(hit: Hit) -> Chunk:
    return Chunk("G", {"G": [*hit["a"]["G"], *hit["b"]["G"]]}, hit["a"].said, min(hit["a"].quality, hit["b"].quality))


@rule(r"{G:a} (?:, and|,|and) (?P<u>day|week|month|quarter|year|hour|weekday)")
def joined_unit(hit: Hit) -> Chunk | None:
    made = bucket(hit, hit.word("u"), None)
    return Chunk("G", {"G": [*hit["a"]["G"], *made["G"]]}, hit["a"].said, made.quality) if made else None


@rule(r"{G:a} and {C+:cs}(?! (?:is|are|was|were|as)\b)")
def joined_columns(hit: Hit) -> Chunk:
    return Chunk("G", {"G": [*hit["a"]["G"], *(named(c["C"]) for c in hit.all("cs"))]}, hit["a"].said, hit["a"].quality)


BUCKETS: tuple[Rule, ...] = (
    per_column_unit,
    per_unit,
    unit_by_unit,
    one_by_one,
    wise,
    per_columns,
    joined,
    joined_unit,
    joined_columns,
)
AGGREGATES: tuple[Rule, ...] = (
    distinct_count,
    distinct_count_after,
    several,
    several_after,
    function_first,
    function_after,
    count_rows,
    entity_count,
    count_alone,
)
MANY = r"(?:most|highest number of|largest number of|more than anyone|most often|biggest number of)"
FEW = r"(?:fewest|least|lowest number of|smallest number of)"
HAS = r"(?:has|have|had|is|are|was|were|got|gets|made|make|makes|sold|sells|received|receives|shows|show|with|saw|took|placed|booked|sees|wrote|did)"


@rule(
    rf"(?:which|what|who|{{G}}) (?P<c>[^\s<]*<[A-Z]*C[A-Z]*\d+> )?(?:{HAS} )?(?:by far )?(?P<way>{MANY}|{FEW}) {ROWS}"
)
def winner_count(hit: Hit) -> bool | None:
    """Which carrier has the most flights."""
    own = hit.all("c") if hit.has("c") else []
    if not own:
        return None
    return winner(
        hit,
        named(own[0]["C"]),
        aggregate(hit.scene, "count", None, ""),
        bool(re.fullmatch(MANY, hit.word("way").replace("_", " "))),
    )


@rule(
    rf"(?:which|what|who) {{C:c}} {HAS} (?:by far )?(?P<way>highest|largest|biggest|greatest|most|lowest|smallest|least) (?P<f>total|average|mean|median|overall|combined)? ?{{MXE:x}}(?: overall| in total| on average| altogether)?"
)
def winner_of(hit: Hit) -> bool | None:
    x = expression_of(hit["x"])
    if x is None or kind_of_expression(hit["x"], place_of(hit.scene)) != "number":
        return None
    f = FUNCTION_OF.get(hit.word("f"), "")
    if not f and "on average" in hit.match[0]:
        f = "avg"
    if not f and (hit.word("way") in ("most", "least") or re.search("overall|total|altogether", hit.match[0])):
        f = "sum"
    if not f:
        return None
    a = aggregate(hit.scene, f, x, "", hit["x"])
    return winner(
        hit, named(hit["c"]["C"]), a, hit.word("way") in ("highest", "largest", "biggest", "greatest", "most")
    )


def winner(hit: Hit, key: str, a: Chunk, down: bool) -> bool:
    draft = draft_of(hit.scene)
    draft.asks = True
    draft.add(hit, f"group by {key}: {a['A']}", GROUP)
    return draft.add(hit, f"{'top' if down else 'bottom'} 1 by {a['out']}", ORDER)


WINNERS: tuple[Rule, ...] = (winner_count, winner_of)


@rule(
    r"(?:with|having|that have|who have|which have|that had|where|that made|with a total of|who|that|which|appearing|occurring|of|has|have|had)* ?{F:f} {N:n}(?: {T}| rows| records| entries| times)(?! {C})"
)
def having_count(hit: Hit) -> bool:
    hit.scene.notes["having"] = f"row_count {hit['f']['F']} {hit['n']['N']}"
    return True


@rule(r"(?:with|where|having|that have|whose) {A:a}(?: is| are| was)? {F:f} {N:n}")
def having_aggregate(hit: Hit) -> Chunk:
    draft_of(hit.scene).add(hit, f"filter {hit['a']['out']} {hit['f']['F']} {hit['n']['N']}", HAVING)
    return hit["a"]


def group_up(scene: Scene) -> None:
    """Settles keys and aggregates once all of them are known: one `group` operator, its order and its top."""
    draft = draft_of(scene)
    having_aggregate.apply(scene)
    keys: list[str] = []
    found: list[tuple[int, Chunk]] = []
    if any(t.chunk is not None and "G" in t.chunk.kinds for t in scene.tokens):
        having_count.apply(scene)
    used = [o for o in draft.ops if o.stage == GROUP and not o.text.startswith(("group", "aggregate", "pivot"))]
    for i, t in enumerate(scene.tokens):
        if t.chunk is None:
            continue
        if t.chunk["G"]:
            keys += [k for k in t.chunk["G"] if k not in keys]
            draft.quality *= t.chunk.quality
        elif t.chunk["A"]:
            found.append((i, t.chunk))
            draft.quality *= t.chunk.quality
    texts = [c["A"] for _, c in found]
    texts += [o.text for o in used if o.text not in texts]
    for o in used:
        draft.ops.remove(o)
    if not keys and not texts:
        settle_order(scene, draft, [])
        return
    at = next((t.at for t in scene.tokens if t.chunk is not None and (t.chunk["G"] or t.chunk["A"])), 0)
    if keys and not texts:
        made = implied(scene)
        if made is None:
            return
        texts, found = [made["A"]], [(0, made)]
    scene.tokens = [t for t in scene.tokens if t.chunk is None or not (t.chunk["G"] or t.chunk["A"])]
    text = (
        f"group by {', '.join(keys)}: {', '.join(dict.fromkeys(texts))}"
        if keys
        else f"aggregate {', '.join(dict.fromkeys(texts))}"
    )
    draft.add(None, text, GROUP, at=at)
    if "having" in scene.notes:
        draft.add(None, f"filter {scene.notes['having']}", HAVING, at=at)
    settle_order(scene, draft, [c for _, c in found])


def implied(scene: Scene) -> Chunk | None:
    """Keys without a number: the sum of the one amount that is left ("bonus per department"), or a count of rows."""
    place = place_of(scene)
    left = [(i, t.chunk) for i, t in enumerate(scene.tokens) if t.chunk is not None and not t.chunk["G"]]
    amounts = [(i, c) for i, c in left if c["X"] is not None or c["E"] or (c["C"] and place.is_a(c["C"], "M"))]
    if not amounts:
        if not any(c["T"] == place.name for _, c in left) or any(c["C"] and not c["T"] for _, c in left):
            return None
        draft_of(scene).quality *= 0.85
        return aggregate(scene, "count", None, "")
    if len(amounts) > 1 or not fits("sum", amounts[0][1], scene):
        return None
    i, c = amounts[0]
    e = expression_of(c)
    scene.put(i, i + 1, None)
    draft_of(scene).quality *= 0.85 if c["C"] else 0.95
    return aggregate(scene, "sum", e, "", c)


def settle_order(scene: Scene, draft: Draft, made: list[Chunk]) -> None:
    """ "highest first" and "top 20" that were said without a column stand on the one aggregate."""
    out = made[0]["out"] if len(made) == 1 and "," not in made[0]["A"] else ""
    way = scene.notes.get("direction")
    top = scene.notes.get("top")
    if not out and (way or top):
        derived = [o.makes for o in draft.ops if o.makes and o.stage == 1]
        out = derived[0] if len(derived) == 1 and not made else ""
    if way and out:
        draft.add(None, f"sort by {out}{way[0]}", ORDER, at=way[1])
    elif way:
        scene.notes["open"] = "order"
    if top and out:
        side = "bottom" if top[0] in ("bottom", "worst", "lowest") else "top"
        draft.add(None, f"{side} {top[1]} by {out}", ORDER, at=top[2])
    elif top:
        scene.notes["open"] = "order"
