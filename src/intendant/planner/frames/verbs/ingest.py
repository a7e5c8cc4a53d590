"""ingest: rows of a source's resource, how many, which, since when, and where they go."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import COMPARISONS, place_of
from intendant.planner.frames.conditions import CONDITIONS, JOINED
from intendant.planner.frames.draft import draft_of, named, names
from intendant.planner.frames.frame import Frame, Piece, Setting, resource_text, table_text, unexplained
from intendant.planner.frames.pattern import Chunk, Hit, Rule, Scene, rule
from intendant.planner.frames.rows import REMOVE
from intendant.planner.frames.targets import TARGETS, TARGETS_LATE
from intendant.planner.frames.trees import both, opposite, show

__all__ = ["FRAMES"]

CUE = re.compile(
    r"\b(?:load|loading|ingest|import|importing|fetch|pull|get|bring|take|grab|sync|synchroni[sz]e|read|collect|copy|retrieve|download|extract|"
    r"gather|stage|stream|hook up|plug|connect|add|append|update|upsert|merge|refresh|replace|overwrite|from|onboard|need|want|land|reload|newest|latest|last|since|most recent|freshest|oldest|first|new|just|only|of|all)\b"
)
LOADED = frozenset(
    """who's been what's used went handed came arrived made happened lot rest needed version load loading ingest import importing fetch pull get bring take grab sync synchronize synchronise read collect copy retrieve
    download extract gather stage stream onboard land reload loaded fetched in over need want are is staging storage lake
    them temporary area table whole full complete entire every everything all fresh it our have put new update updated
    existing insert known ones off up resource source system api database db there be down each matched matching match
    rows feed data bring added changed go goes going stored store saved save keep today's on hand across see straight directly""".split()
)
NEWEST = r"(?:newest|latest|most recent|last|freshest|youngest|most recently created|recent|most current)"
OLDEST = r"(?:oldest|earliest|first ever|longest ago)"
ROW = r"(?: (?:{R}|{T}|rows?|records|entries|ones|lines|messages|events|items|{O}))*"
BY = r"(?: (?:by|according to|going by|based on|judging by|in terms of|ordered by|sorted by|as of|after) (?:their |column )?{C:by})?"


def counted(hit: Hit, which: str) -> bool | None:
    n = hit["n"]["N"]
    if n is None or "." in n or hit["n"]["pct"]:
        return None
    by = f" by {named(hit['by']['C'])}" if hit.has("by") else ""
    hit.scene.notes["count"] = f"{which} {n}{by}" if which != "first" else f"first {n}"
    return True


@rule(rf"(?:{NEWEST} {{N:n}}|{{N:m}} {NEWEST}){ROW}{BY}")
def newest(hit: Hit) -> bool | None:
    return pick(hit, "latest")


@rule(rf"(?:{OLDEST} {{N:n}}|{{N:m}} {OLDEST}){ROW}{BY}")
def oldest(hit: Hit) -> bool | None:
    return pick(hit, "oldest")


def pick(hit: Hit, which: str) -> bool | None:
    chunk = hit["n"] if hit.has("n") else hit["m"]
    if not isinstance(chunk["N"], str) or "." in chunk["N"] or chunk["pct"] or chunk["D"]:
        return None
    by = f" by {named(hit['by']['C'])}" if hit.has("by") else ""
    hit.scene.notes["count"] = f"{which} {chunk['N']}{by}" if which != "first" else f"first {chunk['N']}"
    return True


@rule(r"(?:by|according to|going by|based on|judging by|in terms of) (?:their |column )?{C:by}")
def counted_by(hit: Hit) -> bool | None:
    count = hit.scene.notes.get("count", "")
    if not count.startswith(("latest", "oldest")) or " by " in count:
        return None
    hit.scene.notes["count"] = f"{count} by {named(hit['by']['C'])}"
    return True


@rule(
    r"(?:(?:first|any|some|sample of|sample|about) {N:n}|{N:m} (?:sample|example|test|random|arbitrary|first))(?: (?:{R}|{T}|rows?|records|entries|ones|lines|messages))*"
)
def some(hit: Hit) -> bool | None:
    return pick(hit, "first")


@rule(r"{N:m} (?:{R}|rows|records|entries|lines|messages)(?: (?:of|from) {R})?")
def so_many(hit: Hit) -> bool | None:
    return pick(hit, "first") if "count" not in hit.scene.notes else None


@rule(
    rf"(?:,? ?(?:and |with |from |starting with |ordered |sorted )?{NEWEST} (?:first|ones|rows|on top)|, {NEWEST}){BY}"
)
def newest_first(hit: Hit) -> bool | None:
    """200 holds, newest first"""
    count = hit.scene.notes.get("count", "")
    m = next((t for t in hit.scene.tokens if t.chunk is not None and t.chunk.kinds == "N"), None)
    if not count.startswith("first ") and m is None:
        return None
    by = f" by {named(hit['by']['C'])}" if hit.has("by") else ""
    if m is not None and m.chunk is not None:
        hit.scene.notes["count"] = f"latest {m.chunk['N']}{by}"
        hit.scene.notes["spent"] = m
    else:
        hit.scene.notes["count"] = count.replace("first", "latest") + by
    return True


