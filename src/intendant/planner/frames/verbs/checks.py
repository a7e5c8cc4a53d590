"""check: rules about columns, and what happens to rows that break them."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import COMPARISONS, FORMULAS, expression_of, in_unit_of, place_of
from intendant.planner.frames.conditions import CONDITIONS, JOINED, right_side
from intendant.planner.frames.draft import named, names
from intendant.planner.frames.frame import Frame, Piece, Setting, table_text, unexplained
from intendant.planner.frames.pattern import Chunk, Hit, Rule, Scene, rule
from intendant.planner.frames.trees import compare, opposite, show
from intendant.planner.words import name_parts

__all__ = ["FRAMES"]

CUE = re.compile(
    r"\b(?:check|verify|validate|ensure|make sure|make certain|must|should|shall|may|can't|cannot|can|never|always|quality|unique|quarantine|warn|ought|"
    r"has to|have to|needs? to|sure|test|inspect|valid|allowed|impossible|expect|assert|rule|only once|at most|at least|between|confirm|is|are|guarantee|control|audit|no|every|all|aside|roll|reject|fresh|look at|above|below|over|under)\b"
)
STRONG = re.compile(
    r"\b(?:check|verify|validate|ensure|make sure|make certain|must|should|shall|may|can't|cannot|never|always|quality|quarantine|warn|ought|has to|have to|needs? to be|test|confirm|guarantee|aside|roll|impossible|isn't allowed|allowed|expect|review|stop|undo|fresh|human|whole load)\b"
)
CHECKED = frozenset(
    """over run how healthy them check verify validate ensure make certain sure must should shall may can't cannot can never always quality test inspect
    expect assert rule rules confirm guarantee audit ought need needs every each all see really please whether look if not be
    allowed good well any tell me know control given valid proper correct everywhere inside run do health report scan
    examine review problems issues anything wrong have a to as it stay stays remain keep real actual at time table there clean""".split()
)


def add(hit: Hit, text: str) -> bool:
    hit.scene.notes.setdefault("rules", []).append((hit.at, text))
    return True


BAD = r"(?:bad|offending|wrong|failing|violating|such|broken|invalid|those|other|all|offenders|any|these|rest|faulty|odd|remaining|failed)"
THING = rf"(?:(?: {BAD}| rows?| ones?| records?| entries| it| them| that| offenders| violations| rest| others| everything| whatever| anything| else| doesn't| does not| fit| fail| fails| violate| violates| break| breaks| comply| don't| which| what| is| are| not)*)"
ELSE = r"(?:(?:, )?(?:and|or|else|otherwise|if not|if it isn't|if they aren't|if it doesn't|if it does not|if any|if there are any|if there are|if that fails|if that's violated|if that is violated|if it fails|if violated|on failure|if it's not|if it is not so|if they don't|if not so|when violated|when it fails|in case not|in that case|or else|, or|just|only|i|someone|we|want to|should|must|please)(?: ,)? )*"
FAILURES = {
    "quarantine": rf"{ELSE}(?:put|set|move|send|keep|place|shift|push|leave|isolate|quarantine|park|lay){THING}(?: to| in| into| for)*(?: quarantine| aside| apart| to one side| on one side| separately)?{THING}|{ELSE}(?:{THING} )?(?:goes? (?:to|into|in) quarantine|to quarantine|in quarantine|into quarantine|go aside|set aside|put aside|isolated|quarantined|are quarantined|should be quarantined|be quarantined|quarantine(?: {BAD})?(?: rows| ones| otherwise)?|aside)(?: otherwise| please)?",
    "rollback": rf"{ELSE}(?:roll(?: it| that| everything| load)? back|rollback|undo(?: it| load| whole load| that| if it's not so)?|stop(?: everything| load| pipeline| line| whole thing| here| there| on more)?|revert(?: it| load)?|abort(?: load)?|halt(?: load)?|cancel load|whole load is undone|don't publish(?: it)?|do not publish(?: it)?|block(?: load| it)?|reject(?: whole)?(?: load| batch)|leave table as it was|nothing gets published|refuse load|whole batch back|fail load|throw whole load back)(?: otherwise| on violation| if not)?",
    "review": rf"{ELSE}(?:ask(?: me| us| somebody| first| about it| about others| about anything else)*|let me (?:decide|look|see)|review|for review|(?:a )?(?:person|human|somebody|someone)(?: must| should| has to| needs to| will)? (?:look|check|review|decide|see)(?: at)?(?: it| them| that| those)?|i want to be asked|send (?:it|them) for review|have (?:them|it|someone) (?:reviewed|look)|put up for review|hold for review|be reviewed(?: by person)?)(?: otherwise| if not)?",
    "warn": rf"{ELSE}(?:warn(?: me| us| only| about it| about others)*|warning(?: is enough| will do| only)?|let me know|let us know|tell me|notify me|inform me(?: of others)?|flag it|raise warning|only warning|alert me|give (?:me )?warning|only note it|log it)(?: otherwise| if not)?",
}
IF = r"(?: (?:about|of) (?:it|others|exceptions|outliers|violations|them|those|that|anything else|offenders))?(?: ,)?(?: (?:if|when|in case|whenever|where|on) (?:it|they|that|this|there|any|not|anything|that's|it's|violation|failure|so)?(?: (?:isn't|is not|aren't|are not|doesn't|don't|fails?|not|so|is violated|violated|are|is|happens|differs|otherwise|case|any|be|true))*)?"


def failing(kind: str, pattern: str) -> Rule:
    return Rule(rf"(?:,? ?){pattern}{IF}", lambda hit: fails(hit, kind))


def fails(hit: Hit, kind: str) -> bool | None:
    said = hit.match[0]
    if kind == "quarantine" and not re.search(r"quarantine|aside|apart|one side|isolat|separately", said):
        return None
    if "failure" in hit.scene.notes:
        return None
    hit.scene.notes["failure"] = kind
    return True


FAILS = tuple(failing(kind, pattern) for kind, pattern in FAILURES.items())


MUST = r"(?: (?:is|are|was|must|should|shall|may|can|has to|have to|needs to|need to|ought to|to|be|being|always|all|have|stay|lie|stays|lies|remain|remains|of|never be|cannot be|can't be|must never be|should never be|cannot|in|only|value|values|column|every|each|time|both|too|ought|go|goes|range|ranges|runs|run|has))*"
NEVER = r"(?: (?:never|not|must not|may not|can't|cannot|should not|shouldn't|mustn't|shall not|should never|must never|is never|are never|can never|isn't|aren't|must not be|may never|is not|are not))"


@rule(rf"{{C+:cs}}{MUST}{NEVER}(?: be| go| been)? (?:missing|empty|null|blank|absent|unknown|without value|left out)")
def not_null(hit: Hit) -> bool:
    return nulls(hit)


@rule(
    rf"{{C+:cs}}{MUST} (?:given|present|filled(?: in)?|set|there|not null|not empty|not missing|not blank|known|mandatory|required|non - null|complete|filled out|exists?|a value|value|recorded|compulsory|obligatory)"
)
def present(hit: Hit) -> bool:
    return nulls(hit)


@rule(
    r"(?:no|never|not|without|isn't|any) (?:row |{T} |rows |with )*(?:null|missing|empty|blank|unknown|absent)(?: values?| in)* {C+:cs}"
)
def no_missing(hit: Hit) -> bool:
    return nulls(hit)


@rule(r"(?:no|without|not|never) {C+:cs} (?:is|are|may be|should be|can be|must be|be)? ?(?:missing|empty|null|blank)")
def nothing_missing(hit: Hit) -> bool:
    return nulls(hit)


@rule(
    r"(?:not null|non - null|no nulls in|no missing values in|no gaps in|no blanks in|no missing|no empty|not empty|no empty values in|presence of) {C+:cs}"
)
def none_null(hit: Hit) -> bool:
    return nulls(hit)


@rule(
    r"(?:every|each|all|any) {T} (?:has|have|must have|needs|need|should have|carries|must carry|must come with|comes with|with|come with) (?:to have )?{C+:cs}"
)
def every_has(hit: Hit) -> bool:
    return nulls(hit)


@rule(r"no {T} (?:without|lacks|may lack|lacking|should lack|can be without|is without|may be without|has no) {C+:cs}")
def none_without(hit: Hit) -> bool:
    return nulls(hit)


def nulls(hit: Hit) -> bool:
    hit.scene.notes["last"] = [c["C"] for c in hit.all("cs")]
    for c in hit.all("cs"):
        add(hit, f"not null {named(c['C'])}")
    return True


UNIQUE = r"(?:unique|distinct|only once|just once|exactly once|once|one of kind|appear only once|appears only once|not repeated|unambiguous|different)"


@rule(
    rf"(?:combination of |pair of |pair )?{{C+:cs}}(?: combination| pair| pairs| together)?{MUST} {UNIQUE}(?: per row| for every {{T}}| for each {{T}}| everywhere| together| in combination| as pair)?"
)
def unique(hit: Hit) -> bool:
    return uniques(hit)


@rule(
    r"{C+:cs} (?:must |should |may |can |shall |is |are |has to |ought to )*(?:not|never|can't|cannot|mustn't|shouldn't)(?: be| appear| occur| repeat| have| contain| come up| show up)* ?(?:duplicated?|twice|duplicates|repeated?|more than once|doubled|repeats?|double)?"
)
def not_twice(hit: Hit) -> bool | None:
    if not re.search(r"dupl|twice|repeat|once|doubl", hit.match[0]):
        return None
    return uniques(hit)


@rule(
    r"(?:no|without|never|not) (?:two {T} (?:with|have|share|may have|may share|should have)(?: same| identical)?|duplicate|duplicates (?:in|of|on|by)|double|repeated|duplicates|doubles (?:in|of|on|by)|repeats (?:in|of)) (?:same )?{C+:cs}(?: twice)?"
)
def no_duplicates(hit: Hit) -> bool:
    return uniques(hit)


@rule(r"(?:no|without)(?: two)? {T} (?:have|share|with|has)(?: same| identical)? {C+:cs}")
def no_two(hit: Hit) -> bool | None:
    return uniques(hit) if "same" in hit.match[0] or "two" in hit.match[0] else None


@rule(r"(?:unique|only one|uniqueness in) {C+:cs}|uniqueness of {C+:ds}")
def unique_first(hit: Hit) -> bool | None:
    return uniques(hit, "ds" if hit.has("ds") else "cs")


@rule(r"(?:one|single|only one) (?:row|record|entry|line|{T}) (?:per|for each|for every) {C+:cs}")
def one_per(hit: Hit) -> bool:
    hit.scene.notes["pair"] = True
    return uniques(hit)


@rule(
    r"(?:,|and|, and|&)(?: is| are| must be| should be| always| also| be)* (?P<what>unique|not null|never null|never empty|never missing|not empty|not missing|present|given|filled)"
)
def also(hit: Hit) -> bool | None:
    """order_id is never null and unique"""
    last = hit.scene.notes.get("last")
    if not last:
        return None
    what = "unique" if hit.word("what") == "unique" else "not null"
    return all(add(hit, f"{what} {named(c)}") for c in last)


@rule(
    r"{C+:cs} (?:has|have|contains?|with|having) (?:no|any) (?:duplicates|doubles|repeats|double values|duplicate values|repeated values)"
)
def has_no_duplicates(hit: Hit) -> bool:
    return uniques(hit)


def uniques(hit: Hit, group: str = "cs") -> bool:
    cs = [c["C"] for c in hit.all(group)]
    together = len(cs) > 1 and re.search(r"combination|pair|together|per ", re.sub(r"<\w+>", "", hit.match[0]))
    if len(cs) > 1 and (together or hit.scene.notes.get("pair")):
        return add(hit, f"unique ({names(cs)})")
    hit.scene.notes["last"] = cs
    for c in cs:
        add(hit, f"unique {named(c)}")
    return True


def amount(hit: Hit, c: str, chunk: Chunk) -> str | None:
    place = place_of(hit.scene)
    if place.is_a(c, "M") and chunk["N"] is not None and chunk["D"] is None:
        return str(chunk["N"])
    if place.is_a(c, "M") and chunk["D"] is not None:
        return in_unit_of(chunk["D"], c)
    if place.is_a(c, "W") and chunk["U"] is not None and chunk["U"].startswith(("date", "timestamp")):
        return str(chunk["U"])
    return None


@rule(
    rf"{{C+:cs}}{MUST}(?: values?)? ?(?:between|from|within|in|inside|range from|:)? ?{{NDU:a}} (?:and|to|through|-|till|\.\.|up to) {{NDU:b}}(?: only| inclusive)?"
)
def between(hit: Hit) -> bool | None:
    out = []
    for c in hit.all("cs"):
        low, high = amount(hit, c["C"], hit["a"]), amount(hit, c["C"], hit["b"])
        if low is None or high is None or (low[0] != "d" and low[0] != "t" and float(low) > float(high)):
            return None
        out.append(f"{named(c['C'])} between {low} and {high}")
    return all(add(hit, o) for o in out)


BOUND = {">=": "at least", ">": "above", "<=": "at most", "<": "below"}
FLIP = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


def bounded(hit: Hit, c: str, op: str, v: Chunk, never: bool) -> bool | None:
    n = amount(hit, c, v)
    if n is None or op not in BOUND:
        return None
    return add(hit, f"{named(c)} {BOUND[FLIP[op] if never else op]} {n}")


@rule(
    rf"{{C:c}}{MUST}(?P<never>{NEVER})?(?: be| go| exceed| are| lie)? {{F:f}} {{NDU:n}}(?: (?:and|,|but|, but) (?:also )?(?:is |not )?{{F:g}} {{NDU:m}})?"
)
def bound(hit: Hit) -> bool | None:
    never = hit.has("never") or bool(re.search(r"never|can't|cannot|not ", hit.match[0].partition("<F")[0]))
    out = bounded(hit, hit["c"]["C"], hit["f"]["F"], hit["n"], never)
    if out and hit.has("g"):
        out = bounded(hit, hit["c"]["C"], hit["g"]["F"], hit["m"], never)
    return out


@rule(r"(?:(?:, )?(?:and|,|but|or) )(?:never |not )?{F:f} {NDU:n}")
def bound_more(hit: Hit) -> bool | None:
    """a second bound of the same column"""
    rules = hit.scene.notes.get("rules")
    if not rules:
        return None
    m = re.match(r'("[^"]+"|\w+) (at least|above|at most|below) ', rules[-1][1])
    if m is None:
        return None
    return bounded(hit, m[1].strip('"'), hit["f"]["F"], hit["n"], "never" in hit.match[0] or "not" in hit.match[0])


@rule(
    rf"{{C+:cs}}{MUST} (?P<never>never |not |can't be |cannot be |may not be |must not be |isn't )?(?:be |go )?(?P<sign>negative|positive|non - negative|zero or more|below zero|under zero|above zero|over zero|greater than zero|less than zero|more than zero|at least zero)"
)
def signed(hit: Hit) -> bool | None:
    sign, never = hit.word("sign"), bool(hit.word("never"))
    place = place_of(hit.scene)
    if not all(place.is_a(c["C"], "M") for c in hit.all("cs")):
        return None
    before = hit.match[0]
    never = never or bool(re.search(r"can't|cannot|never|not (?!negative)", before.rpartition(sign)[0]))
    if sign in ("negative", "below zero", "under zero", "less than zero"):
        if not never:
            return None
        bound_text = "at least 0"
    elif never:
        return None
    else:
        bound_text = (
            "above 0"
            if sign in ("positive", "above zero", "over zero", "greater than zero", "more than zero")
            else "at least 0"
        )
    return all(add(hit, f"{named(c['C'])} {bound_text}") for c in hit.all("cs"))


@rule(r"(?:no|non|never) (?:- )?(?:negative|values below zero in) {M+:cs}(?: values?)?")
def no_negative(hit: Hit) -> bool:
    return all(add(hit, f"{named(c['C'])} at least 0") for c in hit.all("cs"))


@rule(r"(?:positive) {M+:cs}(?: values?)?")
def positive(hit: Hit) -> bool:
    return all(add(hit, f"{named(c['C'])} above 0") for c in hit.all("cs"))


@rule(
    rf"{{C:c}}{MUST}(?: either| one of| any of| among| only| just| nothing but| limited to| restricted to| in| from list| :| following| allowed| values)* \(? ?{{VJI+:vs}} ?\)?(?: only)?"
)
def among(hit: Hit) -> bool | None:
    place, vs = place_of(hit.scene), hit.all("vs")
    if len(vs) < 2 or not place.is_a(hit["c"]["C"], "L"):
        return None
    items = [right_side(hit["c"]["C"], v, place) for v in vs]
    if any(i is None for i in items):
        return None
    return add(hit, f"{named(hit['c']['C'])} in ({', '.join(show(i) for i in items if i is not None)})")


@rule(
    rf"{{C+:cs}}{MUST} (?:match|matches|follow|look like|looks like|have format|of form|in format|conform to|like|contain|contains)? ?(?:pattern |regex |regular expression |format )?{{YJ:y}}"
)
def pattern(hit: Hit) -> bool | None:
    y = hit["y"]
    text = y["Y"] or (y["J"] if y["J"] and re.search(r"[\\\[\]^$*+{]", y["J"]) else None)
    if text is None:
        return None
    return all(add(hit, f"{named(c['C'])} matches {text}") for c in hit.all("cs"))


@rule(
    r"(?:every|each|all|any|no)? ?(?:{T} )?{C:c} (?:of (?:all |every |each |any )?{T} )?(?:must |should |has to |have to |needs to |is |are |actually |really |always |all |may |ought to |of )*(?:exist|exists|refer to|references|reference|be found|found|point to|points to|known|be known|be one|be one of|one of|be|belong to|belongs to|appear|appears|occur|be present|present|match|be in|in)(?: in| of| to| our| existing| one of| known| valid| real| among)* {T:t}(?: table)?(?: \. {C:d})?"
)
def refers(hit: Hit) -> bool | None:
    catalog = hit.scene.notes["catalog"]
    c, t = hit["c"]["C"], hit["t"]["T"]
    if t == place_of(hit.scene).name or not c:
        return None
    theirs = {x.name for x in catalog.table(t).columns}
    target = c if c in theirs else ""
    if not target:
        parts = name_parts(t.rpartition(".")[2])
        if "id" in theirs and name_parts(c) in ((*parts, "id"), (*parts[-1:], "id")):
            target = "id"
    if not target:
        return None
    return add(hit, f"{named(c)} references {table_text(t)}.{named(target)}")


@rule(
    r"(?:fresh|no older than|at most|within|newest|not older than|under|younger than|up to date|recent|last|no more than|less than|max|be|updated|past|never more than|not more than|in)*(?: (?:within|in|than|to|last|past|at most|the|under))* ?{D:d}(?: old| behind| ago| stale)?(?: (?:by|according to|going by|based on|judging by|,|\(|looking at|measured by)? ?{W:w}(?: \))?)?"
)
def freshness(hit: Hit) -> bool | None:
    text = re.sub(r"<\w+>", "", hit.scene.view()[0]) + " " + hit.match[0]
    if not re.search(r"\b(?:fresh|older|old|behind|ago|stale|recent|up to date|newest|past|updated|within)\b", text):
        return None
    by = hit["w"]["C"] if hit.has("w") else hit.scene.notes.get("when") or place_of(hit.scene).time
    if not by:
        return None
    return add(hit, f"fresh within {hit['d']['D']} by {named(by)}")


@rule(
    r"(?:by|according to|going by|based on|judging by|looking at|in terms of|measured by) {W:w}|{W:v} counts|\( {W:x} \)"
)
def by_time(hit: Hit) -> bool | None:
    rules = hit.scene.notes.get("rules", [])
    if not any(t.startswith("fresh within") for _, t in rules):
        return None
    c = next(hit[g] for g in ("w", "v", "x") if hit.has(g))["C"]
    hit.scene.notes["rules"] = [
        (at, re.sub(r" by .*", f" by {named(c)}", t) if t.startswith("fresh") else t) for at, t in rules
    ]
    return True


ROWS = r"(?:rows|records|entries|lines|{T})"


@rule(
    rf"(?:has|have|have|contains?|holds?|number of {ROWS}|row count|there|with|count of {ROWS})*(?: (?:must|should|has to|be|are|is|always|to|have|of|in|table|count|number|lie|stay))* ?(?P<kind>{{F:f}} {{N:n}}|between {{N:a}} and {{N:b}}) (?:rows|records|entries|lines)(?: in (?:it|{{T}}|table))?"
)
def row_count(hit: Hit) -> bool | None:
    if hit.has("a"):
        return add(hit, f"row count between {hit['a']['N']} and {hit['b']['N']}")
    op, n = hit["f"]["F"], int(float(hit["n"]["N"]))
    if op == ">":
        op, n = ">=", n + 1
    if op == "<":
        op, n = "<=", n - 1
    if op not in (">=", "<="):
        return None
    return add(hit, f"row count {'at least' if op == '>=' else 'at most'} {n}")


@rule(
    rf"{{CX:a}}{MUST}(?P<never>{NEVER})?(?: be| lie| come| fall| happen)? (?P<op>{{F:f}}|before|after|on or after|on or before|not before|not after|equal|same as|precede|precedes|follow|follows|exceed|different from|larger|at or after|earlier|later|the same as|lower|less)(?: than)? (?:be )?{{CX:b}}"
)
def ordered(hit: Hit) -> bool | None:
    ops = {
        "before": "<",
        "after": ">",
        "on or after": ">=",
        "at or after": ">=",
        "on or before": "<=",
        "not before": ">=",
        "not after": "<=",
        "precede": "<",
        "precedes": "<",
        "follow": ">",
        "follows": ">",
        "exceed": ">",
        "same as": "=",
        "equal": "=",
        "different from": "!=",
        "larger": ">",
        "earlier": "<",
        "later": ">",
    }
    op = hit["f"]["F"] if hit.has("f") else ops.get(hit.word("op").replace("_", " "), "")
    a, b = expression_of(hit["a"]), expression_of(hit["b"])
    if not op or a is None or b is None or hit["a"].said == hit["b"].said:
        return None
    place = place_of(hit.scene)
    if hit["a"]["C"] and hit["b"]["C"]:
        kinds = [next((k for k in "MWLB" if place.is_a(x["C"], k)), "") for x in (hit["a"], hit["b"])]
        if kinds[0] != kinds[1]:
            return None
    e = compare(op, a, b)
    never = hit.has("never") or bool(
        re.search(r"never|can't|cannot|not be", hit.match[0].partition(" " + hit.match["op"])[0])
    )
    return add(hit, f"that {show(opposite(e) if never else e)}")


@rule(r"no {T} (?:may |should |can |must |is |are |with |where |has |have |be |that )*{K:k}")
def none_that(hit: Hit) -> bool:
    return add(hit, f"that {show(opposite(hit['k']['K']))}")


RULES: tuple[Rule, ...] = (
    row_count,
    not_twice,
    no_duplicates,
    no_two,
    has_no_duplicates,
    one_per,
    unique,
    unique_first,
    none_without,
    not_null,
    no_missing,
    nothing_missing,
    none_null,
    signed,
    no_negative,
    between,
    bound,
    bound_more,
    ordered,
    refers,
    pattern,
    among,
    every_has,
    present,
    positive,
    also,
    freshness,
    by_time,
)
BOTH = re.compile(r"(?P<c>.+) at least (?P<a>\S+)\n(?P=c) at most (?P<b>\S+)")


def ranges(rules: list[str]) -> list[str]:
    """At least 1, at most 5: between 1 and 5."""
    text = "\n".join(rules)
    return BOTH.sub(r"\g<c> between \g<a> and \g<b>", text).split("\n") if rules else []


WHOLE = re.compile(
    r"\b(?:quality|check|anything wrong|any problems|problems|issues|health|any good|clean|okay|look at|sanity|inspect|examine|profile|trust|healthy|data check)\b"
)


def none_cue(text: str) -> bool:
    """Whether rows of a kind are forbidden: "no order may be open without a date"."""
    return bool(re.search(r"\bno \w+ (?:may|should|can|must|is|are|with|has)\b", text))


def read(scene: Scene, setting: Setting) -> Piece | None:
    text = setting.source.text[setting.a : setting.b].lower()
    for r in (*FAILS, *FORMULAS, *COMPARISONS, *RULES, *(CONDITIONS if none_cue(text) else ()), *JOINED, none_that):
        r.apply(scene)
    rules = [t for _, t in sorted(scene.notes.get("rules", []), key=lambda x: x[0])]
    rules = ranges(rules)
    failure = scene.notes.get("failure")
    left = unexplained(scene, tables=(setting.place.name,), extra=CHECKED)
    if not rules and (failure or not WHOLE.search(text)):
        return None
    doubt = 1.0
    if rules and not failure and not STRONG.search(text):
        doubt = 0.8
    parts = [f"check {table_text(setting.place.name)}"]
    if rules:
        parts.append("for " + ", ".join(dict.fromkeys(rules)))
    if failure:
        parts.append(f"on failure {failure}")
    quality = min((t.chunk.quality for t in scene.tokens if t.chunk is not None), default=1.0)
    whole = 0.0 if rules else -0.3
    return Piece(
        (" ".join(parts),),
        table=setting.place.name,
        unexplained=left,
        quality=quality * doubt,
        bonus=(0.2 if failure else 0.1) + whole,
    )


FRAMES = (Frame("check", CUE, "T", read),)
