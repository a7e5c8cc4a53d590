"""The reader: clause by clause, each frame over each place it may be about, the reading with the least left unexplained."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.language.plans import print_plan
from intendant.planner.frames.chunks import Directory, Place, Source, directory_of, scan
from intendant.planner.frames.clauses import VERBS, plain, segments
from intendant.planner.frames.draft import merged
from intendant.planner.frames.frame import Frame, Piece, Setting, table_text
from intendant.planner.frames.pattern import Scene, Token
from intendant.planner.frames.verbs import frames
from intendant.planner.ids import columns_in, made_columns, written
from intendant.planner.letter import undressed
from intendant.planner.mentions import Index
from intendant.planner.parsed import parsed
from intendant.planner.words import name_parts
from intendant.types import Column, Plan, Step

__all__ = ["Reading", "read"]

MOST_CHARS = 600
MOST_CLAUSES = 8
CHATTER = re.compile(
    r"\b(?:not|don't|doesn't|never|no|wait|sorry|instead|ignore|except|unless|but|or|cancel|stop|rather|oops|forget|drop|delete|remove|if|only|also|too)\b",
    re.I,
)

FORBIDDEN = re.compile(
    rf"\b(?:don't|do not|never|must not|mustn't|shouldn't|should not)\s+(?:{'|'.join(sorted(VERBS - {'load', 'add'}))})\b"
)
"""A clause that forbids what it names: "don't drop the archive"."""


@dataclass(frozen=True)
class Reading:
    """A plan, the words that it leaves unexplained, and how sure the reader is, in 0..1."""

    plan: Plan
    unexplained: tuple[str, ...]
    certainty: float


@dataclass(frozen=True)
class State:
    """What the clauses so far have left: steps and the piece that may still grow, the catalog and the results."""

    catalog: Catalog
    results: tuple[str, ...]
    pieces: tuple[Piece, ...] = ()
    spoken: str = ""


def read(text: str, index: Index, *, focus: Sequence[str] = ()) -> list[Reading]:
    """The readings of a sentence over a catalog, best first, at most four; none where it would only be a guess.

    `focus`: the tables of the last results, newest first. Never raises.
    """
    text = re.sub(r"[ \t]+", " ", text.replace("’", "'").replace("‘", "'")).strip()
    text = undressed(re.sub(r"(?i)\be-mail", "email", text))
    if not text or len(text) > MOST_CHARS or (not index.catalog.tables and not index.catalog.resources):
        return []
    try:
        return readings(Source(text), index, tuple(f for f in focus if f in index.catalog.tables))
    except (IntendantError, ValueError, KeyError, IndexError, RecursionError):
        return []


def readings(source: Source, index: Index, focus: tuple[str, ...]) -> list[Reading]:
    directory = directory_of(index)
    state = State(index.catalog, focus)
    spans = segments(source)
    if len(spans) > MOST_CLAUSES:
        return []
    search = Search(source, spans, directory)
    found = search.solve(0, state)
    return settled(found) if found is not None else []


@dataclass
class Search:
    """Looks for the split of a sentence into clauses that leaves the least unexplained; longer clauses when short ones fail."""

    source: Source
    spans: list[tuple[int, int, bool]]
    directory: Directory
    budget: int = 14

    def solve(self, i: int, state: State) -> State | None:
        if i >= len(self.spans):
            return state
        best: State | None = None
        for n in (1, 2, 3):
            if i + n > len(self.spans) or self.budget <= 0:
                break
            for after in self.steps(i, n, state):
                done = self.solve(i + n, after)
                if done is not None and (best is None or open_words(done) < open_words(best)):
                    best = done
                if best is not None and open_words(best) < 0.1:
                    return best
        return best

    def strays(self, found: Piece, a: int, b: int, state: State) -> bool:
        """Whether a later clause is read over a table that it doesn't plainly name and that isn't spoken of."""
        if found.frame != "tables" or found.table in state.results or not any(p.frame != "talk" for p in state.pieces):
            return False
        tokens = scan(self.source, a, b, self.directory, state.catalog, None)
        own = [t for t in tokens if t.chunk is not None and t.chunk["T"] == found.table]
        return all(singular(t.word, found.table) or (t.chunk is not None and t.chunk.quality < 0.9) for t in own)

    def steps(self, i: int, n: int, state: State) -> list[State]:
        a, b = self.spans[i][0], self.spans[i + n - 1][1]
        self.budget -= 1
        found = clause(self.source, a, b, self.directory, state)
        if found is not None and self.strays(found, a, b, state):
            found = replace(found, unexplained=(*found.unexplained, "which"))
        if found is not None and not found.steps and not found.operators and goes_on(state, found):
            found = replace(found, unexplained=tuple(w for w in found.unexplained if w != "nothing to do"))
        if found is not None and found.frame == "ingest" and any(found.steps and same(found, p) for p in state.pieces):
            found = replace(found, unexplained=(*found.unexplained, "again"))
        if found is not None and len(found.unexplained) <= 3:
            return [advance(state, found)]
        chatter = talk(self.source, a, b, self.directory, state) if n == 1 and self.spans[i][2] else None
        return [chatter] if chatter is not None else []


def goes_on(state: State, piece: Piece) -> bool:
    """Whether a clause only says where the operators before it put their rows."""
    before = [p for p in state.pieces if p.frame != "talk"]
    return bool(before) and not before[-1].steps and joinable(before[-1], piece)


def same(a: Piece, b: Piece) -> bool:
    """Whether two pieces ingest the same resource."""
    return b.frame == "ingest" and a.steps[0].split()[:2] == b.steps[0].split()[:2]


def open_words(state: State) -> float:
    """How much is unexplained; talk that was passed over counts a little."""
    return sum(len(p.unexplained) if p.frame != "talk" else 0.15 for p in state.pieces)


def cost(piece: Piece) -> float:
    return len(piece.unexplained) - piece.quality - piece.bonus


def talk(source: Source, a: int, b: int, directory: Directory, state: State) -> State | None:
    """A clause that asks for nothing: it may name the table that the next ones are about."""
    said = source.text[a:b]
    about = state.results[0] if state.results else ""
    place = directory.place(state.catalog, about) if about in state.catalog.tables else None
    if (
        state.pieces
        and place is not None
        and any(t.chunk is not None and t.chunk["C"] for t in scan(source, a, b, directory, state.catalog, place))
    ):
        return None
    tokens = scan(source, a, b, directory, state.catalog, None)
    chunks = [t.chunk for t in tokens if t.chunk is not None and t.chunk.kinds not in ("J",)]
    tables = list(dict.fromkeys(c["T"] for c in chunks if c["T"]))
    words = [t for t in tokens if t.chunk is None and t.word.isalpha()]
    if any(
        t.word in VERBS
        or t.word
        in (
            "ask",
            "inform",
            "notify",
            "alert",
            "into",
            "newest",
            "highest",
            "lowest",
            "first",
            "sorted",
            "per",
            "by",
            "each",
            "table",
            "name",
            "call",
            "called",
            "named",
        )
        for t in tokens
    ):
        return None
    if len(tables) == 1 and len(chunks) <= 1 and len(words) <= 5 and not CHATTER.search(said):
        return replace(state, results=(tables[0], *(r for r in state.results if r != tables[0])))
    if chunks or CHATTER.search(said) or len(words) > 14:
        return None
    if any(p.frame != "talk" for p in state.pieces) and len(words) > 3:
        return None
    light = Piece((), unexplained=(), quality=0.93, frame="talk")
    return replace(state, pieces=(*state.pieces, light))


def clause(source: Source, a: int, b: int, directory: Directory, state: State) -> Piece | None:
    """The best piece of a clause; None when none was found, or two that are equally good."""
    text = source.text[a:b].lower()
    bare = scan(source, a, b, directory, state.catalog, None)
    found: list[Piece] = []

    def again(place: Place) -> list[Token]:
        return scan(source, a, b, directory, state.catalog, place)

    for frame in frames():
        if not frame.cue.search(text):
            continue
        for rank, place in enumerate(places(frame, bare, directory, state, text, again)):
            scene = scene_of(source, a, b, directory, state.catalog, place)
            setting = Setting(source, a, b, directory, state.catalog, place, state.results)
            piece = frame.read(scene, setting)
            if piece is not None and valid(piece, state.catalog):
                found.append(
                    replace(
                        piece, bonus=frame.bonus + piece.bonus - 0.03 * rank * bool(said_names(bare)), frame=frame.name
                    )
                )
    if FORBIDDEN.search(text):
        found = [p if p.frame == "limit" else replace(p, unexplained=(*p.unexplained, "don't")) for p in found]
    found.sort(key=cost)
    if not found:
        return None
    best = found[0]
    rivals = [p for p in found[1:] if cost(p) - cost(best) < 0.02 and shape(p) != shape(best)]
    return replace(best, quality=best.quality * 0.5, unexplained=(*best.unexplained, "which")) if rivals else best


def said_names(tokens: list[Token]) -> bool:
    return any(t.chunk is not None and (t.chunk["T"] or t.chunk["R"]) for t in tokens)


def shape(p: Piece) -> tuple[object, ...]:
    return p.steps, p.table, p.operators, p.target


def scene_of(source: Source, a: int, b: int, directory: Directory, catalog: Catalog, place: Place) -> Scene:
    tokens = scan(source, a, b, directory, catalog, place)
    manners = plain(source.text[a:b])
    kept: list[Token] = []
    for t in tokens:
        inside = any(a + x <= t.at < a + y for x, y in manners)
        if not (inside and (t.chunk is None or t.chunk.kinds in ("J", "I"))):
            kept.append(t)
    return Scene(kept, notes={"place": place, "catalog": catalog, "all": source.text[a:b].lower()})


NOT_MAIN = ("per", "by", "each", "every", "with", "join", "plus", "into", "references", "without", "their", "its")


def places(
    frame: Frame,
    tokens: list[Token],
    directory: Directory,
    state: State,
    text: str,
    again: Callable[[Place], list[Token]],
) -> list[Place]:
    """The places that a clause may be about, the likeliest first."""
    if frame.about == "R":
        return resources(tokens, directory, state)
    if frame.about == "":
        return [
            Place(
                "",
                (),
                directory.place(state.catalog, next(iter(state.catalog.tables or state.catalog.resources))).names,
            )
        ]
    said: list[str] = []
    late: list[str] = []
    for before, t in pairwise([Token("", -1), *tokens]):
        name = t.chunk["T"] if t.chunk is not None else None
        if name and name not in said:
            one = bool(state.results) and t.chunk is not None and t.chunk["C"] is None and singular(t.word, name)
            (late if before.word in NOT_MAIN or one else said).append(name)
    order = [*said, *(n for n in late if n not in said)][:3]
    out = [directory.place(state.catalog, n) for n in order]
    if len(order) > 1:
        for main in order[:2]:
            others = [n for n in order if n != main]
            out += [directory.place(state.catalog, main, (o,)) for o in others[:2]]
    if state.results and (not order or re.search(r"\b(?:it|them|that|this|those|these|result)\b", text)):
        near = state.results[0]
        if near not in order and near in state.catalog.tables:
            out.insert(0, directory.place(state.catalog, near))
            if order:
                out.insert(1, directory.place(state.catalog, near, (order[0],)))
    if not said and not (state.results and out):
        out += [p for p in guesses(again, directory, state) if p.name not in {o.name for o in out}]
    return out[:6]


def singular(word: str, table: str) -> bool:
    """Whether a table's word was said in the singular: "sort by employee"."""
    return not word.endswith("s") and table.endswith("s")


