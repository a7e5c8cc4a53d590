"""Rules for rows: drop duplicates, remove and keep by condition, sort, top and bottom, first, sample."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import place_of
from intendant.planner.frames.draft import GROUP, ORDER, draft_of, named, names
from intendant.planner.frames.pattern import Chunk, Hit, Rule, rule
from intendant.planner.frames.trees import show

__all__ = ["DUPLICATES", "REMOVE", "ROWS", "SORTS", "TOPS", "TOPS_LATE"]

REMOVE = (
    r"(?:remove|delete|drop|discard|exclude|throw out|throw away|get rid of|take out|kick out|filter out|eliminate|erase|purge"
    r"|leave out|omit|toss|toss out|weed out|strip out|cut|cut out|ditch|clear out|clear|clean out|sort out|reject|dump|leave behind|lose|strip)"
)
GONE = r"(?:out|go|removed|deleted|dropped|can go|must go|should go|thrown out|thrown away|away|discarded|to go|off|excluded|should be removed|must be removed|should be dropped|must be dropped|should be deleted|must be deleted|are to be removed|has to go|have to go|need to go|can be removed|can be dropped|can be deleted|should be left out|are out|need to be removed|goes out|go out)"
KEEP = r"(?:keep|retain|filter|restrict|narrow|narrow down|limit|reduce|hold on to|filter down|cut down|preserve|leave)"
SOFT = r"(?:all|any|every|those|rows?|records?|entries|entry|ones|{T}|with|where|that|which|who|are|is|have|has|of|in|from|out|for|only|to|down|just|it|them|whose|whatever|everything|anything|there|on|table|were|was|everyone|people|lines?)"
DUPS = r"(?:duplicates|duplicate|duplicated|doubles|double|doubled|repeats|repeated|dupes|dups|identical|copies|multiple|doublets|twins|redundant)"
KEEPING = (
    r"(?:(?: ,| and| but| , and| , but| -| ;)? (?:keep|keeping|retain|retaining|leave|leaving|always keep|keep only|keeping only|with|let|prefer|preferring|so that)"
    r"(?: only| just)?(?: one with)? (?P<which>newest|latest|most recent|oldest|first|earliest|last|freshest|most recently {W:by0})(?: one| row| record| entry| version| of them| ones| rows| records| {T})*(?: stays| wins| remains| win)?"
    r"(?: (?:by|according to|based on|going by|in terms of|as of|going after|judging by|by column) {W:by})?)"
)
NEWEST = {
    "newest": "newest",
    "latest": "newest",
    "most recent": "newest",
    "last": "newest",
    "freshest": "newest",
    "oldest": "oldest",
    "first": "oldest",
    "earliest": "oldest",
}


def dedupe(hit: Hit) -> bool | None:
    place, draft = place_of(hit.scene), draft_of(hit.scene)
    text = "drop duplicates"
    cs = [c["C"] for c in hit.all("cs")] if hit.has("cs") else []
    if cs:
        text += " by " + names(cs)
    if hit.has("which"):
        by = hit["by"]["C"] if hit.has("by") else hit["by0"]["C"] if hit.has("by0") else place.time
        which = NEWEST.get(hit.word("which").replace("_", " "), "newest")
        if not by:
            return None
        if not cs:
            if not place.key:
                return None
            text += f" by {named(place.key)}"
        text += f" keeping {which} by {named(by)}"
    draft.edits = True
    return draft.add(hit, text)


NOUN = r"(?: rows?| records?| entries| {T}| ones| lines| values)*"
ON = r"(?: (?:in|from|of|out of|on|within|among) (?:{T}|table|it|there))?"
BY = r"(?: (?:by|on|based on|with same|having same|per|over|with identical|according to|judging by|by column|for same|sharing same|for|of|with respect to|looking at|in terms of|in|with equal|that share|that have same|which share same|using|as to|keyed on|with repeated|where) (?:column |columns |combination of |pair of |same |key )?{C+:cs}(?: column| columns| combination| alone| pairs?| is same| are same| are equal| match| repeats| is identical| are identical)?)"
DUPLICATES: tuple[Rule, ...] = (
    Rule(rf"(?:{REMOVE}|dedupe|fix|clean up|eliminate|collapse|merge) {DUPS}{NOUN}{ON}{BY}?{ON}{KEEPING}?{ON}", dedupe),
    Rule(
        rf"(?:dedupe|deduplicate|de - duplicate|dedup|unduplicate)(?: it| them| rows)?(?: {{T}})?{BY}?{ON}{KEEPING}?",
        dedupe,
    ),
    Rule(
        rf"(?:keep|leave|retain)(?: only)? (?:one|single|1)(?: row| record| entry| {{T}}| line| of each)?(?: only)? (?:per|for each|for every|by|of each|each|with each) {{C+:cs}}{ON}{KEEPING}?",
        dedupe,
    ),
    Rule(
        rf"(?:one|single|1) (?:row|record|entry|line) (?:per|for each|for every|of each) {{C+:cs}}{ON}{KEEPING}", dedupe
    ),
    Rule(
        rf"(?:keep|keeping|retain|leave|only)(?: only)? (?P<which>newest|latest|most recent|oldest|earliest|freshest)(?: one| row| record| entry| {{T}}| version)? (?:per|for each|for every|of each|by|of every) {{C+:cs}}{ON}(?: (?:by|according to|based on|going by|judging by) {{W:by}})?",
        dedupe,
    ),
    Rule(
        rf"{{C+:cs}} (?:may|should|must|shall|can) (?:appear|occur|be there|exist|be) only once{ON}{KEEPING}?", dedupe
    ),
    Rule(rf"make(?: {{T}})? unique (?:by|on|per) {{C+:cs}}{ON}{KEEPING}?", dedupe),
)


def removal(hit: Hit, k: Chunk) -> bool:
    draft = draft_of(hit.scene)
    missings = list(k["missings"] or ()) or ([k["missing"]] if k["missing"] else [])
    text = f"drop missing {names(missings)}" if missings and all(missings) else f"drop rows where {show(k['K'])}"
    draft.edits = True
    draft.quality *= k.quality
    return draft.add(hit, text, uses=show(k["K"]))


@rule(rf"{REMOVE} (?:{SOFT} )*{{K:k}}(?: {SOFT})*?(?: (?:in|from|of|out of) {{T}})?")
def remove(hit: Hit) -> bool:
    return removal(hit, hit["k"])


@rule(
    rf"(?:{SOFT} )*{{K:k}}(?: ones| rows| records| entries| {{T}})?(?: in {{T}})? ?,? (?:should |must |can |shall |are |is |to |have to |need to |may |all |ought to )*(?:be )?{GONE}"
)
def removed(hit: Hit) -> bool:
    return removal(hit, hit["k"])


@rule(
    rf"(?:throw|take|kick|leave|cut|sort|filter|cast|get|keep) (?:{SOFT} )*{{K:k}}(?: {SOFT})*? out(?: (?:of|from) (?:{{T}}|it|there))?"
)
def thrown_out(hit: Hit) -> bool:
    return removal(hit, hit["k"])


@rule(
    rf"{REMOVE} (?:all |any |every |rows |records |{{T}} |those |everything |anything )*(?:with|that have|having|containing|that contain|where|with any)(?: there are| there is)? (?:any )?(?:missing values|nulls|empty values|gaps|missing data|empty cells|blanks|missing fields)(?: anywhere| in any column)?"
)
def remove_gaps(hit: Hit) -> bool:
    draft_of(hit.scene).edits = True
    return draft_of(hit.scene).add(hit, "drop missing")


@rule(
    rf"(?:{SOFT} )*{{K:k}}(?: ones| rows| records| {{T}})?(?: (?:in|of) {{T}})?(?: [,.:;-]| so| please| and| should| is| are| noise| wrong| useless| worthless| can't be right)* {REMOVE}(?: out| away)? (?:them|those|these|those rows|it|such rows|these rows|all of them|them all)(?: all)?(?: (?:from|out of) {{T}})?"
)
def removed_after(hit: Hit) -> bool:
    return removal(hit, hit["k"])


@rule(rf"{KEEP} (?:{SOFT} )*{{K:k}}")
def keep(hit: Hit) -> bool:
    draft = draft_of(hit.scene)
    draft.edits = True
    draft.quality *= hit["k"].quality
    return draft.add(hit, f"filter {show(hit['k']['K'])}", uses=show(hit["k"]["K"]))


@rule(r"{K:k}")
def left(hit: Hit) -> bool:
    draft = draft_of(hit.scene)
    if any(o.text.startswith(("drop rows", "drop missing")) for o in draft.ops):
        hit.scene.notes["open"] = "which rows"
    draft.quality *= hit["k"].quality
    return draft.add(hit, f"filter {show(hit['k']['K'])}", uses=show(hit["k"]["K"]))


ROWS: tuple[Rule, ...] = (remove_gaps, thrown_out, removed_after, remove, removed, keep, left)

DOWN = (
    r"(?:descending|desc|descendingly|in descending order|decreasing|from high to low|high to low|from highest to lowest|highest to lowest"
    r"|(?:with )?(?:highest|largest|biggest|most|newest|latest|most recent|best|heaviest|longest|dearest|costliest|priciest|worst|busiest|most expensive|youngest|top|fastest|greatest|hottest|freshest|strongest|richest)(?: (?:one|ones|values?|{T}))? (?:first|on top|at top|at beginning|at start|up front|up top)"
    r"|from largest to smallest|largest to smallest|from newest to oldest|newest to oldest|from most to least|biggest to smallest|from biggest to smallest|heaviest to lightest|downwards|in decreasing order|reverse order|starting with (?:highest|largest|biggest|newest|latest|most recent)|best to worst|z to a|longest to shortest|latest to earliest)"
)
UPW = (
    r"(?:ascending|asc|in ascending order|increasing|from low to high|low to high|from lowest to highest|lowest to highest|alphabetically|in alphabetical order"
    r"|(?:with )?(?:lowest|smallest|fewest|oldest|earliest|cheapest|least|shortest|lightest|first|slowest|soonest|coldest|weakest)(?: (?:one|ones|values?|{T}))? (?:first|on top|at top|at beginning|at start|up front)"
    r"|from smallest to largest|smallest to largest|from oldest to newest|oldest to newest|chronologically|in chronological order|from least to most|upwards|in increasing order|a to z|starting with (?:lowest|smallest|oldest|earliest)|in order|shortest to longest|earliest to latest|lightest to heaviest|from a to z)"
)
DIRECTION = rf"(?:{DOWN}|{UPW})"


def is_down(text: str) -> bool:
    return bool(re.fullmatch(expanded(DOWN), text))


def expanded(pattern: str) -> str:
    return pattern.replace("{T}", r"\w+").replace("{F}", "x")


def direction(hit: Hit, group: str) -> str:
    text = re.sub(r"<\w+>", "", hit.match[group] or "").strip(" ,")
    text = re.sub(r"^(?:, |and |in order |with )+", "", text)
    return " descending" if text and is_down(text) else ""


def sort_keys(hit: Hit, chunks: list[Chunk], way: str) -> str:
    keys = [c["out"] or named(c["C"]) for c in chunks]
    return ", ".join(k + way for k in dict.fromkeys(keys))


@rule(
    rf"(?:,? )?(?:sort|sorted|order|ordered|arrange|arranged|put|list|listed|rank|ranked|sorting|ordering|reorder|lay out|lined up|shown|show)(?: it| them| {{T}}| rows| results?| everything| all| this| that| in| order| list| table)*(?: by| according to| on| after) (?:column )?{{CA+:cs}}(?P<way>(?: ,| and| in order)? {DIRECTION})?"
)
def sort(hit: Hit) -> bool | None:
    chunks = hit.all("cs")
    if any(c["out"] is None and c["C"] is None for c in chunks):
        return None
    draft = draft_of(hit.scene)
    hit.scene.notes["sorts"] = True
    keys = sort_keys(hit, chunks, direction(hit, "way") if hit.has("way") else "")
    for c in chunks:
        if c["A"] is not None:
            draft.add(hit, c["A"], GROUP)
    return draft.add(hit, f"sort by {keys}", ORDER)


@rule(
    r"(?:,? )?(?P<way>(?:sorted |sort |ordered |order |put |from |in )?(?:with )?(?P<d>highest|largest|biggest|most|newest|latest|most recent|heaviest|longest|greatest|lowest|smallest|fewest|oldest|earliest|cheapest|shortest)) {CA:c} (?:first|on top|at top|up front|at beginning|at start)"
)
def extreme_first(hit: Hit) -> bool | None:
    c = hit["c"]
    key = c["out"] or (named(c["C"]) if c["C"] else "")
    if not key:
        return None
    if c["C"] and place_of(hit.scene).is_a(c["C"], "W") and hit.word("d") in ("most", "fewest"):
        return None
    down = hit.word("d") not in ("lowest", "smallest", "fewest", "oldest", "earliest", "cheapest", "shortest")
    return draft_of(hit.scene).add(hit, f"sort by {key}{' descending' if down else ''}", ORDER)


@rule(
    rf"(?:,? )?(?:(?:sort|sorted|order|ordered|arrange|arranged|put|list|listed|show|shown) )?(?:it |them |{{T}} |rows |results? |that |with )*(?P<way>{DIRECTION})"
)
def sort_alone(hit: Hit) -> bool | None:
    """highest first, after just one number; newest first, by the time column."""
    text = hit.word("way")
    draft, place = draft_of(hit.scene), place_of(hit.scene)
    way = direction(hit, "way")
    if (
        re.search(r"new|late|recent|old|earl|chrono|fresh", text)
        and place.time
        and not hit.scene.notes.get("aggregates")
    ):
        return draft.add(hit, f"sort by {named(place.time)}{way}", ORDER)
    hit.scene.notes["direction"] = (way, hit.at)
    return True


SORTS: tuple[Rule, ...] = (extreme_first, sort, sort_alone)

MOST = r"(?:highest|largest|biggest|most|greatest|heaviest|longest|most expensive|dearest|priciest|costliest|maximum|hottest|fastest|oldest|top|best|warmest)"
LEAST = r"(?:lowest|smallest|fewest|least|lightest|shortest|cheapest|minimum|coldest|slowest|bottom|worst|youngest)"


def top_by(hit: Hit, key: str, down: bool, per: str = "") -> bool:
    return draft_of(hit.scene).add(hit, f"{'top' if down else 'bottom'} {int(hit['n']['N'])} by {key}{per}", ORDER)


def key_of_chunk(c: Chunk, hit: Hit) -> str:
    if c["out"]:
        draft_of(hit.scene).add(hit, c["A"], GROUP)
        return str(c["out"])
    return named(c["C"]) if c["C"] else ""


PER = r"(?: (?:per|for each|in each|for every|within each|of each|in every|each) {C+:per})?"


@rule(
    rf"(?P<way>top|best|highest|bottom|lowest|{MOST}|{LEAST}) {{N:n}}(?: {{T}}| rows| records| entries| ones)?{PER} (?:by|in|on|according to|in terms of|with highest|ranked by|measured by|going by|for) {{CA:c}}{PER.replace('per}', 'perb}')}"
)
def top_n_by(hit: Hit) -> bool | None:
    key = key_of_chunk(hit["c"], hit)
    per = hit.all("per") or hit.all("perb") if hit.has("per") or hit.has("perb") else []
    text = f" per {names([c['C'] for c in per])}" if per else ""
    down = hit.word("way") not in (
        "bottom",
        "lowest",
        "worst",
        "smallest",
        "fewest",
        "least",
        "lightest",
        "shortest",
        "cheapest",
        "minimum",
        "coldest",
        "slowest",
        "youngest",
    )
    return top_by(hit, key, down, text) if key else None


@rule(rf"(?:{{T}} with )?{{N:n}}(?: {{T}})? (?:with |of |having )?(?P<way>{MOST}|{LEAST}) {{M:c}}(?: values?)?")
def n_highest(hit: Hit) -> bool:
    return top_by(hit, named(hit["c"]["C"]), not re.fullmatch(LEAST, hit.word("way").replace("_", " ")))


@rule(rf"(?P<way>{MOST}|{LEAST}) {{N:n}} {{M:c}}(?: values?)?")
def highest_n(hit: Hit) -> bool:
    return top_by(hit, named(hit["c"]["C"]), not re.fullmatch(LEAST, hit.word("way").replace("_", " ")))


@rule(
    r"(?:{N:n} (?P<way>newest|latest|most recent|last|freshest|oldest|earliest)|(?P<wayb>newest|latest|most recent|last|freshest|oldest|earliest) {N:nb})(?: {T}| rows| records| entries| ones)*(?: (?:by|according to|going by|based on|judging by) {W:c})?"
)
def n_newest(hit: Hit) -> bool | None:
    place = place_of(hit.scene)
    by = hit["c"]["C"] if hit.has("c") else place.time
    if not by:
        return None
    way, n = (hit.word("way"), hit["n"]) if hit.has("way") else (hit.word("wayb"), hit["nb"])
    return draft_of(hit.scene).add(
        hit, f"{'bottom' if way in ('oldest', 'earliest') else 'top'} {int(n['N'])} by {named(by)}", ORDER
    )


@rule(
    r"(?:random )?(?:sample|random) (?:of )?{N:n}(?P<pct>)(?: (?:of|from))?(?: random)?(?: {T}| rows| records| entries)*"
)
def sample(hit: Hit) -> bool | None:
    n = hit["n"]
    return draft_of(hit.scene).add(hit, f"sample {n['N']} {'percent' if n['pct'] else 'rows'}", ORDER)


@rule(r"{N:n} random (?:{T}|rows|records|entries)")
def random_rows(hit: Hit) -> bool:
    return draft_of(hit.scene).add(hit, f"sample {int(hit['n']['N'])} rows", ORDER)


@rule(
    r"(?:,? )?(?:only |keep |and |then |take |limit to |limited to |give |show )*(?P<way>top|best|bottom|worst|first)? ?{N:n}(?P<wayb> best| top| highest| biggest| largest| worst| lowest)?"
)
def top_alone(hit: Hit) -> bool | None:
    """top 20, after just one number; settled when the aggregates are known."""
    way = hit.word("way") or hit.word("wayb")
    if not way or way == "first" or hit["n"]["pct"]:
        return None
    hit.scene.notes["top"] = (way, int(hit["n"]["N"]), hit.at)
    return True


@rule(
    r"first {N:n}(?: {T}| rows| records| entries| lines)?|(?:show|list|give|see|display|any|view|return|get|limit to|print|preview)(?: out| me)?(?: of)?(?: just| only)? {N:m}(?: (?:rows|records|entries|lines|sample rows))?(?: (?:of|from|in))? {T}|{N:o} (?:rows|records|entries|lines)(?: of| from) {T}"
)
def first_n(hit: Hit) -> bool | None:
    n = next(hit[g] for g in ("n", "m", "o") if hit.has(g))
    if n["pct"] or "." in str(n["N"]) or n["D"]:
        return None
    return draft_of(hit.scene).add(hit, f"first {n['N']}", ORDER)


TOPS: tuple[Rule, ...] = (sample, random_rows, top_n_by, n_highest, highest_n, n_newest)
TOPS_LATE: tuple[Rule, ...] = (first_n, top_alone)
