"""Rules for what changes columns in place: rename, cast, fill, trim, upper, lower, title, clip."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import place_of
from intendant.planner.frames.draft import draft_of, name_in, named, names
from intendant.planner.frames.pattern import NAME, Chunk, Hit, Rule, rule

__all__ = ["EDITS", "EDITS_FIRST"]

TYPES = {
    "text": "text|string|strings|varchar|texts|character string",
    "integer": "integer|integers|int|whole number|whole numbers|bigint|ints",
    "number": "number|numbers|numeric|float|double|floats|floating point number",
    "decimal": "decimal|decimals|decimal number",
    "boolean": "boolean|bool|booleans|true or false|yes or no|true / false",
    "timestamp": "timestamp|datetime|timestamps|date time|date and time",
    "date": "date|dates|calendar date",
    "json": "json",
}
TYPE_OF = {w: t for t, words in TYPES.items() for w in words.split("|")}
TYPE = "(?P<t>" + "|".join(sorted(TYPE_OF, key=lambda w: -len(w))) + ")"
TO = r"(?:to|into|as|- >|=>|→|= >)"
COLUMN = r"(?: columns?| fields?| values?)?"
ON = r"(?: (?:in|on|of|from|for) (?:{T}|table|it|there))?"
PAIR = rf"[^\s<]*<[A-Z]*C[A-Z]*\d+>{COLUMN} (?:to|as|into|- >|=>|→|= >|becomes|should become|should be called) {NAME}"
GAP = r"(?:missing|empty|null|blank|absent|unknown)"
STAT = (
    r"(?:(?:their |its |column )?(?P<stat>mean|average|median|mode|most common|most frequent|most frequent one|most common one"
    r"|most common value|most frequent value|average value|mean value|median value|column mean|column median|average one)"
    r"(?: value)?(?: of (?:{C}|that column|column|it))?)"
)
VALUE = rf"(?:{STAT}|(?:value |word |text |number )?{{NVJ:v}}|(?P<plain>{NAME}))"
STATS = {"mean": "mean", "average": "mean", "median": "median", "mode": "mode", "most": "mode", "column": ""}


@rule(
    rf"(?:rename|relabel|change)(?: name of)?(?: columns?| fields?)? (?P<pairs>{PAIR}(?:(?: , and| ,| and) {PAIR})*){COLUMN}{ON}"
)
def rename(hit: Hit) -> bool | None:
    return renamed(hit, hit.match["pairs"])


@rule(
    rf"(?P<pairs>[^\s<]*<[A-Z]*C[A-Z]*\d+> (?:- >|→|=>|becomes|should become|should be called|should be named|ought to be called|must be called|to be called|is to be called|should be renamed to|renamed to|renamed as|shall be called|ought to read|should read|is called|called now) {NAME}(?:(?: , and| ,| and) [^\s<]*<[A-Z]*C[A-Z]*\d+> (?:- >|→|=>|becomes|should become|should be called|called|to|should be named|should be)? ?{NAME})*){ON}"
)
def becomes(hit: Hit) -> bool | None:
    return renamed(hit, hit.match["pairs"])


@rule(rf"call {{C:c}}{COLUMN} {{n:x}}{ON}")
def call_it(hit: Hit) -> bool | None:
    new = name_in(hit, "x")
    if not new:
        return None
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"rename {named(hit['c']['C'])} to {new}")


ONE_PAIR = re.compile(rf"[^\s<]*<[A-Z]*C[A-Z]*(\d+)>.*? (?P<new>{NAME})(?= ,| and|$)")


def renamed(hit: Hit, pairs: str) -> bool | None:
    out = []
    for m in ONE_PAIR.finditer(pairs):
        old = hit.chunks[int(m[1])]["C"]
        word = re.sub(r"<\w+>", "", m["new"])
        ids = re.findall(r"<[A-Z]*I[A-Z]*(\d+)>", m["new"])
        new = hit.chunks[int(ids[0])]["I"] if ids else word.strip("_")
        if (
            not re.fullmatch(r"[^\W\d]\w*", str(new))
            or word in TYPE_OF
            or word in ("lower", "upper", "lowercase", "uppercase")
        ):
            return None
        out.append(f"{named(old)} to {named(str(new))}")
    if not out:
        return None
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, "rename " + ", ".join(out))


def cast_to(hit: Hit) -> bool | None:
    kind = TYPE_OF[hit.word("t").replace("_", " ")]
    draft = draft_of(hit.scene)
    draft.edits = True
    for c in hit.all("cs"):
        draft.add(hit, f"cast {named(c['C'])} to {kind}")
    return True


AS_TYPE = rf"(?:of type |type |be |stored as |real |proper |plain )*{TYPE}(?: type| column)?"
cast = Rule(
    rf"(?:cast|convert|turn|change|make|parse|transform|read|treat|format|switch|set)(?: type of)? {{C+:cs}}{COLUMN}{ON} (?:{TO} )?{AS_TYPE}{ON}",
    cast_to,
)
should_be = Rule(
    rf"{{C+:cs}}{COLUMN}{ON} (?:should be|must be|needs to be|need to be|has to be|have to be|is needed as|are needed as|is to be|to|into|ought to be|cast to|cast as|converted to|turned into|changed to|shall be) {AS_TYPE}{ON}",
    cast_to,
)
can_be = Rule(rf"(?:can|could|should|make|let|may|must|shall|have) {{C+:cs}}{COLUMN} (?:be )?{AS_TYPE}{ON}", cast_to)
wants = Rule(
    rf"{{C+:cs}}{COLUMN} (?:wants to be|should rather be|would be better as|is better as|belongs as|ought to be|be) {AS_TYPE}{ON}",
    cast_to,
)
plain_as = Rule(rf"{{C+:cs}} as {AS_TYPE}{ON}", cast_to)


def value_of(hit: Hit, columns: list[Chunk]) -> str | None:
    """What to fill with, as the language writes it."""
    place = place_of(hit.scene)
    if hit.has("stat"):
        return STATS[hit.word("stat").split()[0]] or None
    v = hit.get("v")
    text = all(place.is_a(c["C"], "L") for c in columns)
    if v is not None:
        if v["N"] is not None:
            return f"'{v['N']}'" if text else str(v["N"])
        known = [t for owner, t in v["V"] or () if owner in [c["C"] for c in columns]]
        return known[0] if known and text else v["J"] if text and v["J"] else None
    word = hit.word("plain")
    if (
        text
        and re.fullmatch(r"[a-z]+", word)
        and word
        not in ("it", "them", "something", "nothing", "previous", "next", "last", "out", "gone", "go", "removed")
    ):
        draft_of(hit.scene).quality *= 0.85
        return f"'{word}'"
    return None


def fill_with(hit: Hit) -> bool | None:
    columns = hit.all("cs")
    value = value_of(hit, columns)
    place = place_of(hit.scene)
    if value is None or (value in ("mean", "median") and not all(place.is_a(c["C"], "M") for c in columns)):
        return None
    draft = draft_of(hit.scene)
    draft.edits = True
    for c in columns:
        draft.add(hit, f"fill {named(c['C'])} with {value}")
    return True


WITH = r"(?:with|by|to|as|using|=|through|in with)"
FILLS: tuple[Rule, ...] = tuple(
    Rule(p, fill_with)
    for p in (
        rf"(?:fill|replace|impute|set|substitute|complete|change|turn)(?: in| up| out)?(?: all| any| every)?(?: {GAP}| gaps| holes| nulls| blanks)*(?: values?| ones| entries| cells)?(?: in| of| for)? {{C+:cs}}{COLUMN}{ON}(?: where(?: it is| they are|ver)? {GAP}| when(?: it is| they are)? {GAP}| if {GAP}| gaps)? {WITH} {VALUE}{ON}",
        rf"(?:put|use|set|write|insert|enter|fill in|assume|take) {VALUE} (?:where|wherever|when|whenever|if|in|into|for|as)(?: all| any| every)?(?: {GAP})? {{C+:cs}}(?: values?)?(?: (?:is|are|was|were) {GAP}| is not (?:given|known|set))?{ON}",
        rf"(?:where|wherever|when|whenever|if)? ?(?:{GAP} )?{{C+:cs}}(?: values?)?(?: (?:is|are|was|were))?(?: {GAP})?{ON} ?,? ?(?:then )?(?:put|use|set it to|set them to|write|insert|enter|fill in|assume|take|make it|fill it with|should become|becomes|becomes a|become|means|should be set to|set to|should be filled with|is to be filled with|gets filled with|filled with|gets|get|counts as|count as|replaced with|replaced by|treated as) {VALUE}(?: there| instead)?{ON}",
        rf"{GAP} {{C+:cs}}(?: values?)?{ON} ?(?:is|are|=|- >|:|,|→|to|should be|must be|as) {VALUE}",
        rf"(?:(?:with|when|where|for) )?(?:without|no|missing|lacking)(?: any)? {{C+:cs}}(?: recorded| known| given| entered| set| there| at all)?(?: (?:on|in|for) {{T}})?(?: [,:?])? ?(?:then |it's |it is |that |is |are |means? |assume |= |- > |becomes |become |use |put |call it |call them |write |get |gets |set to |count as |counts as |to |should be |should become )+{VALUE}(?: there| instead)?",
        rf"{{C+:cs}} {GAP} ?(?:=|- >|:|→|, then|,) {VALUE}",
    )
)


def guarded(r: Rule) -> Rule:
    """A rule that needs a word for a missing value or for filling somewhere."""

    def build(hit: Hit) -> Chunk | bool | None:
        if not re.search(
            r"\b(?:missing|empty|null|nulls|blank|blanks|absent|unknown|fill|impute|gaps?|holes|not given|not known|no|without|lacking)\b",
            re.sub(r"<\w+>", "", hit.match[0]),
        ):
            return None
        return r.build(hit)

    return Rule(r.pattern, build)


@rule(
    r"(?:fill|forward fill|carry|complete|replace)(?: in| up)?(?: missing| empty| gaps in| blank| holes in| null)*(?: values)?(?: in| of| for)? {C+:cs}(?: values?| gaps?)?(?: with| from| by| using| forward from| forward with)* (?P<which>previous|last known|last|preceding|next|following|prior)(?: value| one| row| reading| known| known value| entry| measurement)*(?: (?:by|according to|in order of|ordered by) {W:by})?(?: (?:per|for each|within each|of the same|by|for every|within) {C+:per})?"
)
def fill_previous(hit: Hit) -> bool | None:
    place, draft = place_of(hit.scene), draft_of(hit.scene)
    by = hit["by"]["C"] if hit.has("by") else place.time
    if not by:
        return None
    which = "next" if hit.word("which") in ("next", "following") else "previous"
    per = f" per {names([c['C'] for c in hit.all('per')])}" if hit.has("per") else ""
    draft.edits = True
    for c in hit.all("cs"):
        draft.add(hit, f"fill {named(c['C'])} with {which} by {named(by)}{per}")
    return True


SPACE = r"(?:(?:extra |leading and trailing |leading or trailing |leading |surrounding |trailing |stray |needless |unnecessary |superfluous |outer )*(?:spaces|whitespace|whitespaces|blanks|white space|blank space|space)(?: characters)?)"
UP = r"(?:upper(?: -)? case|uppercase|upper|capitals|capital letters|all caps|caps|upper - cased|uppercased|upper letters|big letters|block capitals)"
LOW = r"(?:lower(?: -)? case|lowercase|lower|small letters|lowercased|lower - cased|lower letters)"
TITLE = r"(?:title(?: -)? case|title|proper case|initial capitals|capitalised words)"
IN = r"(?:to|into|in|all|as|be|should be|must be|needs to be|need to be|should all be|are to be|is to be|down to|go|goes|should go|converted to|changed to|turned to|set to|made|becomes|become|written in|down|up|put)"


def text_rule(pattern: str, verb: str) -> Rule:
    def build(hit: Hit) -> bool | None:
        place = place_of(hit.scene)
        columns = [c["C"] for c in hit.all("cs")]
        if not all(place.is_a(c, "L") for c in columns):
            return None
        draft_of(hit.scene).edits = True
        return draft_of(hit.scene).add(hit, f"{verb} {names(columns)}")

    return Rule(pattern, build)


CASES = tuple(
    r
    for words, verb in ((UP, "upper"), (LOW, "lower"), (TITLE, "title"))
    for r in (
        text_rule(
            rf"(?:make|put|turn|convert|set|change|write|bring|transform|switch|get|have|store|format|keep|spell|force)(?: all)? {{C+:cs}}{COLUMN}{ON} (?:{IN} )*{words}{ON}",
            verb,
        ),
        text_rule(rf"{words}(?: all)? {{C+:cs}}{COLUMN}{ON}", verb),
        text_rule(rf"{{C+:cs}}{COLUMN}{ON} (?:{IN} |: )*{words}{ON}", verb),
    )
)
TRIMS = (
    text_rule(
        rf"(?:trim|strip)(?: off| away)?(?: {SPACE})?(?: from| off| around| in| of| at the ends of| both ends of)? {{C+:cs}}{COLUMN}{ON}",
        "trim",
    ),
    text_rule(
        rf"(?:remove|strip|drop|delete|cut|clean|get rid of|take|take away|take off|clear)(?: away| out| off)? {SPACE}(?: from| around| in| of| off| at the ends of| before and after| away from| out of| at both ends of| on both sides of| at the start and end of| at either end of| from both ends of)+ {{C+:cs}}{COLUMN}{ON}",
        "trim",
    ),
    text_rule(
        rf"{{C+:cs}}{COLUMN}{ON} (?:should be |must be |to be |needs to be |is to be |are to be |: )*(?:trimmed|trim|stripped|without {SPACE}|no {SPACE}(?: around)?|with no {SPACE})",
        "trim",
    ),
)


@rule(
    rf"(?:(?P<t>trim|strip)(?: {SPACE})?(?: from)? (?:and|then|,|&) (?P<case>{UP}|{LOW})|(?P<case2>{UP}|{LOW}) (?:and|then|,|&) (?:trim|strip)) {{C+:cs}}{COLUMN}{ON}"
)
def trim_and_case(hit: Hit) -> bool | None:
    place, draft = place_of(hit.scene), draft_of(hit.scene)
    columns = [c["C"] for c in hit.all("cs")]
    if not all(place.is_a(c, "L") for c in columns):
        return None
    case = "lower" if re.search("lower|small", hit.match[0]) else "upper"
    draft.edits = True
    first, second = ("trim", case) if hit.has("t") else (case, "trim")
    draft.add(hit, f"{first} {names(columns)}")
    return draft.add(hit, f"{second} {names(columns)}")


@rule(
    rf"(?:clip|cap|clamp|limit|cut|keep|restrict|squash|bound|hold|force|bring|press|pull|winsorize)(?: all)? {{M:c}}(?: values| readings)?{ON}(?: off)?(?: (?:between|to|within|into|from|at|in|range|inside|of|stay))+ {{N:a}} (?:and|to|-|through|till|\.\.) {{N:b}}"
)
def clip(hit: Hit) -> bool | None:
    low, high = hit["a"]["N"], hit["b"]["N"]
    if float(low) > float(high):
        return None
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, f"clip {named(hit['c']['C'])} between {low} and {high}")


EDITS_FIRST: tuple[Rule, ...] = (cast, can_be, wants, rename, becomes, should_be)
EDITS: tuple[Rule, ...] = (trim_and_case, *TRIMS, *CASES, fill_previous, *map(guarded, FILLS), clip, plain_as, call_it)
