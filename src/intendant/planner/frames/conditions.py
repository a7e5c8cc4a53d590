"""Conditions: "paid orders from Germany", "without an email", "at least 3 stars", each rewritten to one chunk.

The rules run in order over a scene; what each makes is a chunk of kind K with an expression. A phrase that fits no rule
stays as it is and counts as unexplained.
"""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re
from collections.abc import Sequence

from intendant.language.expression import Between, Expr, In, IsNull
from intendant.planner.frames.amounts import day_of, expression_of, in_unit_of, kind_of_expression, place_of
from intendant.planner.frames.chunks import Place
from intendant.planner.frames.pattern import Chunk, Hit, Rule, rule
from intendant.planner.frames.trees import both, call, column, compare, either, number, opposite, tree
from intendant.planner.words import ABSENCE, COMMANDS, STOP

__all__ = ["CONDITIONS", "JOINED", "condition"]

BE = r"(?: (?:is|are|was|were|be|being|has been|have been|reads|says|equals|stays?|lies|lie|must be|should be|of|has|have|had|goes|go|went))?"
NULL = (
    r"(?:missing|empty|null|blank|unknown|absent|not given|not set|not known|not there|not filled(?: in)?|not recorded|lacking"
    r"|unset|undefined|left blank|left empty|not available|not present|isn't there|isn't known|isn't set|isn't given|nothing)"
)
PRESENT = r"(?:known|given|present|set|filled(?: in)?|recorded|not (?:missing|empty|null|blank|unknown)|there|available|not nothing)"
NOT = r"(?:not|isn't|aren't|wasn't|weren't|is not|are not|was not|never|non|no longer)"
EXCEPT = r"(?:except(?: for)?|excluding|but not|apart from|leaving out|leaving aside|not counting|ignoring|other than|but no|without|exclude|skipping|skip|with the exception of|rather than|not|no|minus|leave out|leave aside|non|ignore|no more)"
WHO = r"(?:where|whose|with|that|which|who|having|only|when|those|ones|if|for which|of those|of which|while|as long as|just)"


def condition(e: Expr, *parts: Chunk, missing: str = "", weak: bool = False) -> Chunk:
    """A chunk of kind K. `missing` is the column when it says just that; `weak` was only hinted at."""
    quality = min((p.quality for p in parts), default=1.0) * (0.9 if weak else 1.0)
    values = {"K": e, "missing": missing or None}
    return Chunk("K", values, "_".join(p.said for p in parts), quality)


def right_side(c: str, chunk: Chunk, place: Place) -> Expr | None:
    """What a column is compared with, of the column's own type; None when the chunk can't be that."""
    if place.is_a(c, "M"):
        if chunk["D"] is not None and chunk["X"] is None:
            n = in_unit_of(chunk["D"], c)
            return number(n) if n else None
        if chunk["N"] is not None and not chunk["pct"]:
            return number(chunk["N"])
        if chunk["N"] is not None:
            return number(chunk["N"])
        if chunk["C"] is not None and place.is_a(chunk["C"], "M"):
            return column(chunk["C"])
        return chunk["X"] if chunk["X"] is not None and chunk["kind"] == "number" else None
    if place.is_a(c, "W"):
        if chunk["U"] is not None:
            return tree(chunk["U"])
        if chunk["C"] is not None and place.is_a(chunk["C"], "W"):
            return column(chunk["C"])
        return None
    if place.is_a(c, "L"):
        for owner, text in chunk["V"] or ():
            if owner == c:
                return tree(text)
        if chunk["C"] is not None and place.is_a(chunk["C"], "L") and chunk["V"] is None:
            return column(chunk["C"])
        if chunk["J"] is not None:
            return tree(chunk["J"])
        if chunk["N"] is not None:
            return tree(f"'{chunk['N']}'")
    return None


def compared(hit: Hit, c: Chunk, op: str, v: Chunk) -> Chunk | None:
    place = place_of(hit.scene)
    right = right_side(c["C"], v, place)
    if right is None or (place.is_a(c["C"], "L") and op not in ("=", "!=")):
        return None
    if place.is_a(c["C"], "W") and op in ("=", "!=") and v["U"] is not None:
        return condition(compare(op, day_of(place, c["C"]), right), c, v)
    return condition(compare(op, column(c["C"]), right), c, v)


