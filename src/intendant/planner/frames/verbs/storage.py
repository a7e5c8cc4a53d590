"""archive, restore, retain, drop, schedule, provision, optimize, limit: what is done to whole tables and sources."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import COMPARISONS, place_of
from intendant.planner.frames.conditions import CONDITIONS, JOINED
from intendant.planner.frames.draft import draft_of, name_in, named, names
from intendant.planner.frames.frame import Frame, Piece, Setting, resource_text, table_text, unexplained
from intendant.planner.frames.pattern import Hit, Scene, rule
from intendant.planner.frames.trees import both, show

__all__ = ["FRAMES"]


def one(text: str, scene: Scene, setting: Setting, extra: str, bonus: float = 0.15) -> Piece:
    left = unexplained(scene, tables=(setting.place.name,), extra=frozenset(extra.split()))
    quality = draft_of(scene).quality * min(
        (t.chunk.quality for t in scene.tokens if t.chunk is not None and (t.chunk["T"] or t.chunk["R"])), default=1.0
    )
    return Piece((text,), table=setting.place.name, unexplained=left, quality=quality, bonus=bonus)


AGED = r"(?:(?:that are |which are |of |those |rows |everything |all |anything )*(?:older than|more than|over|beyond|past|after|not newer than|aged over|from before|dating back more than) (?:than )?{D:d}(?: old| ago| back| or more| or older| of age)*|{D:e} (?:old )?(?:or more|or older|and older|old))"


@rule(
    rf"(?:{{W:w}} )?(?:is |are |was |were )?{AGED}(?: (?:,|\()? ?(?:by|according to|going by|based on|judging by|,|measured by|per|counting from|looking at|as of|\(|using)? ?(?:column )?{{W:by}}(?: counts| \))?)?"
)
def aged(hit: Hit) -> bool | None:
    by = hit["by"]["C"] if hit.has("by") else hit["w"]["C"] if hit.has("w") else ""
    d = hit["d"] if hit.has("d") else hit["e"]
    hit.scene.notes["age"], hit.scene.notes["by"] = d["D"], by
    return True


@rule(
    r"(?:by|according to|going by|based on|judging by|measured by|looking at|using|\(|as of|,|:) (?:column )?{W:by}(?: counts| \))?|{W:w} (?:counts|is what counts)"
)
def aged_by(hit: Hit) -> bool | None:
    if "age" not in hit.scene.notes or hit.scene.notes["by"]:
        return None
    hit.scene.notes["by"] = (hit["by"] if hit.has("by") else hit["w"])["C"]
    return True


def age_of(scene: Scene) -> str:
    """How old rows must be, by the column that was said, or the only one that there is."""
    if "age" not in scene.notes:
        return ""
    place = place_of(scene)
    times = [n for n in place.names.columns if place.is_a(n, "W")]
    by = scene.notes["by"] or (times[0] if len(times) == 1 else "")
    return f"older than {scene.notes['age']} by {named(by)}" if by else "?"


@rule(r"{K:k}")
def kept(hit: Hit) -> bool:
    hit.scene.notes.setdefault("where", []).append(hit["k"]["K"])
    draft_of(hit.scene).quality *= hit["k"].quality
    return True


def conditions(scene: Scene) -> str:
    for r in (*COMPARISONS, *CONDITIONS, *JOINED, kept):
        r.apply(scene)
    return show(both(scene.notes["where"])) if scene.notes.get("where") else ""


def archive(scene: Scene, setting: Setting) -> Piece | None:
    aged.apply(scene, 1)
    aged_by.apply(scene, 1)
    where = conditions(scene)
    age = age_of(scene)
    if age == "?":
        return None
    if where and any(f.kind == "duration" and setting.a <= f.at < setting.b for f in setting.source.literals):
        return None
    if bool(age) == bool(where):
        return None
    text = f"archive {table_text(setting.place.name)} {age or 'where ' + where}"
    return one(
        text,
        scene,
        setting,
        "out scanned merged archive archived archiving archives move put away can may should must offload off cold storage send goes go into please way retire freeze stash need rows longer needed we no",
    )


@rule(r"(?:version|v|number|to version) {N:n}|{N:m} (?:version|was last good one|was good)")
def version(hit: Hit) -> bool | None:
    n = hit["n"] if hit.has("n") else hit["m"]
    if not str(n["N"]).isdigit():
        return None
    hit.scene.notes["version"] = f"version {int(n['N'])}"
    return True


@rule(
    r"(?:previous|prior|preceding|one|last) (?:version|state|snapshot)(?: back| before| earlier| ago)*|(?:one )?version (?:before|back|earlier|ago)(?: that)?|(?:how it was|as it was|way it was|state)(?: before)?(?: that)?|undo|revert|roll back|rollback|one step back|back one|previous one|last change|before last change|back to before"
)
def previous(hit: Hit) -> bool:
    hit.scene.notes.setdefault("version", "previous version")
    return True


def restore(scene: Scene, setting: Setting) -> Piece | None:
    version.apply(scene)
    previous.apply(scene)
    if "version" not in scene.notes:
        return None
    text = f"restore {table_text(setting.place.name)} to {scene.notes['version']}"
    return one(
        text,
        scene,
        setting,
        "restore bring back go set put roll rollback revert get reset return undo to version change changes last it make previous state was before current again good",
    )


def retain(scene: Scene, setting: Setting) -> Piece | None:
    ages = [t for t in scene.tokens if t.chunk is not None and t.chunk["D"]]
    counts = [t for t in scene.tokens if t.chunk is not None and t.chunk["N"] and not t.chunk["D"]]
    text = re.sub(r"<\w+>", "", scene.view()[0])
    if len(ages) + len(counts) != 1:
        return None
    if ages:
        tail = f"for {ages[0].chunk['D']}"  # type: ignore[index]
        scene.tokens.remove(ages[0])
    elif "version" in text and str(counts[0].chunk["N"]).isdigit():  # type: ignore[index]
        tail = f"versions {counts[0].chunk['N']}"  # type: ignore[index]
        scene.tokens.remove(counts[0])
    else:
        return None
    if not re.search(r"version|history|histor|retention|retain|snapshot", text):
        return None
    return one(
        f"retain {table_text(setting.place.name)} {tail}",
        scene,
        setting,
        "hang keep retain hold last only versions version history of worth retention around past days' snapshots old older held plenty enough store latest most recent up days weeks kept is at all preserve save back period policy should",
    )


DROPPING = re.compile(
    r"\b(?:drop|delete|remove|get rid of|trash|bin|ditch|throw away|throw out|discard|erase|wipe|destroy|kill)\b|isn't needed|aren't needed|no longer need|not needed|don't need"
)


def drop(scene: Scene, setting: Setting) -> Piece | None:
    tables = [t for t in scene.tokens if t.chunk is not None and t.chunk["T"] == setting.place.name]
    others = [t for t in scene.tokens if t.chunk is not None and t not in tables and t.chunk.kinds != "J"]
    if len(tables) != 1 or others:
        return None
    text = re.sub(r"<\w+>", "", scene.view()[0])
    if not DROPPING.search(text) or re.search(r"\b(?:column|rows?|duplicates?|from|in|where|records|entries)\b", text):
        return None
    return one(
        f"drop {table_text(setting.place.name)}",
        scene,
        setting,
        "merged done now that's it's drop delete remove get rid trash bin ditch throw away out discard erase wipe destroy kill don't need needed no longer isn't aren't not altogether entirely completely whole it anymore more now for good table old obsolete whole",
        bonus=0.2 if tables[0].chunk is not None and tables[0].chunk.quality > 0.9 else -0.5,
    )


def schedule(scene: Scene, setting: Setting) -> Piece | None:
    times = [t for t in scene.tokens if t.chunk is not None and t.chunk["S"]]
    if len(times) != 1 or times[0].chunk is None:
        return None
    text = re.sub(r"<\w+>", "", scene.view()[0])
    if not re.search(
        r"refresh|renew|rebuil|recomput|re-?run|updat|schedul|fresh|recalculat|regenerat|repeat|redo|run|automat|current|rebuild",
        text,
    ):
        return None
    scene.tokens.remove(times[0])
    return one(
        f"schedule refresh of {table_text(setting.place.name)} {times[0].chunk['S']}",
        scene,
        setting,
        "ought refresh refreshed refreshing renew renewed rebuild rebuilt recompute recomputed rerun update updated updating schedule scheduled keep fresh recalculate repeat redo run automatically current run it should must be to date up has have needs need happen please want is regenerate regenerated set make sure time on",
    )


UNITS = r"(?P<u>year|month|day|hour|quarter|week|monthly|daily|yearly|hourly|months|days|years|hours)"


@rule(
    rf"(?:partition(?:ed|s|ing)?|split|laid out|lay out|organised|organized|divided|one partition|divide|broken)(?: it| them)?(?: by| on| per| for each| into| up by| in)* (?:{UNITS}(?: (?:of|on|by|partitions on|partitions of|from) ?{{W:w}})?|{{W:x}} {UNITS.replace('<u>', '<v>')})"
)
def partition_time(hit: Hit) -> bool | None:
    return partitioned(hit)


@rule(
    rf"(?:by|per|for each) {UNITS}(?: (?:of|on) {{W:w}})?|(?P<v>monthly|daily|yearly|hourly) partitions?(?: (?:on|of|by) {{W:x}})?"
)
def by_time(hit: Hit) -> bool | None:
    return partitioned(hit)


def partitioned(hit: Hit) -> bool | None:
    unit = hit.word("u") or hit.word("v")
    unit = {"monthly": "month", "daily": "day", "yearly": "year", "hourly": "hour"}.get(unit, unit.rstrip("s"))
    by = hit["w"]["C"] if hit.has("w") else hit["x"]["C"] if hit.has("x") else place_of(hit.scene).time
    if unit not in ("year", "month", "day", "hour") or not by or "partition" in hit.scene.notes:
        return None
    hit.scene.notes["partition"] = f"{unit}({named(by)})"
    return True


@rule(r"(?:partition(?:ed)?|split|divided|partitions)(?: it)?(?: by| on| per| into)* {C+:cs}|(?:by|per) {C+:ds}")
def partition_columns(hit: Hit) -> bool | None:
    cs = hit.all("cs") or hit.all("ds")
    if "partition" in hit.scene.notes:
        return None
    hit.scene.notes["partition"] = names([c["C"] for c in cs])
    return True


@rule(r"(?:and |, )?(?:sort|sorted|order|ordered|clustered|cluster)(?: it| then| within)*(?: by| on) {C+:cs}")
def sorted_by(hit: Hit) -> bool:
    hit.scene.notes["sort"] = names([c["C"] for c in hit.all("cs")])
    return True


@rule(
    r"(?:called|named|name it|call it|under name|as|into|create|build|set up|provision|make|provide|prepare|in) (?:columnar |analytical |new |fast |separate |store |table |mart |called |named )*{I:x}|{I:y}"
)
def provisioned(hit: Hit) -> bool | None:
    name = name_in(hit, "x" if hit.has("x") else "y", table=True) if hit.has("x") else str((hit["y"])["I"])
    if not name or "name" in hit.scene.notes:
        return None
    hit.scene.notes["name"] = name
    return True


def provision(scene: Scene, setting: Setting) -> Piece | None:
    said = re.sub(r"<\w+>", "", scene.view()[0])
    for r in (partition_time, sorted_by, by_time, partition_columns, provisioned):
        r.apply(scene, 2)
    notes = scene.notes
    if "name" not in notes or not (notes.get("partition") or notes.get("sort") or "provision" in said):
        return None
    parts = [f"provision {notes['name']} from {table_text(setting.place.name)}"]
    parts += [f"partition by {notes['partition']}"] if notes.get("partition") else []
    parts += [f"sort by {notes['sort']}"] if notes.get("sort") else []
    return one(
        " ".join(parts),
        scene,
        setting,
        "provision mart store columnar analytical table from build create set up out make new copy fast partition partitioned reporting for queries built based layout laid lay storage optimised data warehouse separate partitions",
    )


SPEED = re.compile(
    r"\b(?:speed|fast|faster|slow|slower|sluggish|latency|quick|quicker|performance|snappy|snappier|forever|crawls?|instantly|tune|takes? (?:ages|forever|too long|long)|optimi[sz]e|painfully|improve|hammered|ages)\b"
)
SPACE = re.compile(r"\b(?:space|size|smaller|compact|disk|storage|shrink|footprint|compress)\b")
SLOWLY = "look answer when filtering searching database eats eating much dog searching crawls optimize optimise tune speed up make faster fast quicker slow sluggish latency for query queries report too is takes forever ages long lookups reads it better run runs please performance improve getting needs should be quick reduce shrink compact size space storage smaller disk less take takes up on filter filtered filtering by use using often mostly usually always searched looked looking things come comes runs more painfully very so who how them compress access loading load opens snappier snappy instantly crawls save".split()


def optimize(scene: Scene, setting: Setting) -> Piece | None:
    said = re.sub(r"<\w+>", "", scene.view()[0])
    for_space, for_speed = bool(SPACE.search(said)), bool(SPEED.search(said))
    if not for_space and not for_speed:
        return None
    goal = "storage" if for_space else "latency"
    partition_columns.apply(scene, 1)
    partition = scene.notes.get("partition", "")
    text = f"optimize {table_text(setting.place.name)} for {goal}" + (f" by {partition}" if partition else "")
    return one(text, scene, setting, " ".join(SLOWLY))


def optimize_query(scene: Scene, setting: Setting) -> Piece | None:
    said = re.sub(r"<\w+>", "", scene.view()[0])
    queries = [t for t in scene.tokens if t.chunk is not None and t.chunk["Q"] and isinstance(t.chunk["Q"], str)]
    if len(queries) != 1 or queries[0].chunk is None or not (SPEED.search(said) or SPACE.search(said)):
        return None
    scene.tokens.remove(queries[0])
    goal = "storage" if SPACE.search(said) and not SPEED.search(said) else "latency"
    return one(
        f"optimize query {named(queries[0].chunk['Q'])} for {goal}", scene, setting, " ".join(SLOWLY), bonus=0.25
    )


def limit(scene: Scene, setting: Setting) -> Piece | None:
    rates = [t for t in scene.tokens if t.chunk is not None and t.chunk["H"]]
    if len(rates) != 1 or rates[0].chunk is None:
        return None
    scene.tokens.remove(rates[0])
    return one(
        f"limit {resource_text(setting.place.name)} to {rates[0].chunk['H']}",
        scene,
        setting,
        "let run limit cap throttle restrict slow no more than at most max maximum to read reading only not go beyond from on against when calls requests rate rows exceed faster never don't speed down keep allow above under over up allowed us most limited it put",
    )


FRAMES = (
    Frame("archive", re.compile(r"\barchiv|\bcold storage\b|\bout of the way\b|\boffload\b"), "T", archive),
    Frame(
        "restore",
        re.compile(
            r"\b(?:restore|version|undo|revert|roll(?:ed)? ?back|put .* back|get it back|go back|bring .* back|back)\b"
        ),
        "T",
        restore,
    ),
    Frame("retain", re.compile(r"\b(?:version|versions|history|retention|retain|snapshots)\b"), "T", retain),
    Frame("drop", DROPPING, "T", drop),
    Frame(
        "schedule",
        re.compile(
            r"\b(?:refresh|renew|rebuil|recomput|rerun|re-run|updat|schedul|fresh|recalculat|run|redo|repeat|up to date|regenerat)"
        ),
        "T",
        schedule,
    ),
    Frame(
        "provision",
        re.compile(r"\b(?:provision|partition|partitioned|mart|columnar|laid out|lay|store)\b"),
        "T",
        provision,
    ),
    Frame("optimize", re.compile(f"{SPEED.pattern}|{SPACE.pattern}"), "T", optimize),
    Frame("optimize query", re.compile(f"{SPEED.pattern}|{SPACE.pattern}"), "", optimize_query),
    Frame("limit", re.compile(r"\b(?:per|a|an|each|every|rps|in one|in a)\b|/"), "R", limit),
)