SINCE_LAST = (
    r"(?:(?:only |just |all |any |whatever |what |that )*(?:(?:is |are |was |were |has been |have been |came |come |arrived |changed |added |been |updated |{W} |has |have |we |that |which |in |as )*(?:since|after) (?:we )?(?:last|previous|then|that)(?: (?:load|time|run|pull|sync|import|fetch|one|looked|synced|loaded|ingestion|checked|update|refresh|got|call|visit|batch|{D}))*)"
    r"|(?:only |just )?new (?:rows|records|entries|ones|{R}|{T}|data)(?: only)?|only new(?: {R}| {T})?|incrementally|incremental load|increment|(?:rows|records|ones|what|those|{R}|whatever)(?: that)? (?:we )?(?:don't|do not|haven't|have not) (?:have|got|seen|loaded)(?: yet| so far)?|whatever (?:is|has been|came in) new|what is new|new since last {n}|newly arrived|newly added|not (?:yet )?(?:loaded|seen) yet|not seen before|delta)"
)


@rule(rf"{SINCE_LAST}(?: (?:by|according to|going by|based on|judging by) {{W:by}})?")
def fresh(hit: Hit) -> bool | None:
    by = hit["by"]["C"] if hit.has("by") else place_of(hit.scene).time
    if not by:
        return None
    hit.scene.notes["new"] = f"new rows by {named(by)}"
    return True


KEYED = r"(?: (?:on|by|with|via|using|matching on|matched on|matched by|matching|keyed on|through|match on|key|matching by|, key|, keyed on|, matching on|, matched by|, by|, on|where|, key is) (?:their |same |key |column )*{C+:cs}(?: is key| as key| key| matches)?)"


def upserted(hit: Hit) -> bool | None:
    place = place_of(hit.scene)
    cs = [c["C"] for c in hit.all("cs")] if hit.has("cs") else [place.key] if place.key else []
    if not cs or any(c is None for c in cs):
        return None
    text = named(cs[0]) if len(cs) == 1 else f"({names([str(c) for c in cs])})"
    into = re.search(r"(?:into|update|in|our|with)(?:<\w+>)? \S*<[A-Z]*T[A-Z]*(\d+)>", hit.match[0])
    if into and not draft_of(hit.scene).target:
        draft_of(hit.scene).target = table_text(hit.chunks[int(into[1])]["T"])
    hit.scene.notes["mode"] = f"upsert on {text}"
    return True


UPSERTS: tuple[Rule, ...] = (
    Rule(
        rf"(?:upsert|upserting|merge|merged|merging|update|updating|sync|match|matching|matched|bring up to date|synchronise|synchronize)(?: it| them| with| into| in| by upsert| to| our| rows| existing| known| ones| records| those| what| we| have| {{R}}| {{T:t}}| ,| and| add| adding| insert| inserting| new| rest| others| that| exist| missing| are| is| already| there| changed)*{KEYED}",
        upserted,
    ),
    Rule(rf"by upsert{KEYED}?", upserted),
    Rule(
        r"(?:update|updating|refresh|overwrite) (?:existing|known|old|present|ones we have|what we have|those we have|what exists)(?: rows| ones| records| {R}| {T})*(?:,| and|, and)? ?(?:add|adding|insert|inserting|append|appending)(?: new| missing| rest| others| unknown| rows| ones| records| {R}| {T})*",
        upserted,
    ),
    Rule(r"{C+:cs} (?:is|being|as) key(?: column)?", upserted),
)


def onto(mode: str) -> Rule:
    cue = {
        "append": r"(?:append|appending|add|adding|added|appended|tack|stick|attach|put|on top of|onto|in addition to|go on top of|stack)",
        "replace": r"(?:replace|replacing|overwrite|overwriting|wipe|swap|substitute|in place of|instead of|replaced|throw away|rewrite)",
    }[mode]

    def build(hit: Hit) -> bool | None:
        draft = draft_of(hit.scene)
        hit.scene.notes["mode"] = mode
        if hit.has("t"):
            draft.target = table_text(hit["t"]["T"])
        elif hit.has("i"):
            draft.target = table_text(hit["i"]["I"])
        elif hit.has("r"):
            draft.target = table_text(hit["r"]["R"].partition(".")[2])
        return True

    tail = r"(?: (?:it|them|those|that|this|rows|everything|to|on|onto|into|at end of|end|of|in|whatever|what|is|are|we|have|there|already|table|existing|old|contents|current|present|with|by|up|over|on to|bottom|ours|completely|entirely|fully|all|whole))*"
    return Rule(
        rf"{cue}{tail} (?:{{T:t}}|{{I:i}}|{{R:r}} table)(?: table| entirely| completely| fully| contents| with it| with them| with theirs| there)*",
        build,
    )