def guesses(again: Callable[[Place], list[Token]], directory: Directory, state: State) -> list[Place]:
    """Tables that have all the columns and values that were said, when none is named."""
    names = [n for n in state.catalog.tables if not n.startswith("quarantine.")]
    if len(names) == 1:
        return [directory.place(state.catalog, names[0])]
    main = [n for n in names if not n.startswith("staging.")]
    found = [directory.place(state.catalog, n) for n in base(main)[:20]]
    counts = [sum(1 for t in again(p) if t.chunk is not None and (t.chunk["C"] or t.chunk["V"])) for p in found]
    best = max(counts, default=0)
    return [p for p, n in zip(found, counts, strict=True) if n == best][:3] if best else []


def base(names: list[str]) -> list[str]:
    """Without former_employees, order_archive ... where there is employees, orders."""
    parts = {n: set(name_parts(n)) for n in names}
    return [n for n in names if not any(parts[o] < parts[n] for o in names)]


def resources(tokens: list[Token], directory: Directory, state: State) -> list[Place]:
    """The resources that are named; those of a named source before others."""
    sources = [t.chunk["O"] for t in tokens if t.chunk is not None and t.chunk["O"]]
    named: list[str] = []
    for t in tokens:
        if t.chunk is not None and t.chunk["R"]:
            named += [n for n in (t.chunk["R"], *(t.chunk["also"] or ())) if n not in named]
    if sources:
        inside = [n for n in named if n.partition(".")[0] in sources]
        own = [r.full for r in state.catalog.resources.values() if r.source in sources]
        named = inside or (own if len(own) == 1 and not named else [])
    elif len({n.partition(".")[0] for n in named}) > 1:
        pass
    return [directory.place(state.catalog, n) for n in named[:4]]