@rule(rf"{{C:c}}{BE} {{F:f}} {{NDUCXVJ:v}}")
def column_compared(hit: Hit) -> Chunk | None:
    return compared(hit, hit["c"], hit["f"]["F"], hit["v"])


@rule(rf"{{X:c}}{BE} {{F:f}} {{NCX:v}}")
def formula_compared(hit: Hit) -> Chunk | None:
    left, right = hit["c"]["X"], expression_of(hit["v"])
    place = place_of(hit.scene)
    if right is None or hit["c"]["kind"] != "number" or kind_of_expression(hit["v"], place) != "number":
        return None
    return condition(compare(hit["f"]["F"], left, right), hit["c"], hit["v"])


@rule(rf"{{C:c}}{BE} {{Q:n}}")
def column_or_more(hit: Hit) -> Chunk | None:
    op, n = hit["n"]["Q"] if isinstance(hit["n"]["Q"], tuple) else ("", "")
    return compared(hit, hit["c"], op, Chunk("N", {"N": n})) if op else None


@rule(r"(?:with |of |for |have |has |had )?{F:f} {N:n} {M:c}")
def number_first(hit: Hit) -> Chunk | None:
    """more than 3 stars"""
    return compared(hit, hit["c"], hit["f"]["F"], hit["n"])


@rule(r"{Q:n} {M:c}")
def or_more_first(hit: Hit) -> Chunk | None:
    op, n = hit["n"]["Q"] if isinstance(hit["n"]["Q"], tuple) else ("", "")
    return compared(hit, hit["c"], op, Chunk("N", {"N": n})) if op else None


@rule(
    r"{C:c}(?: is| are| was| were| lies| lie| must be| should be)? (?P<no>not )?(?:between|from|in range|within|ranging from|outside) {NUD:a} (?:and|to|until|till|through|-) {NUD:b}"
)
def column_between(hit: Hit) -> Chunk | None:
    place, c = place_of(hit.scene), hit["c"]
    low, high = right_side(c["C"], hit["a"], place), right_side(c["C"], hit["b"], place)
    if low is None or high is None:
        return None
    left = day_of(place, c["C"]) if place.is_a(c["C"], "W") else column(c["C"])
    negated = hit.has("no") or "outside" in hit.match[0]
    return condition(Between(left, low, high, negated), c)


@rule(r"(?:between|from) {U:a} (?:and|to|until|till|through|-) {U:b}")
def time_between(hit: Hit) -> Chunk | None:
    place = place_of(hit.scene)
    if not place.time:
        return None
    return condition(Between(day_of(place, place.time), tree(hit["a"]["U"]), tree(hit["b"]["U"])), weak=True)


SINCE = r"(?P<when>since|after|before|until|from|as of|on or after|on or before|on|starting|not before|prior to|up to|earlier than|later than|no later than|by|newer than|older than)"
OPS = {
    "since": ">=",
    "from": ">=",
    "as of": ">=",
    "starting": ">=",
    "on or after": ">=",
    "not before": ">=",
    "after": ">",
    "later than": ">",
    "newer than": ">",
    "before": "<",
    "prior to": "<",
    "earlier than": "<",
    "older than": "<",
    "until": "<=",
    "up to": "<=",
    "by": "<=",
    "on or before": "<=",
    "no later than": "<=",
    "on": "=",
}


def at_time(hit: Hit, c: str, weak: bool, *parts: Chunk) -> Chunk | None:
    place, op = place_of(hit.scene), OPS[hit.word("when")]
    if "Z" in hit["u"].values:
        start, end = hit["u"]["Z"]
        moment = {">=": (">=", start), ">": (">=", end), "<": ("<", start), "<=": ("<", end)}.get(op)
        if moment is None:
            return None
        return condition(compare(moment[0], column(c), tree(moment[1])), *parts, weak=weak)
    left = day_of(place, c) if op == "=" else column(c)
    return condition(compare(op, left, tree(hit["u"]["U"])), *parts, weak=weak)


@rule(rf"{{W:c}}{BE} (?:it |them |there |only |all )?{SINCE} {{UZ:u}}(?: on| onwards| onward| or later)?")
def column_since(hit: Hit) -> Chunk | None:
    return at_time(hit, hit["c"]["C"], False, hit["c"])


@rule(rf"{SINCE} {{UZ:u}}(?: on| onwards| onward)?")
def since(hit: Hit) -> Chunk | None:
    time = place_of(hit.scene).time
    if not time or hit.word("when") == "by":
        return None
    return at_time(hit, time, True)


