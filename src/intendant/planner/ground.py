"""Ground: what the pieces of a sentence can stand for, as typed candidates, and the prompt that shows them to the model.

Literals, mentions of the catalog and new names become ids (`T1` a table, `M2` a number column, `N1` a number ...). The
prompt is the sentence in small letters with ids in place of what was said in full and beside what was only hinted at.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rapidfuzz import fuzz, process

from intendant.catalog import Catalog
from intendant.language.grammar import grammar
from intendant.language.lexer import quote_string
from intendant.planner.found import Found, Mark
from intendant.planner.glossary import CONCEPTS
from intendant.planner.guesses import guesses
from intendant.planner.letter import undressed
from intendant.planner.literals import find_literals
from intendant.planner.mentions import Index, Mention, find_mentions
from intendant.planner.newnames import NewName, find_names
from intendant.planner.schema import NEXT, schema_of
from intendant.planner.shapes import hints
from intendant.planner.words import COMMANDS, STOP, Word, english, plain, split_name, words_of
from intendant.types import Column

__all__ = ["FAMILIES", "ID_WORDS", "Candidate", "Grounding", "ground"]

FAMILIES = {
    "R": "resource",
    "S": "source",
    "T": "table",
    "C": "text column",
    "M": "number column",
    "W": "time column",
    "B": "yes/no column",
    "N": "number",
    "V": "value",
    "U": "point in time",
    "D": "length of time",
    "K": "schedule",
    "I": "new name",
    "E": "expression",
    "Q": "saved query",
    "P": "path",
    "H": "rate",
    "Y": "pipeline",
}
ID_WORDS = re.compile(r"\b([RSTCMWBNVUDKIEQPHY])(\d{1,2})\b")
IDIOMS = re.compile(
    r"\b(?:in order (?:to|that)|first of all|at first|in any case|in case|as a matter of fact|by the way|right now"
    r"|a number of|in the first place|up to date|on the one hand|of course|in time|at the same time)\b",
    re.I,
)
"""Phrases whose words name nothing."""
LOADING = re.compile(
    r"(?i)\b(?:pull|load|fetch|get|grab|ingest|import|bring|sync|copy|append|upsert|merge|mirror|land|stream|read|take|collect"
    r"|download|retrieve|import|source|api|feed|topic|database|db|files?|latest|newest|fresh|new|limit|throttle|cap|slow|deliver"
    r"|push|write|send|stage|staging|from)(?:s|ed|ing)?\b|->|→"
)
"""Words of sentences that may be about a source; in others the columns of resources aren't shown."""
PHRASES = {phrase: concept for concept in CONCEPTS for phrase in concept.words}
MOST = 14
"""Candidates of one family that a sentence gives."""
MOST_SHOWN = 48
"""Candidates of one family, those of the catalog's places among them; the model has no more ids."""
MAX_WORDS = 160


@dataclass(frozen=True)
class Candidate:
    """`id` as the model writes it; `text` in the intent language; `said` is the piece of the sentence, "" for none."""

    id: str
    family: str
    text: str
    said: str = ""


@dataclass(frozen=True)
class Grounding:
    """A sentence over a catalog: candidates by id, the model's prompt, and the tables that are meant when none is named."""

    sentence: str
    catalog: Catalog
    candidates: Mapping[str, Candidate]
    prompt: str
    its: tuple[str, ...] = ()
    literals: tuple[tuple[str, ...], ...] = ()
    """Of every literal of the sentence the ids it may stand for."""
    said: tuple[tuple[str, ...], ...] = ()
    """Of every name that was said in full the ids it may stand for."""
    guesses: frozenset[str] = frozenset()
    """Ids of values that the data has not shown us."""
    focus: tuple[str, ...] = ()
    """Tables of the last results, newest first."""
    reading: tuple[str, ...] = ()
    """What the reader sees: the sentence's words and ids, then the places it may be about with their columns."""
    few_values: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    """All values of text columns that have few, by table and column."""

    @cached_property
    def by_text(self) -> dict[tuple[str, str], str]:
        """(family, text) -> id."""
        return {(c.family, c.text): c.id for c in self.candidates.values()}

    def family(self, letters: str) -> list[str]:
        """Ids of these families, in order."""
        return [c.id for c in self.candidates.values() if c.family in letters]