def plain_mode(mode: str, words: str) -> Rule:
    def build(hit: Hit) -> bool | None:
        hit.scene.notes.setdefault("mode", mode)
        return True

    return Rule(words, build)


MODES: tuple[Rule, ...] = (
    onto("append"),
    onto("replace"),
    plain_mode(
        "append",
        r"(?:append|appending|appended|adding (?:to|it|them)|add(?:ed)? (?:it|them|those|to what is there)|on top|added on|add to whatever is already there|add on)",
    ),
    plain_mode(
        "replace",
        r"(?:replace|replacing(?: it| them| what is there| what's there| old one| everything)?|overwrite|overwriting(?: it| them| what is there)?|from scratch|full reload|wiping what is there|reload)",
    ),
)


@rule(
    r"(?:into|onto|update|refresh|goes in|go in|store in|put in|put them in|in our|into our)(?: existing)? {T:t}(?: table)?"
)
def existing(hit: Hit) -> bool | None:
    draft = draft_of(hit.scene)
    if draft.target:
        return None
    draft.target = table_text(hit["t"]["T"])
    return True


@rule(
    r"(?:{C+:cs})(?: columns?| fields?)? (?:only|suffice|are enough|will do|is enough|nothing else|of every {R}|of all {R}|of each {R}|of {R}|from {R}|for all {R}|from {O}|for {R}|columns)"
)
def columns_after(hit: Hit) -> bool | None:
    return columns(hit)


@rule(
    r"(?:only|just|columns?|with columns?|fields?|with only|with just|with fields?|but only|only columns?|only fields?|take|load|get|fetch|pull|import|grab|bring in|,|:|with) (?:only |just |columns? |fields? |nothing but )*{C+:cs}(?: columns?| fields?)?"
)
def columns_before(hit: Hit) -> bool | None:
    return columns(hit)


def columns(hit: Hit) -> bool | None:
    cs = [c["C"] for c in hit.all("cs")]
    if len(cs) < 2 and not re.search(r"only|just|columns?|fields?", hit.match[0]):
        return None
    if "columns" in hit.scene.notes:
        return None
    draft_of(hit.scene).quality *= min(c.quality for c in hit.all("cs"))
    hit.scene.notes["columns"] = f"columns {names(cs)}"
    return True


@rule(
    rf"(?:{REMOVE}|don't load|do not load|don't want|skip|ignore|not) (?:those |rows |ones |{{R}} |that |with |where |any )*{{K:k}}"
)
def leave_out(hit: Hit) -> Chunk:
    return Chunk("K", {"K": opposite(hit["k"]["K"])}, hit["k"].said, hit["k"].quality)


@rule(r"{K:k}")
def kept(hit: Hit) -> bool:
    hit.scene.notes.setdefault("where", []).append(hit["k"]["K"])
    draft_of(hit.scene).quality *= hit["k"].quality
    return True


def read(scene: Scene, setting: Setting) -> Piece | None:
    for r in (fresh, *UPSERTS, *MODES, *TARGETS, newest, oldest, some, *COMPARISONS):
        r.apply(scene)
    newest_first.apply(scene)
    counted_by.apply(scene)
    for r in (existing, columns_after, columns_before):
        r.apply(scene, 1)
    for r in (*CONDITIONS, *JOINED, leave_out, kept, so_many, *TARGETS_LATE):
        r.apply(scene)
    notes, draft = scene.notes, draft_of(scene)
    if notes.get("spent") in scene.tokens:
        scene.tokens.remove(notes["spent"])
    left = unexplained(scene, tables=(setting.place.name,), extra=LOADED)
    parts = ["ingest", resource_text(setting.place.name), notes.get("count", ""), notes.get("new", "")]
    if notes.get("where"):
        parts.append(f"where {show(both(notes['where']))}")
    parts += [notes.get("columns", ""), notes.get("mode", ""), f"into {draft.target}" if draft.target else ""]
    sure = strong(setting)
    if notes.get("mode") == "replace" and not sure and not sourced(scene):
        left = (*left, "load")
    made = draft.target and setting.place.name.partition(".")[2] not in setting.catalog.tables
    settled = "new" in notes or str(notes.get("mode", "")).startswith("upsert")
    if not sure and not made and not settled and not sourced(scene):
        left = (*left, "load")
    return Piece(
        (" ".join(p for p in parts if p),), unexplained=left, quality=draft.quality, bonus=0.1 if sure else 0.0
    )


VERB = re.compile(
    r"\b(?:load|ingest|import|fetch|pull|get|bring|take|grab|sync|read|collect|copy|retrieve|download|extract|gather|stage|reload|onboard|loading|importing|hook up|plug|plug in|stream)\b"
)


def strong(setting: Setting) -> bool:
    return bool(VERB.search(setting.source.text[setting.a : setting.b].lower()))


def sourced(scene: Scene) -> bool:
    """Whether a source itself was named."""
    return any(t.chunk is not None and (t.chunk["O"] or (t.chunk["R"] and not t.chunk["T"])) for t in scene.tokens)


FRAMES = (Frame("ingest", CUE, "R", read),)