def in_period(hit: Hit, c: str, weak: bool, *parts: Chunk) -> Chunk:
    place = place_of(hit.scene)
    start, end = hit["z"]["Z"]
    if hit["z"]["year"]:
        e: Expr = compare("=", call("year", column(c)), number(hit["z"]["year"]))
    elif end.startswith("add_days(today(), 1") or (start, end) == ("add_days(today(), -1)", "today()"):
        e = compare("=", day_of(place, c), tree(start))
    else:
        e = both((compare(">=", column(c), tree(start)), compare("<", column(c), tree(end))))
    return condition(e, *parts, weak=weak)


@rule(rf"{{W:c}}{BE} (?:in |during |of |on |for |within |from )?{{Z:z}}")
def column_in_period(hit: Hit) -> Chunk:
    return in_period(hit, hit["c"]["C"], False, hit["c"])


@rule(r"(?:in |during |of |for |from |on )?{Z:z}")
def period(hit: Hit) -> Chunk | None:
    time = place_of(hit.scene).time
    return in_period(hit, time, True) if time else None


def days_of(duration: str) -> int | None:
    n, _, unit = duration.partition(" ")
    each = {"day": 1, "week": 7, "month": 30, "year": 365}.get(unit.rstrip("s"))
    return int(n) * each if each else None


@rule(
    r"(?:(?P<c>[^\s<]*<[A-Z]*W[A-Z]*\d+>) )?(?:in |within |over |during |from |of |for )?(?:last|past|previous|most recent) {D:d}"
)
def lately(hit: Hit) -> Chunk | None:
    place, days = place_of(hit.scene), days_of(hit["d"]["D"])
    own = hit.all("c")
    c = own[0]["C"] if own else place.time
    if not c or days is None or " of " in hit["d"].said:
        return None
    return condition(compare(">=", column(c), tree(f"add_days(today(), -{days})")), *own, weak=not own)


@rule(
    r"(?:(?P<c>[^\s<]*<[A-Z]*W[A-Z]*\d+>) )?(?:is |are |was )?(?:older than|over|more than|before more than|earlier than) {D:d}(?: old| ago| back| in the past)?"
)
def older(hit: Hit) -> Chunk | None:
    return aged(hit, "<")


@rule(
    r"(?:(?P<c>[^\s<]*<[A-Z]*W[A-Z]*\d+>) )?(?:is |are )?(?:newer than|younger than|less than|not older than|no older than) {D:d}(?: old| ago)?"
)
def newer(hit: Hit) -> Chunk | None:
    return aged(hit, ">=")


def aged(hit: Hit, op: str) -> Chunk | None:
    place, days = place_of(hit.scene), days_of(hit["d"]["D"])
    own = hit.all("c")
    c = own[0]["C"] if own else place.time
    if not c or days is None or not re.search(r"old|ago|back|than", hit.match[0]):
        return None
    return condition(compare(op, column(c), tree(f"add_days(today(), -{days})")), *own, weak=not own)


@rule(rf"{{C:c}}{BE} (?:still |currently )?{NULL}")
def is_missing(hit: Hit) -> Chunk:
    c = hit["c"]["C"]
    return condition(IsNull(column(c)), hit["c"], missing=c)


@rule(rf"{{C+:cs}}{BE} (?:both |all )?{NULL}")
def are_missing(hit: Hit) -> Chunk:
    cs = [c["C"] for c in hit.all("cs")]
    parts = [IsNull(column(c)) for c in cs]
    return condition(both(parts) if " or" not in hit.match["cs"] else either(parts), *hit.all("cs"))


@rule(
    r"(?:without|lacking|with no|with missing|with empty|with unknown|missing|that lack|lack|have no|has no|having no|with blank|with null|no) (?:any |known |valid )?{C+:cs}"
)
def without(hit: Hit) -> Chunk | None:
    cs = [c["C"] for c in hit.all("cs")]
    place = place_of(hit.scene)
    if hit.match[0].startswith("missing") and any(c["T"] or c["R"] for c in hit.all("cs")):
        return None
    if any(place.is_a(c, "B") for c in cs) or (any(place.is_a(c, "M") for c in cs) and hit.match[0].startswith("no")):
        return None
    if len(cs) == 1:
        return condition(IsNull(column(cs[0])), *hit.all("cs"), missing=cs[0])
    parts = [IsNull(column(c)) for c in cs]
    out = condition(either(parts), *hit.all("cs"))
    return Chunk("K", {**out.values, "missings": tuple(cs)}, out.said, out.quality)