def valid(piece: Piece, catalog: Catalog) -> bool:
    """Whether the language admits what the piece says."""
    try:
        parsed("\n".join(lines((piece,))))
    except IntendantError:
        return False
    return True


def lines(pieces: Sequence[Piece]) -> list[str]:
    """The steps of the pieces; operators on one table in a row are one step."""
    out: list[str] = []
    held: Piece | None = None
    for p in pieces:
        if p.frame == "talk":
            continue
        if not p.steps and held is not None and joinable(held, p):
            held = replace(
                held, operators=fused(held.operators, p.operators), target=p.target, edits=held.edits or p.edits
            )
            continue
        out += step_of(held)
        held = None
        if p.steps:
            out += p.steps
        else:
            held = p
    return out + step_of(held)


def fused(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Operators of two clauses in a row: "by fuel type, how many" and "average capacity" are one group."""
    if first and second and first[-1].startswith("group by ") and second[0].startswith("aggregate "):
        return (*first[:-1], f"{first[-1]}, {second[0].removeprefix('aggregate ')}", *second[1:])
    if first and second and first[-1].startswith("filter ") and second[0].startswith("filter "):
        return (*first[:-1], merged(first[-1], second[0]), *second[1:])
    return (*first, *second)


def joinable(held: Piece, p: Piece) -> bool:
    if held.target or held.table != p.table:
        return False
    grouped = any(o.startswith(("group", "aggregate")) for o in p.operators)
    if not p.operators or plain_question(held, p):
        return True
    if not held.edits and grouped and not p.target and p.operators[0].startswith("aggregate"):
        return held.operators[-1].startswith("group by")
    if p.target and all(o.startswith("filter ") for o in held.operators):
        return True
    if grouped or (not p.edits and not p.target and held.edits):
        return False
    return held.edits == p.edits or bool(p.target)


def plain_question(held: Piece, p: Piece) -> bool:
    """A question that only narrows rows, and one that goes on with it."""
    return (
        not held.edits
        and not p.edits
        and not p.target
        and all(o.startswith(("filter", "join")) for o in held.operators)
    )


def step_of(p: Piece | None) -> list[str]:
    if p is None:
        return []
    verb = "transform" if p.target or p.edits else "query"
    into = f" into {p.target}" if p.target else ""
    return [f"{verb} {table_text(p.table)} {' '.join(p.operators)}{into}"]


def advance(state: State, piece: Piece) -> State:
    """The state after a piece."""
    catalog, results = state.catalog, state.results
    for step in parsed("\n".join(lines((piece,)))).steps if piece.frame != "talk" else ():
        name = written(step, catalog)
        if step.verb == "drop":
            catalog = catalog.without_table(catalog.table(step.args["table"]).name)
        if name is None:
            if step.verb == "query":
                results = (step.args["table"], *(r for r in results if r != step.args["table"]))
            continue
        catalog = catalog.with_table(name, columns_after(step, catalog))
        results = (name, *(r for r in results if r != name))
    return State(catalog, results, (*state.pieces, piece))


def columns_after(step: Step, catalog: Catalog) -> tuple[Column, ...]:
    """The columns of what a step writes, as far as their names go."""
    columns = list(columns_in(catalog, step)[0])
    for part in step.get("operators") or ():
        made = made_columns(Step("transform", {"operators": (part,)}))
        if part.verb == "group":
            keys = [c for c in columns if c.name in (part.get("keys") or ())]
            columns = [*keys, *made]
        elif part.verb == "rename":
            new = dict(part.get("names") or ())
            columns = [Column(new.get(c.name, c.name), c.type) for c in columns]
        elif part.verb == "select":
            columns = [c for c in columns if c.name in part.args["columns"]]
        elif part.verb == "drop columns":
            columns = [c for c in columns if c.name not in part.args["columns"]]
        elif part.verb == "join" and part.get("side") not in ("semi", "anti"):
            taken = {c.name for c in columns}
            columns += [c for c in catalog.table(part.args["table"]).columns if c.name not in taken]
        else:
            columns = [c for c in columns if c.name not in {m.name for m in made}] + list(made)
    return tuple(columns)


def settled(state: State) -> list[Reading]:
    """The reading of all pieces."""
    said = [p for p in state.pieces if p.frame != "talk"]
    if not said:
        return []
    plan = parsed("\n".join(lines(state.pieces)))
    plan = parsed(print_plan(plan))
    left = tuple(w for p in said for w in p.unexplained)
    certainty = 1.0
    for p in state.pieces:
        certainty *= p.quality
    certainty *= 0.6 ** len(left)
    if len(left) > 3 or certainty < 0.05:
        return []
    return [Reading(plan, left, round(certainty, 4))]
