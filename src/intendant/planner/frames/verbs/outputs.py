"""export and deliver: a table, or some of its rows, to a file or back to a source."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.amounts import COMPARISONS
from intendant.planner.frames.conditions import CONDITIONS, JOINED
from intendant.planner.frames.draft import draft_of, named, names
from intendant.planner.frames.frame import Frame, Piece, Setting, resource_text, table_text, unexplained
from intendant.planner.frames.pattern import Hit, Rule, Scene, rule
from intendant.planner.frames.trees import both, show

__all__ = ["FRAMES"]

WRITTEN = frozenset(
    """export exported write written save saved dump dumped output put store give send file csv json parquet excel spreadsheet
    as file's download only rows need want out path called named then to into under jsonl lines please make create produce form format
    at get gets goes go finance people wants would share need it result everything all""".split()
)
SENT = frozenset(
    """deliver delivered send sent push pushed feed write written publish back hand over put into to at append appended added
    add update updated replace replacing replaced upsert upserting by on matched matching match what is there theirs
    existing ones new source database target over rows copy transfer upload share should be instead of present whole
    goes go them with it everything out return""".split()
)


@rule(r"{K:k}")
def kept(hit: Hit) -> bool:
    hit.scene.notes.setdefault("where", []).append(hit["k"]["K"])
    draft_of(hit.scene).quality *= hit["k"].quality
    return True


def where_of(scene: Scene) -> str:
    for r in (*COMPARISONS, *CONDITIONS, *JOINED, kept):
        r.apply(scene)
    return f" where {show(both(scene.notes['where']))}" if scene.notes.get("where") else ""


def export(scene: Scene, setting: Setting) -> Piece | None:
    paths = [t for t in scene.tokens if t.chunk is not None and t.chunk["P"]]
    if len(paths) != 1 or paths[0].chunk is None:
        return None
    scene.put(scene.tokens.index(paths[0]), scene.tokens.index(paths[0]) + 1, None)
    text = f"export {table_text(setting.place.name)}{where_of(scene)} to {paths[0].chunk['P']}"
    left = unexplained(scene, tables=(setting.place.name,), extra=WRITTEN)
    return Piece((text,), table=setting.place.name, unexplained=left, quality=draft_of(scene).quality, bonus=0.15)


def upserted(hit: Hit) -> bool:
    cs = [c["C"] for c in hit.all("cs")]
    hit.scene.notes["mode"] = f"upsert on {named(cs[0]) if len(cs) == 1 else '(' + names(cs) + ')'}"
    return True


def mode(name: str, words: str) -> Rule:
    def build(hit: Hit) -> bool:
        hit.scene.notes.setdefault("mode", name)
        return True

    return Rule(words, build)


MODES: tuple[Rule, ...] = (
    Rule(
        r"(?:, )?(?:upsert|upserting|update|updating|merge|merging|match|matched|matching|update or insert)?(?: what is there| it| them| existing ones| existing rows| rows| ones)*(?: ,)?(?: on| by| via| using| with key| keyed on| matched on| matched by| matching on| upsert on| upsert by)(?: their| same| key| column)* {C+:cs}",
        upserted,
    ),
    mode("append", r"(?:append|appending|appended|adding|add|added)(?: it| them| rows)*"),
    mode(
        "replace",
        r"(?:replace|replacing|replaced|overwrite|overwriting|instead of)(?: it| them| theirs| what is there| what's there| present rows| whole table| existing| rows| everything there| everything| what they have)*",
    ),
)


def deliver(scene: Scene, setting: Setting) -> Piece | None:
    """The resource is the last one named; the table the first."""
    spots = [i for i, t in enumerate(scene.tokens) if t.chunk is not None and t.chunk["R"]]
    if not spots:
        return None
    sources = [t.chunk["O"] for t in scene.tokens if t.chunk is not None and t.chunk["O"]]
    i = spots[-1]
    chunk = scene.tokens[i].chunk
    if chunk is None or (len(spots) == 1 and chunk["T"] == setting.place.name):
        return None
    every = [chunk["R"], *(chunk["also"] or ())]
    inside = [r for r in every if not sources or r.partition(".")[0] in sources]
    if len(inside) != 1:
        return None
    scene.put(i, i + 1, None)
    for r in MODES:
        r.apply(scene)
    text = f"deliver {table_text(setting.place.name)}{where_of(scene)} to {resource_text(inside[0])}"
    text += f" {scene.notes['mode']}" if "mode" in scene.notes else ""
    left = unexplained(scene, tables=(setting.place.name, inside[0]), extra=SENT)
    return Piece((text,), table=setting.place.name, unexplained=left, quality=draft_of(scene).quality, bonus=0.12)


FRAMES = (
    Frame("export", re.compile(r"\.(?:csv|tsv|json|jsonl|ndjson|parquet|xlsx)\b"), "T", export),
    Frame(
        "deliver",
        re.compile(r"\b(?:deliver|send|push|feed|write|publish|hand|back to|put|upload|transfer)\b"),
        "T",
        deliver,
    ),
)
