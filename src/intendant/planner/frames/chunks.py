"""A sentence as chunks: literals, names of the catalog, and columns and values of the place that a clause is about."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from intendant.catalog import Catalog
from intendant.language.expression import parse_expression
from intendant.language.lexer import quote_string
from intendant.planner.frames.names import Names, kind_of, values_by_column
from intendant.planner.frames.pattern import Chunk, Token
from intendant.planner.glossary import CONCEPTS, key_of, time_of
from intendant.planner.ids import declared
from intendant.planner.literals import Found, find_literals
from intendant.planner.mentions import GENERIC, Index
from intendant.planner.words import COMMANDS, STOP, Word, name_parts, words_of
from intendant.types import Column, split_table

__all__ = ["Directory", "Place", "Source", "directory_of", "scan"]

Parts = tuple[str, ...]
NOISE = ("sign",)
PHRASES = {p: concept for concept in CONCEPTS for p in concept.words}
WEAK = frozenset("name date time id code number type level value start end first last note text".split())
PLAIN = frozenset("first last second total count number order check sort filter top show list sum average".split())
"""Words that are rather part of a command than a value."""


@dataclass(frozen=True)
class Source:
    """A sentence, its words and its literals."""

    text: str
    scanned: dict[tuple[int, ...], list[Token]] = field(default_factory=dict, compare=False, repr=False)
    """Its pieces as chunks, by where they lie and the names that they were looked up in."""

    @cached_property
    def words(self) -> list[Word]:
        return words_of(self.text)

    @cached_property
    def literals(self) -> list[Found]:
        return [f for f in find_literals(self.text) if f.kind not in NOISE]


@dataclass
class Place:
    """The table or resource that a clause is about; `also` are tables joined to it."""

    name: str
    columns: tuple[Column, ...]
    names: Names
    resource: bool = False
    key: str | None = None
    time: str | None = None
    also: tuple[str, ...] = field(default=())

    def column(self, name: str) -> Column | None:
        return self.names.columns.get(name)

    def is_a(self, name: str, kind: str) -> bool:
        c = self.column(name)
        return c is not None and kind in kind_of(c)


class Directory:
    """The names of tables, resources, sources and queries by their words. Built once per index."""

    def __init__(self, index: Index) -> None:
        self.values = values_by_column(index)
        self.static: dict[Parts, dict[tuple[str, str], float]] = defaultdict(dict)
        self.places: dict[tuple[Any, ...], Place] = {}
        catalog = index.catalog
        self._resources(catalog)
        for q in catalog.queries:
            self.put(self.static, name_parts(q), "Q", q, 1.0)
        self.fixed = dict(self.static)

    def _resources(self, catalog: Catalog) -> None:
        for r in catalog.resources.values():
            self.put(self.static, name_parts(r.name), "R", r.full, 1.0)
            self.put(self.static, (*name_parts(r.source), *name_parts(r.name)), "R", r.full, 1.0)
            core = tuple(p for p in name_parts(r.source) if p not in GENERIC)
            self.put(self.static, (*core, *name_parts(r.name)), "R", r.full, 0.98)
        for s in catalog.sources:
            p = name_parts(s)
            self.put(self.static, p, "O", s, 1.0)
            core = tuple(w for w in p if w not in GENERIC)
            if core:
                for extra in ("", "api", "database", "db", "source", "system", "feed", "stream", "bucket", "server"):
                    self.put(self.static, (*core, extra) if extra else core, "O", s, 0.9)
        self.partial(self.static, {r.full: name_parts(r.name) for r in catalog.resources.values()}, "R")

    @staticmethod
    def put(
        table: dict[Parts, dict[tuple[str, str], float]], parts: Parts, kind: str, name: str, quality: float
    ) -> None:
        if parts:
            own = table[parts]
            own[kind, name] = max(own.get((kind, name), 0), quality)

    def partial(self, table: dict[Parts, dict[tuple[str, str], float]], names: dict[str, Parts], kind: str) -> None:
        """The last or first words of a name, where no other name has them."""
        seen: dict[Parts, set[str]] = defaultdict(set)
        for name, parts in names.items():
            for n in range(1, len(parts)):
                seen[parts[-n:]].add(name)
                seen[parts[:n]].add(name)
        for parts, owners in seen.items():
            known = any(k == kind for k, _ in table.get(parts, ()))
            if len(owners) == 1 and not known and not set(parts) <= (GENERIC | WEAK | STOP | {"staging"}):
                self.put(table, parts, kind, next(iter(owners)), 0.75)

    def tables(self, catalog: Catalog) -> dict[Parts, dict[tuple[str, str], float]]:
        """The words of the tables of this state of the catalog."""
        key = ("tables", *catalog.tables)
        if key not in self.places:
            out: dict[Parts, dict[tuple[str, str], float]] = defaultdict(dict)
            plain = {}
            for name in catalog.tables:
                schema, rest = split_table(name)
                p = name_parts(rest)
                if schema == "main":
                    plain[name] = p
                    self.put(out, p, "T", name, 1.0)
                    core = tuple(w for w in p if w not in GENERIC)
                    if core != p:
                        self.put(out, core, "T", name, 0.9)
                else:
                    words = {"staging": ("staging", "staged"), "quarantine": ("quarantine", "quarantined")}[schema]
                    for w in words:
                        self.put(out, (*name_parts(w), *p), "T", name, 1.0)
                        self.put(out, (*name_parts(w), *p[-1:]), "T", name, 0.9)
                    if rest not in catalog.tables:
                        self.put(out, p, "T", name, 0.9)
            self.partial(out, plain, "T")
            self.places[key] = out  # type: ignore[assignment]
        return self.places[key]  # type: ignore[return-value]

    def place(self, catalog: Catalog, name: str, also: Sequence[str] = ()) -> Place:
        """The place of a table, with the tables joined to it."""
        resource = name in catalog.resources
        if resource:
            r = catalog.resources[name]
            columns, noun, key, time = r.columns, name_parts(r.name), r.key, r.timestamp
        else:
            t = catalog.table(name)
            columns, noun = t.columns, name_parts(split_table(t.name)[1])
            key, time = declared(catalog, t.name)
        taken = {c.name for c in columns}
        for other in also:
            columns = (*columns, *(c for c in catalog.table(other).columns if c.name not in taken))
            taken |= {c.name for c in columns}
        cached = (name, columns, noun, resource)
        if cached not in self.places:
            names = Names(columns, noun, self.values)
            self.places[cached] = Place(
                name, columns, names, resource, key_of(columns, "_".join(noun), key), time_of(columns, time)
            )
        found = self.places[cached]
        return Place(found.name, found.columns, found.names, resource, found.key, found.time, tuple(also))


DIRECTORIES: WeakKeyDictionary[Index, Directory] = WeakKeyDictionary()


def directory_of(index: Index) -> Directory:
    """The directory of an index, made once."""
    if index not in DIRECTORIES:
        DIRECTORIES[index] = Directory(index)
    return DIRECTORIES[index]


def literal_chunk(f: Found, text: str) -> Chunk | None:
    """The chunk of a literal: N number, D length of time, U point in time, Z period, S schedule, H rate, P path,
    J text; None for a date that can be read in two ways."""
    if f.kind == "date" and len(f.readings) > 1:
        return None
    said = text[f.at : f.end].lower()
    first = f.readings[0][1]
    if f.kind == "quoted":
        inner = first[1:-1].replace("''", "'")
        values: dict[str, Any] = {"J": first}
        if re.fullmatch(r"(?:staging\.)?[^\W\d]\w*", inner):
            values["I"] = inner
        return Chunk("".join(values), values, inner)
    if f.kind == "period":
        values = {"Z": (f.readings[0][1], f.readings[1][1])}
        if len(f.readings) > 2 and f.readings[2][0] == "N":
            values["year"] = f.readings[2][1]
        return Chunk("Z", values, said)
    if f.kind == "duration":
        return Chunk("D", {"D": first, "N": f.readings[1][1] if len(f.readings) > 1 else "1"}, said)
    if f.kind == "percent":
        return Chunk("N", {"N": first, "pct": True}, said)
    kind = {"path": "P", "pattern": "Y", "rate": "H", "schedule": "S", "date": "U"}.get(f.kind, "N")
    return Chunk(kind, {kind: first}, said)


def scan(source: Source, a: int, b: int, directory: Directory, catalog: Catalog, place: Place | None) -> list[Token]:
    """The tokens of sentence[a:b], columns and values of the place among them."""
    tables = directory.tables(catalog)
    key = (a, b, id(tables), id(place.names) if place is not None else 0)
    if key not in source.scanned:
        source.scanned[key] = scanned(source, a, b, directory, tables, place)
    return list(source.scanned[key])


def scanned(
    source: Source,
    a: int,
    b: int,
    directory: Directory,
    tables: dict[Parts, dict[tuple[str, str], float]],
    place: Place | None,
) -> list[Token]:
    words = [w for w in source.words if a <= w.at < b]
    literals = [f for f in source.literals if a <= f.at < b and not is_bucket(f, source.text, a, b)]
    out: list[Token] = []
    i = 0
    while i < len(words):
        w = words[i]
        f = next((f for f in literals if f.at <= w.at < f.end), None)
        n, chunk = longest(words, i, literals, directory, tables, place)
        if f is not None and f.at > w.at - 2 and (chunk is None or f.kind not in ("quoted",)):
            out.append(Token(source.text[f.at : f.end].lower(), f.at, literal_chunk(f, source.text)))
            i += sum(1 for x in words if f.at <= x.at < f.end and x.at >= w.at)
            continue
        if chunk is not None:
            out.append(Token(chunk.said, w.at, chunk))
            i += n
            continue
        out.append(Token(w.lower, w.at, loose(w, i, words)))
        i += 1
    return out


REFRESH = re.compile(
    r"(?i)refresh|schedul|renew|re-?build|re-?run|updat|recomput|recalculat|fresh|regenerat|repeat|redo|\brun|automat"
)


def is_bucket(f: Found, text: str, a: int, b: int) -> bool:
    """Whether "per day", "monthly" are periods of a summary rather than a schedule."""
    return (
        f.kind == "schedule" and not re.search(r"\d|\bat\b|night", text[f.at : f.end]) and not REFRESH.search(text[a:b])
    )


def loose(w: Word, i: int, words: Sequence[Word]) -> Chunk | None:
    """A word that can only be a new name (I), or looks like a value nobody has shown (J)."""
    if re.fullmatch(r"[^\W\d]\w*", w.text) and w.is_name:
        values = {"I": w.text}
        if re.search(r"[A-Za-z]\d", w.text):
            values["J"] = quote_string(w.text)
        return Chunk("".join(values), values, w.lower)
    if re.fullmatch(r"(?:staging\.)[^\W\d]\w*", w.text):
        return Chunk("I", {"I": w.text}, w.lower)
    code = re.fullmatch(r"[A-Za-z]{1,5}-\d[\w-]*", w.text)
    inside = i and words[i - 1].text not in ".!?:;\n" and w.text[0].isupper() and w.text != "I"
    if (code or inside) and w.lower not in COMMANDS and w.lower not in STOP:
        return Chunk("J", {"J": quote_string(w.text)}, w.lower)
    return None


def longest(
    words: Sequence[Word],
    i: int,
    literals: Sequence[Found],
    directory: Directory,
    tables: dict[Parts, dict[tuple[str, str], float]],
    place: Place | None,
) -> tuple[int, Chunk | None]:
    """The longest run of words from i on that names something, and what it names."""
    parts: Parts = ()
    best: tuple[int, Chunk | None] = (0, None)
    for n in range(min(7, len(words) - i)):
        w = words[i + n]
        if any(
            f.at <= w.at < f.end
            and f.kind not in ("quoted", "number")
            and (n or " " in f.readings[0][1][:0] or f.end > w.end)
            for f in literals
        ):
            break
        if w.text in "-/&'" and n:
            if i + n + 1 < len(words) and words[i + n + 1].at == w.end and words[i + n - 1].end == w.at:
                continue
            break
        if not (w.text[0].isalnum() or w.text[0] == "_"):
            break
        parts += name_parts(w.text.removesuffix("'s"))
        if n == 0 and w.lower in STOP:
            continue
        chunk = named(parts, words[i : i + n + 1], directory, tables, place)
        if chunk is not None:
            best = (n + 1, chunk)
    return best


def denied(word: str, place: Place) -> Chunk | None:
    """unapproved -> not approved"""
    column = place.names.column(name_parts(word[2:]))
    if column is None or not place.is_a(column.column, "B"):
        return None
    return Chunk("K", {"K": parse_expression(f'not "{column.column}"')}, word, column.quality)


def named(
    parts: Parts,
    words: Sequence[Word],
    directory: Directory,
    tables: dict[Parts, dict[tuple[str, str], float]],
    place: Place | None,
) -> Chunk | None:
    """The chunk that exactly these words make."""
    if words[-1].lower in STOP or all(w.text.isdigit() for w in words):
        return None
    values: dict[str, Any] = {}
    quality = 0.0
    for table in (tables, directory.static):
        for (kind, name), q in sorted(table.get(parts, {}).items(), key=lambda kv: -kv[1]):
            if kind not in values:
                values[kind] = name
                quality = max(quality, q)
            elif kind == "R":
                values.setdefault("also", []).append(name)
    if place is not None:
        single = len(words) == 1 and words[0].lower in PLAIN
        column = place.names.column(parts)
        own = bool(values.keys() & {"T", "R"}) and words[-1].lower != words[-1].norm
        if column is not None and not ((single or own) and column.quality < 1):
            values["C"] = column.column
            quality = max(quality, column.quality) if "T" in values else column.quality
        shown = [*dict.fromkeys(place.names.values.get(parts, ()))]
        if shown:
            values["V"] = shown
            quality = max(quality, 0.97)
        concept = PHRASES.get(parts)
        built = concept.build(place.columns) if concept else []
        bare = place.names.column(parts[1:]) if parts[0] in ("total", "daily", "gross") else None
        if bare is not None and bare.quality == 1:
            built = []
        if built and "C" not in values:
            values["E"] = built
            quality = max(quality, 0.85)
    if not values and place is not None and len(words) == 1 and words[0].lower.startswith("un"):
        return denied(words[0].lower, place)
    if not values:
        return None
    kinds = "".join(k for k in values if len(k) == 1 and k != "C")
    if "C" in values and place is not None:
        found = place.column(values["C"])
        kinds += kind_of(found) if found else "C"
    return Chunk(kinds, values, "_".join(w.lower for w in words), quality)