@dataclass
class Builder:
    """Gives out ids in order of appearance."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    by_text: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, family: str, text: str, said: str = "", most: int = MOST) -> str | None:
        key = (family, text)
        if key not in self.by_text:
            n = self.counts.get(family, 0) + 1
            if n > most:
                return None
            self.counts[family] = n
            self.by_text[key] = f"{family}{n}"
            self.candidates[f"{family}{n}"] = Candidate(f"{family}{n}", family, text, said)
        return self.by_text[key]


def ground(text: str, index: Index, *, focus: Sequence[str] = ()) -> Grounding:
    """The grounding of a sentence; `focus` are the tables of the last results, newest first."""
    known = plain()
    text = re.sub(r"\s+", " ", text.replace("’", "'").replace("‘", "'")).strip()
    text = undressed(re.sub(r"(?i)\be-mail", "email", text))
    real = known | english()
    words = words_of(text)[:MAX_WORDS]
    literals = find_literals(text)
    inside = {id(w): f for w in words for f in literals if f.at <= w.at < f.end}
    idle = [m.span() for m in IDIOMS.finditer(text)]

    def free(w: Word) -> bool:
        f = inside.get(id(w))
        if any(a <= w.at < b for a, b in idle):
            return False
        return f is None or f.kind == "quoted" or (f.kind == "number" and not f.readings[0][1][-1:].isdigit())

    mentions = find_mentions(words, free, index, real, focus)
    quoted = {f.at for f in literals if f.kind == "quoted"}
    concepts = list(find_concepts(words, index, mentions, focus))
    known_at = [any(m.at <= w.at < m.end and m.sure for m in mentions) for w in words]
    is_free = [id(w) not in inside or inside[id(w)].kind == "quoted" for w in words]
    tables = {(m.at, m.end) for m in mentions if m.sure and any(e.family == "T" for e in m.entries)}
    names = [n for n in find_names(words, is_free, known_at) if (n.at, n.end) not in tables]
    marks = [*literal_marks(literals), *mention_marks(mentions, text), *name_marks(names, text, known), *concepts]
    marks += list(guesses(words, text, marks, mentions, real))
    return assemble(text, words, marks, literals, index, focus, known, quoted)


def literal_marks(literals: Sequence[Found]) -> Iterator[Mark]:
    for f in literals:
        readings = f.readings
        if f.kind == "quoted":
            inner = f.readings[0][1][1:-1].replace("''", "'")
            if re.fullmatch(r"(?:staging\.)?[^\W\d]\w*", inner):
                readings = (*readings, ("I", inner))
        keep = (
            f.readings[0][0] == "K"
            or f.kind in ("sign", "pattern")
            or (f.kind == "period" and f.readings[0][1][0] != "d")
        )
        yield Mark(f.at, f.end, readings, not keep)


def mention_marks(mentions: Sequence[Mention], text: str) -> Iterator[Mark]:
    for m in mentions:
        said = text[m.at : m.end].lower()
        readings = []
        for e in m.entries:
            readings.append((e.family, e.text))
            if e.family == "V":
                readings.append(("?", e.owner))
        plain = said in COMMANDS or said.rstrip("s") in COMMANDS or said in STOP
        yield Mark(m.at, m.end, tuple(readings), m.sure and not plain, guess=m.by_kind)


def name_marks(names: Sequence[NewName], text: str, known: frozenset[str]) -> Iterator[Mark]:
    write = grammar().kinds["table"].write
    for n in names:
        said = text[n.at : n.end]
        drop = bool(re.search(r"[_\d]|[a-z][A-Z]", said))
        code = (("V", quote_string(said)),) if re.search(r"[A-Za-z]\d", said) else ()
        yield Mark(n.at, n.end, (*(("I", write(t)) for t in n.texts), *code), drop)


def find_concepts(
    words: Sequence[Word], index: Index, mentions: Sequence[Mention], focus: Sequence[str]
) -> Iterator[Mark]:
    """Business words with an expression over the columns of the tables in play."""
    norms = [w.norm for w in words]
    places: list[tuple[Column, ...]] | None = None
    taken: list[tuple[int, int]] = []
    for n in (3, 2, 1):
        for i in range(len(words) - n + 1):
            concept = PHRASES.get(tuple(norms[i : i + n]))
            span = (words[i].at, words[i + n - 1].end)
            if concept is None or any(span[0] < b and a < span[1] for a, b in taken):
                continue
            if places is None:
                places = tables_in_play(index, mentions, focus)
            built = list(dict.fromkeys(e for columns in places for e in concept.build(columns)))[:2]
            if built:
                taken.append(span)
                yield Mark(*span, tuple(("E", e) for e in built), False)


def tables_in_play(index: Index, mentions: Sequence[Mention], focus: Sequence[str]) -> list[tuple[Column, ...]]:
    catalog = index.catalog
    said = {e.text for m in mentions for e in m.entries if e.family in "TR"}
    write, write_resource = grammar().kinds["table"].write, grammar().kinds["resource"].write
    tables = [t.columns for t in catalog.tables.values() if write(t.name) in said or t.name in focus]
    resources = [r.columns for r in catalog.resources.values() if write_resource(r.full) in said]
    return (
        tables + resources
        or [t.columns for t in catalog.tables.values()]
        or [r.columns for r in catalog.resources.values()]
    )


def assemble(
    text: str,
    words: Sequence[Word],
    marks: Sequence[Mark],
    literals: Sequence[Found],
    index: Index,
    focus: Sequence[str],
    known: frozenset[str],
    quoted: set[int],
) -> Grounding:
    build = Builder()
    context = context_of(index, build, focus)
    by_column = {e.text: e for e in index.entries if e.family in "CMWB"}
    out: list[str] = []
    guessed: set[str] = set()
    literal_ids: list[tuple[str, ...]] = []
    said: list[tuple[str, ...]] = []
    ends: dict[int, list[Mark]] = {}
    for m in marks:
        last = max((i for i, w in enumerate(words) if m.at <= w.at < m.end), default=None)
        if last is None:
            last = max((i for i, w in enumerate(words) if w.end <= m.end), default=0)
        ends.setdefault(last, []).append(m)
    dropped = {i for i, w in enumerate(words) for m in marks if m.drop and m.at <= w.at < m.end}
    unread = {
        i
        for i, w in enumerate(words)
        for f in literals
        if f.kind not in ("quoted", "period", "sign", "pattern")
        and f.at <= w.at < f.end
        and any(m.drop and m.at == f.at for m in marks)
    }
    reading: list[str] = []
    literal_at = {(f.at, f.end) for f in literals}
    for i, w in enumerate(words):
        if i not in dropped:
            out.append(plain_word(w, known, any(m.at <= w.at < m.end for m in marks)))
        if i not in unread:
            reading += [out[-1]] if i not in dropped and not w.is_name else (split_name(w.text) or (w.lower,))
        ids: list[str] = []
        for m in sorted(ends.get(i, ()), key=lambda m: m.guess):
            own = []
            for family, value in m.readings:
                if family == "?":
                    entry = by_column.get(grammar().kinds.name(value))
                    family, value = (entry.family, entry.text) if entry else ("", "")
                made = build.add(family, value, text[m.at : m.end]) if family else None
                if made:
                    own.append(made)
            if m.guess:
                guessed |= {o for o in own if build.candidates[o].said == text[m.at : m.end]}
            if (m.at, m.end) in literal_at and own:
                literal_ids.append(tuple(own))
            elif m.drop and own and not m.guess and own[0][0] != "I":
                said.append(tuple(own))
            ids += [o for o in own if o not in ids]
        out += ids
        reading += shown_ids(ids, ends.get(i, ()), literals, build)
    its = rank_tables(index.catalog, build.candidates.values(), focus)
    reading += schema_of(
        index.catalog,
        shown_tables(index.catalog, build.candidates.values(), its, focus),
        *shown_resources(index.catalog, build.candidates.values(), bool(LOADING.search(text))),
        [c.text for c in build.candidates.values() if c.family in "CMWB"],
        lambda family, value: build.add(family, value, most=MOST_SHOWN),
        index.few_values,
    )
    for family, value, shown in hints(text, literals):
        made = build.add(family, value, most=MOST_SHOWN)
        reading += [NEXT, made, *shown] if made else []
    return Grounding(
        text,
        index.catalog,
        build.candidates,
        " ".join([*context, "|", *out]),
        its,
        tuple(literal_ids),
        tuple(dict.fromkeys(said)),
        frozenset(guessed),
        tuple(focus),
        tuple(reading),
        index.few_values,
    )


def shown_ids(ids: Sequence[str], marks: Sequence[Mark], literals: Sequence[Found], build: Builder) -> list[str]:
    """Ids with the unit beside those numbers that are a length in another unit."""
    places = {(m.at, m.end) for m in marks}
    units = {build.by_text.get(("N", n)): unit for f in literals if (f.at, f.end) in places for n, unit in f.units}
    return [t for i in ids for t in ((i, units[i]) if i in units else (i,))]


def shown_tables(
    catalog: Catalog, candidates: Iterable[Candidate], its: Sequence[str], focus: Sequence[str]
) -> list[str]:
    """Tables to show beside the sentence: those it names, the last results, then the owners of the columns it names."""
    write, kinds = grammar().kinds["table"].write, grammar().kinds
    by_text = {write(t): t for t in catalog.tables}
    named = [by_text[c.text] for c in candidates if c.family == "T" and c.text in by_text]
    last = [f for f in focus if f in catalog.tables]
    said = {c.text for c in candidates if c.family in "CMWB"}
    own = {t: {kinds.name(c.name) for c in catalog.tables[t].columns} for t in its}
    left = said - {text for t in (*named, *last) for text in own.get(t, ())}
    others = [t for t in its if own[t] & left] or (list(its[:2]) if not named and not last else [])
    shown = list(dict.fromkeys([*named[:3], *last[:1], *others]))
    return shown[: max(len(named), 1) + 1]


def shown_resources(catalog: Catalog, candidates: Iterable[Candidate], loading: bool) -> tuple[list[str], list[str]]:
    """Resources to show with their columns (those named, those of a source that was named), and those just to list."""
    write = grammar().kinds["resource"].write
    said = [c.text for c in candidates if c.family in "RS"]
    named = [r.full for text in said for r in catalog.resources.values() if write(r.full) == text]
    of_source = [r.full for text in said for r in catalog.resources.values() if write(r.source) == text]
    found = list(dict.fromkeys([*named, *of_source]))
    if not loading and any(c.family == "T" for c in candidates):
        return [], found
    return found, [] if found else list(catalog.resources)


def plain_word(w: Word, known: frozenset[str], marked: bool) -> str:
    """The word in small letters; an unknown one that is a near miss of a known one is set right."""
    if marked or w.lower in known or len(w.text) < 4 or not w.text.isalpha() or not known or w.lower in english():
        return w.lower
    near = process.extractOne(w.lower, list(near_words(known, w.lower)), scorer=fuzz.ratio, score_cutoff=80)
    return near[0] if near else w.lower


@functools.lru_cache(maxsize=8)
def by_start(known: frozenset[str]) -> dict[tuple[str, int], list[str]]:
    """Known words by first letter and length."""
    table: dict[tuple[str, int], list[str]] = {}
    for k in sorted(known):
        table.setdefault((k[:1], len(k)), []).append(k)
    return table


def near_words(known: frozenset[str], word: str) -> list[str]:
    """Known words that begin like this one and are about as long."""
    table = by_start(known)
    return [k for n in (-1, 0, 1) for k in table.get((word[0], len(word) + n), ())]


def context_of(index: Index, build: Builder, focus: Sequence[str]) -> list[str]:
    """What there is besides what was said: tables none, one or many; a last result; the only resource; queries."""
    catalog = index.catalog
    tables = len(catalog.tables)
    out = ["none" if not tables else "one" if tables == 1 else "many"]
    if any(f in catalog.tables for f in focus):
        out.append("last")
    if len(catalog.resources) == 1:
        made = build.add("R", grammar().kinds["resource"].write(next(iter(catalog.resources))))
        out.append(made or "")
    elif catalog.resources:
        out.append("sources")
    if catalog.queries:
        out.append("saved")
    return out


def rank_tables(catalog: Catalog, candidates: Iterable[Candidate], focus: Sequence[str]) -> tuple[str, ...]:
    """Tables by how likely they are meant without being named: the last results, then by the columns that were said."""
    said = [c for c in candidates if c.family in "CMWBE"]
    name = grammar().kinds.name

    def score(t: str) -> int:
        own = {name(c.name) for c in catalog.tables[t].columns}
        return sum(
            c.text in own
            or (
                c.family == "E"
                and all(p in own for p in re.findall(r"[^\W\d]\w*(?!\w*\()", c.text) if p in own)
                and any(p in own for p in re.findall(r"[^\W\d]\w*", c.text))
            )
            for c in said
        )

    order = list(catalog.tables)
    scores = {t: score(t) for t in order}
    near = [f for f in focus if f in catalog.tables]
    rest = sorted((t for t in order if t not in near and not t.startswith("quarantine.")), key=lambda t: -scores[t])
    return (*near, *rest)
