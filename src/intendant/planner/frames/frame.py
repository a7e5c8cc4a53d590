"""What a frame is: the words that call for it, the place it is about, and how it reads a clause into steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from intendant.catalog import Catalog
from intendant.language.grammar import grammar
from intendant.planner.frames.chunks import Directory, Place, Source
from intendant.planner.frames.pattern import Scene

__all__ = ["Frame", "Piece", "Setting", "resource_text", "table_text", "unexplained"]

SOFT = frozenset(
    """of in on at to for from with by and , . ! ? : ; - ( ) that which who whose there is are was were be been being has have had
    do does did all any some it its them they their those these this table tables row rows record records data entry entries
    column columns field fields value values one ones only but so also me us i we you as into here own whole entire
    need needs want wants like get should must would can could will let them's it's that's there's where when what" ' also
    i'd we'd i'm we're i'll we'll i've we've let's contents content set lot together information itself respective about
    want wanted just then use using going make sure having result results new am has got us given corresponding
    s ' please table's currently current exactly too still than right across out up down back over
    everyone everybody everything anything anyone people lines line list case cases number numbers total""".split()
) - {
    "than",
    "new",
    "more",
    "down",
    "up",
    "over",
    "number",
    "numbers",
    "total",
    "make",
    "sure",
    "across",
    "currently",
    "current",
    "out",
    "back",
}
SOFT_MORE = frozenset({"•", "/"})


@dataclass(frozen=True)
class Setting:
    """Where a clause stands: the sentence, the span, the catalog as it is by now, the results so far."""

    source: Source
    a: int
    b: int
    directory: Directory
    catalog: Catalog
    place: Place
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """What a frame made of a clause: steps as text, or operators that may join those of a neighbouring clause."""

    steps: tuple[str, ...] = ()
    table: str = ""
    operators: tuple[str, ...] = ()
    target: str = ""
    edits: bool = False
    unexplained: tuple[str, ...] = ()
    quality: float = 1.0
    frame: str = ""
    bonus: float = 0.0


@dataclass(frozen=True)
class Frame:
    """`cue` must be found in the clause's plain words; `about` is what it needs: T a table, R a resource, S several tables,
    "" nothing; `read` gives a piece or None."""

    name: str
    cue: re.Pattern[str]
    about: str
    read: Callable[[Scene, Setting], Piece | None]
    bonus: float = field(default=0.0)


def table_text(name: str) -> str:
    return grammar().kinds.write_table(name)


def resource_text(name: str) -> str:
    return grammar().kinds.write_resource(name)


def unexplained(scene: Scene, *, tables: tuple[str, ...] = (), extra: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The words that nothing used, but for those that carry no meaning of their own and the names of these places."""
    out = []
    for t in scene.leftover():
        if t.chunk is None:
            if t.word not in SOFT and t.word not in extra and t.word not in SOFT_MORE:
                out.append(t.word)
            continue
        names = [t.chunk["T"], t.chunk["R"]]
        if any(n in tables for n in names if n) or (
            t.chunk["O"] and any(n.startswith(t.chunk["O"] + ".") for n in tables)
        ):
            continue
        if t.word in extra or (t.word in SOFT and t.chunk.kinds in ("J", "I")):
            continue
        out.append(t.word.replace("_", " "))
    if "open" in scene.notes:
        out.append(scene.notes["open"])
    return tuple(out)