@rule(rf"{{C:c}}{BE} {PRESENT}")
def is_there(hit: Hit) -> Chunk:
    return condition(IsNull(column(hit["c"]["C"]), True), hit["c"])


@rule(rf"{{C:c}}{BE} {NOT} {{VJNCU:v}}")
def is_not(hit: Hit) -> Chunk | None:
    return compared(hit, hit["c"], "!=", hit["v"])


@rule(rf"{{C:c}}{BE}(?: either| one of| any of| in| among)* \(? ?{{VJ+:vs}} ?\)?")
def is_among(hit: Hit) -> Chunk | None:
    place, vs = place_of(hit.scene), hit.all("vs")
    if len(vs) < 2:
        return None
    items = [right_side(hit["c"]["C"], v, place) for v in vs]
    if any(i is None for i in items) or not place.is_a(hit["c"]["C"], "L"):
        return None
    return condition(In(column(hit["c"]["C"]), tuple(i for i in items if i is not None)), hit["c"], *vs)


@rule(
    rf"{{C:c}}{BE}(?: exactly| =| ==| :| equal to| still| set to| marked as| marked| flagged| flagged as| in)? {{VJNU:v}}"
)
def equals(hit: Hit) -> Chunk | None:
    place = place_of(hit.scene)
    c, v = hit["c"], hit["v"]
    said = hit.match[0]
    if place.is_a(c["C"], "M") and not re.search(r" (?:is|are|was|were|=|==|of|equals|equal|exactly)(?:<\w+>)? ", said):
        if not (name_ends(c["C"], ("id", "number", "code", "no")) or " " not in c.said):
            return None
        if not name_ends(c["C"], ("id", "number", "code", "no", "stars", "line", "version")):
            return None
    if place.is_a(c["C"], "W") and v["U"] is None:
        return None
    return compared(hit, c, "=", v)


def name_ends(name: str, ends: Sequence[str]) -> bool:
    return any(name == e or name.endswith("_" + e) for e in ends)


@rule(r"{C:c} (?:is|are|was|were|=|equals|==) (?P<w>[a-z]+)(?= [,.;!?•)]| and| or| from| in| into| as| with|$)")
def equals_word(hit: Hit) -> Chunk | None:
    """status is final, where the data has shown no value of that column"""
    place, c, word = place_of(hit.scene), hit["c"], hit.match["w"]
    known = {owner for found in place.names.values.values() for owner, _ in found}
    if re.search(rf"\b(?:a|an|the|too|very|so) {word}\b", hit.scene.notes["all"]):
        return None
    if not place.is_a(c["C"], "L") or c["C"] in known or word in STOP | ABSENCE | COMMANDS:
        return None
    if re.search(r"(?:ly|ing)$", word) or word in (
        "unknown",
        "known",
        "unique",
        "wrong",
        "right",
        "different",
        "same",
        "given",
        "set",
        "late",
        "good",
        "bad",
        "true",
        "false",
    ):
        return None
    return condition(compare("=", column(c["C"]), tree(f"'{word}'")), c, weak=True)


@rule(r"(?:with |of |having |a |in )*(?P<sign>negative|positive|zero|no) {M:c}")
def signed_first(hit: Hit) -> Chunk | None:
    op = {"negative": "<", "positive": ">", "zero": "="}.get(hit.word("sign"))
    return condition(compare(op, column(hit["c"]["C"]), number("0")), hit["c"]) if op else None


@rule(r"{M:c} (?:is|are|was|were|being)(?P<no> not)? (?P<sign>negative|positive|zero|below zero|above zero)")
def signed_after(hit: Hit) -> Chunk:
    op = {"negative": "<", "below zero": "<", "positive": ">", "above zero": ">", "zero": "="}[
        hit.word("sign").replace("_", " ")
    ]
    e = compare(op, column(hit["c"]["C"]), number("0"))
    return condition(opposite(e) if hit.has("no") else e, hit["c"])


@rule(r"{V:v} {C:c}")
def value_first(hit: Hit) -> Chunk | None:
    """green tariff"""
    return compared(hit, hit["c"], "=", hit["v"]) if hit["v"]["V"] and hit["c"]["V"] is None else None


@rule(rf"{NOT} (?:yet |been |really )?{{B:b}}")
def not_true(hit: Hit) -> Chunk | None:
    return condition(opposite(column(hit["b"]["C"])), hit["b"])


@rule(r"un(?: -)? {B:b}")
def un(hit: Hit) -> Chunk:
    return condition(opposite(column(hit["b"]["C"])), hit["b"])


@rule(rf"{{B:b}}{BE} (?P<v>true|yes|false|no)")
def said_true(hit: Hit) -> Chunk:
    e = column(hit["b"]["C"])
    return condition(e if hit.word("v") in ("true", "yes") else opposite(e), hit["b"])


@rule(
    r"(?:(?:is|are|was|were|that|which|who|being|been|have|has|only|marked as|marked) )*{B:b}(?! (?:by|to|as|column)\b)"
)
def is_true(hit: Hit) -> Chunk | None:
    if hit["b"]["V"] is not None:
        return None
    return condition(column(hit["b"]["C"]), hit["b"])


def owner_of(vs: Sequence[Chunk], scene_values: object = None) -> tuple[str, list[Expr]] | None:
    """The one column that has all these values, and the values."""
    owners = [dict(v["V"] or ()) for v in vs]
    shared = set(owners[0]).intersection(*owners[1:]) if owners else set()
    if len(shared) != 1:
        return None
    c = shared.pop()
    return c, [tree(o[c]) for o in owners]


def of_values(hit: Hit, negated: bool) -> Chunk | None:
    vs = hit.all("vs")
    found = owner_of(vs)
    if found is None:
        return None
    c, items = found
    e: Expr = compare("=", column(c), items[0]) if len(items) == 1 else In(column(c), tuple(items))
    return condition(opposite(e) if negated else e, *vs)


@rule(rf"(?:{NOT}|no) {{V+:vs}}")
def not_value(hit: Hit) -> Chunk | None:
    return of_values(hit, True)


@rule(
    r"(?:(?:from|in|of|at|on|with|for|that|which|who|is|are|was|were|being|out of|by|still|as|either|only|via|through|status) )*{V+:vs}(?! (?:column|field|table)\b)(?: (?:status|class|type|state|category|level|mode|kind|tariff|flag|group|plan|tier))?"
)
def value(hit: Hit) -> Chunk | None:
    return of_values(hit, False)


@rule(
    rf"{EXCEPT} (?:for |those |ones |rows |records |any |all |that |which |where |with |is |are |was |were |{{T}} )*{{K:k}}(?: ones| rows| records| {{T}})?"
)
def excepted(hit: Hit) -> Chunk:
    return condition(opposite(hit["k"]["K"]), hit["k"])


@rule(
    rf"{WHO} (?:is |are |was |were |have |has |with |whose |that |both |only |in |those |ones |rows |records |where |{{T}} )*{{K:k}}"
)
def which(hit: Hit) -> Chunk:
    return hit["k"]


@rule(r"{K:a} (?:or|or else|or if|or where|or whose|or with) {K:b}")
def joined_or(hit: Hit) -> Chunk:
    a, b = hit["a"], hit["b"]
    missings = (a["missing"], b["missing"]) if a["missing"] and b["missing"] else None
    out = condition(either((a["K"], b["K"])), a, b)
    return Chunk("K", {**out.values, "missings": missings}, out.said, out.quality)


@rule(
    r"{K:a} (?:, and|and|but|,|as well as|, but|that|which|and also)(?: only| also| where| whose| with| that| which| is| are| has| have)* {K:b}"
)
def joined_and(hit: Hit) -> Chunk:
    return condition(both((hit["a"]["K"], hit["b"]["K"])), hit["a"], hit["b"])


JOINED: tuple[Rule, ...] = (which, joined_or, joined_and, which)
CONDITIONS: tuple[Rule, ...] = (
    column_between,
    formula_compared,
    column_compared,
    column_or_more,
    number_first,
    or_more_first,
    column_since,
    lately,
    older,
    newer,
    column_in_period,
    time_between,
    since,
    is_missing,
    are_missing,
    is_not,
    is_among,
    equals,
    equals_word,
    signed_first,
    signed_after,
    value_first,
    without,
    is_there,
    not_true,
    un,
    said_true,
    is_true,
    not_value,
    value,
    period,
    excepted,
)
