"""Mentions: which words of a sentence can stand for which names of the catalog, ranked.

A span is read in this order: the whole name, the name without its generic words ("the sales data"), part of a name,
a synonym, a near miss of spelling. Longer and surer readings come first; spans don't overlap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from intendant.catalog import Catalog
from intendant.language.grammar import grammar
from intendant.language.lexer import quote_string
from intendant.language.to_sql import kind_of_type
from intendant.planner.likeness import root, shortens
from intendant.planner.words import COMMANDS, STOP, Word, name_parts, stem
from intendant.types import Column, split_table

__all__ = ["Entry", "Index", "Mention", "column_family", "find_mentions"]

GENERIC = frozenset(
    """api db database data table source system stream feed topic server service tbl dim fact raw platform
    warehouse bucket file drop report query queries tool app the bus""".split()
)
IDENTIFYING = frozenset("id code number key name".split())
SYNONYMS: dict[str, tuple[str, ...]] = {
    "client": ("customer",),
    "buyer": ("customer",),
    "shopper": ("customer",),
    "consumer": ("customer",),
    "user": ("customer", "member", "account"),
    "staff": ("employee",),
    "worker": ("employee",),
    "personnel": ("employee",),
    "item": ("product", "article"),
    "article": ("product", "item"),
    "good": ("product",),
    "merchandise": ("product",),
    "vendor": ("supplier",),
    "supplier": ("vendor",),
    "purchase": ("order",),
    "sale": ("order",),
    "order": ("sale",),
    "cost": ("price", "amount", "charge"),
    "price": ("cost", "fare", "rate"),
    "money": ("amount",),
    "spend": ("amount",),
    "mail": ("email",),
    "e-mail": ("email",),
    "telephone": ("phone",),
    "town": ("city",),
    "nation": ("country",),
    "zip": ("postcode", "postal"),
    "postcode": ("zip", "postal"),
    "gender": ("sex",),
    "sex": ("gender",),
    "moisture": ("humidity",),
    "heat": ("temperature",),
    "charge": ("battery",),
    "measurement": ("reading",),
    "reading": ("measurement",),
    "sensor": ("device", "reading"),
    "device": ("sensor",),
    "machine": ("device",),
    "category": ("type", "class", "kind"),
    "kind": ("type", "category"),
    "state": ("status",),
    "status": ("state",),
    "trip": ("ride", "journey"),
    "car": ("vehicle",),
    "truck": ("vehicle",),
    "payment": ("transaction", "charge"),
    "transaction": ("payment",),
    "pay": ("salary",),
    "wage": ("salary",),
    "salary": ("pay",),
    "score": ("rating", "grade"),
    "rating": ("score", "star"),
    "grade": ("score",),
    "pupil": ("student",),
    "learner": ("student",),
    "doctor": ("physician",),
    "area": ("region", "district"),
    "region": ("area",),
    "shop": ("store",),
    "store": ("shop",),
    "outlet": ("store",),
    "number": ("no", "id"),
    "identifier": ("id",),
    "code": ("id",),
    "title": ("name",),
    "label": ("name",),
    "birthday": ("birth",),
    "comment": ("note",),
    "remark": ("note", "comment"),
    "text": ("body", "message"),
    "longest": ("duration", "length", "minutes", "distance"),
    "shortest": ("duration", "length", "minutes"),
    "dearest": ("price", "amount", "fare", "rent", "cost"),
    "expensive": ("price", "amount", "fare", "rent", "cost"),
    "cheapest": ("price", "amount", "fare", "rent", "cost"),
    "cheap": ("price", "fare", "rent"),
    "costliest": ("price", "cost", "amount"),
    "biggest": ("amount", "size", "total", "area"),
    "largest": ("amount", "size", "total", "area"),
    "smallest": ("amount", "size", "total"),
    "fastest": ("speed", "duration"),
    "slowest": ("speed", "duration"),
    "heaviest": ("weight",),
    "lightest": ("weight",),
    "heavy": ("weight",),
    "hottest": ("temperature",),
    "warmest": ("temperature",),
    "coldest": ("temperature",),
    "hot": ("temperature",),
    "cold": ("temperature",),
    "warmer": ("temperature",),
    "hotter": ("temperature",),
    "colder": ("temperature",),
    "best": ("rating", "score"),
    "worst": ("rating", "score"),
    "paid": ("salary", "payment"),
    "earn": ("salary",),
    "tallest": ("height",),
    "highest": ("elevation", "height", "altitude"),
    "lowest": ("elevation", "altitude"),
    "high": ("elevation", "height", "altitude"),
    "oldest": ("age",),
    "youngest": ("age",),
    "busiest": ("count",),
    "humid": ("humidity",),
    "wet": ("humidity", "rain"),
    "born": ("birth",),
    "who": ("name",),
    "unit": ("quantity",),
    "piece": ("quantity",),
    "count": ("quantity",),
    "stock": ("inventory",),
    "refund": ("return",),
    "return": ("refund",),
    "subscriber": ("subscription", "member"),
    "guest": ("visitor",),
}
KINDS = {
    "api": "rest",
    "endpoint": "rest",
    "stream": "kafka",
    "topic": "kafka",
    "kafka": "kafka",
    "queue": "kafka",
    "database": "sql",
    "db": "sql",
    "postgres": "sql",
    "file": "files",
    "csv": "files",
    "folder": "files",
    "drop": "files",
}
TIME_NOUNS = frozenset(("date", "time", "timestamp", "day", "when"))
LIMIT = 5
FEW = 6
"""Values that a column may have and still be shown with them."""


@dataclass(frozen=True)
class Entry:
    """A name of the catalog: its family, its text in the language, and its words."""

    family: str
    text: str
    parts: tuple[str, ...]
    owner: str = ""
    """Of a value its column, of a column its table, of a resource its source."""


@dataclass(frozen=True)
class Mention:
    """A span of the sentence and its readings, best first; `sure` when the whole name was said."""

    at: int
    end: int
    entries: tuple[Entry, ...]
    sure: bool
    score: float
    by_kind: bool = False
    """Whether only the kind of a source was said: the stream, the files."""


def column_family(column: Column) -> str:
    """C text, M number, W time, B true-or-false."""
    return {"number": "M", "time": "W", "bool": "B"}.get(kind_of_type(column.type), "C")


class Index:
    """The names of a catalog by their words. Built once per catalog; `values` gives a text column's distinct values."""

    def __init__(self, catalog: Catalog, values: Mapping[tuple[str, str], Sequence[str]] | None = None) -> None:
        self.catalog = catalog
        self.entries = [*self._tables(), *self._resources(), *self._queries(), *self._columns()]
        self.values = list(self._values(values or {}))
        self.whole: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
        self.core: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
        self.by_part: dict[str, list[Entry]] = defaultdict(list)
        self.by_root: dict[str, list[Entry]] = defaultdict(list)
        for e in (*self.entries, *self.values):
            self.whole[e.parts].append(e)
            if e.family == "V":
                continue
            generic = IDENTIFYING if e.family in "CMWB" else GENERIC
            core = tuple(p for p in e.parts if p not in generic)
            if core and core != e.parts:
                self.core[core].append(e)
            for p in set(e.parts) - ({stem(e.owner)} if e.family == "T" and e.owner != "main" else set()):
                self.by_part[p].append(e)
                if root(p) != p:
                    self.by_root[root(p)].append(e)
        self.spellings = {"".join(p): p for p in self.whole if len("".join(p)) > 3}
        self.part_spellings = [p for p in self.by_part if len(p) > 3]
        self.short: dict[str, list[str]] = defaultdict(list)
        for p in self.by_part:
            if 1 < len(p) < 6 and p.isalpha():
                self.short[p[0]].append(p)
        self.longest = max((len(p) for p in self.whole), default=1)
        self.of_two: dict[frozenset[str], list[Entry]] = defaultdict(list)
        for e in self.entries:
            if e.family in "TR" and len(set(e.parts)) == 2:
                self.of_two[frozenset(root(p) for p in e.parts)].append(e)
        self.few_values = {
            place: tuple(v for v in texts)
            for place, texts in (values or {}).items()
            if 0 < len(texts) <= FEW and all(len(v) <= 20 for v in texts)
        }

    def abbreviations(self, word: str) -> list[str]:
        """Parts of names that may stand for a word: strm for stream, camp for campaign."""
        return [p for p in self.short.get(word[:1], ()) if len(p) < len(word) and shortens(p, word)]

    def _tables(self) -> Iterator[Entry]:
        write = grammar().kinds["table"].write
        for name in self.catalog.tables:
            schema, rest = split_table(name)
            yield Entry("T", write(name), name_parts(rest), schema)
            if schema != "main":
                yield Entry("T", write(name), (stem(schema), *name_parts(rest)), schema)

    def _resources(self) -> Iterator[Entry]:
        write = grammar().kinds["resource"].write
        own: dict[str, list[str]] = defaultdict(list)
        for r in self.catalog.resources.values():
            own[r.source].append(write(r.full))
            yield Entry("R", write(r.full), name_parts(r.name), r.source)
            yield Entry("R", write(r.full), name_parts(r.source) + name_parts(r.name), r.source)
        for s in self.catalog.sources:
            one = own[s][0] if len(own[s]) == 1 else None
            yield Entry("R" if one else "S", one or write(s), name_parts(s), s)

    def _queries(self) -> Iterator[Entry]:
        for q in self.catalog.queries:
            yield Entry("Q", grammar().kinds.name(q), name_parts(q))
        for p in self.catalog.pipelines:
            yield Entry("Y", grammar().kinds.name(p), name_parts(p))

    def _columns(self) -> Iterator[Entry]:
        places = [(t.name, t.columns) for t in self.catalog.tables.values()]
        places += [(r.full, r.columns) for r in self.catalog.resources.values()]
        for place, columns in places:
            for c in columns:
                yield Entry(column_family(c), grammar().kinds.name(c.name), name_parts(c.name), place)

    def _values(self, values: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[Entry]:
        for (_, column), texts in values.items():
            for text in texts:
                parts = name_parts(text)
                if parts and not (len(text) < 2 or text.isdigit()):
                    yield Entry("V", quote_string(text), parts, column)


Scope = Callable[[Entry], bool]


def find_mentions(
    words: Sequence[Word], free: Callable[[Word], bool], index: Index, known: frozenset[str], focus: Sequence[str] = ()
) -> list[Mention]:
    """Mentions in order, none overlapping. `free` says whether a word belongs to no literal; `known` are plain words."""
    sure = list(exact(words, free, index))
    places = {e.text for m in sure for e in m.entries if e.family in "TR"} | set(focus)
    kept = choose([narrowed(m, places) for m in sure])
    taken = {i for m in kept for i, w in enumerate(words) if m.at <= w.at < m.end}
    loose = list(partial(words, lambda i: i not in taken and free(words[i]), index, known, places))
    outside = {w.end for w in words if w.norm in KINDS}
    found = (m if m.end in outside else landed(m, index) for m in choose([*kept, *loose]))
    return sorted(found, key=lambda m: m.at)


def narrowed(m: Mention, places: set[str]) -> Mention:
    """The mention with one entry per name; columns of the tables in play before others."""
    ranked = sorted(
        m.entries, key=lambda e: (e.family in "CMWB", e.family in "CMWB" and e.owner not in places, e.family == "V")
    )
    unique = {(e.family in "CMWB", e.text): e for e in reversed(ranked)}
    inside = [e for e in ranked if unique[(e.family in "CMWB", e.text)] is e]
    if any(e.family in "TRQS" for e in inside):
        inside = [*[e for e in inside if e.family not in "CMWB"][:3], *[e for e in inside if e.family in "CMWB"][:2]]
    return Mention(m.at, m.end, tuple(inside[:LIMIT]), m.sure, m.score)


def landed(m: Mention, index: Index) -> Mention:
    """A mention of sources alone, with the tables that their resources land in: "the sales data" of sales_api."""
    if any(e.family != "R" for e in m.entries):
        return m
    names = {f"staging.{r.name}" for r in index.catalog.resources.values() if r.source in {e.owner for e in m.entries}}
    write = grammar().kinds["table"].write
    texts = {write(n) for n in names if n in index.catalog.tables}
    tables = {e.text: e for e in index.entries if e.family == "T" and e.text in texts}
    return (
        Mention(m.at, m.end, (*list(tables.values())[:2], *m.entries), m.sure, m.score) if 0 < len(tables) <= 2 else m
    )


def choose(mentions: Iterable[Mention]) -> list[Mention]:
    out: list[Mention] = []
    for m in sorted(mentions, key=lambda m: (-m.score, m.at)):
        if all(m.end <= o.at or m.at >= o.end for o in out):
            out.append(m)
    return out


def exact(words: Sequence[Word], free: Callable[[Word], bool], index: Index) -> Iterator[Mention]:
    """Spans that say a whole name, or a whole name but for its generic words."""
    for i, first in enumerate(words):
        if not free(first) or not first.text[0].isalnum():
            continue
        parts: tuple[str, ...] = ()
        for n in range(min(index.longest + 1, len(words) - i)):
            word = words[i + n]
            if not free(word) or not (word.text[0].isalnum() or word.text == "_"):
                break
            parts += name_parts(word.text)
            yield from spans_of(words[i], word, parts, n, index)
        yield from of_phrase(words, i, index)
        yield from turned_round(words, i, free, index)
        yield from role(words, i, index)


ROLE = ("table", "tables", "data", "area", "set", "copy", "layer")


def role(words: Sequence[Word], i: int, index: Index) -> Iterator[Mention]:
    """The staging table: the tables of that schema, when there are few."""
    nxt = words[i + 1].lower if i + 1 < len(words) else ""
    before = words[i - 1].lower if i else ""
    asked = (nxt in ROLE and before not in ("a", "an", "temporary", "temp", "new")) or (
        before in ("in", "from", "of") and nxt != "for"
    )
    if words[i].lower in ("staging", "quarantine") and asked:
        hits = {e.text: e for e in index.entries if e.family == "T" and e.owner == words[i].lower}
        if 0 < len(hits) <= 3:
            yield Mention(words[i].at, words[i].end, tuple(hits.values()), False, 4)


def spans_of(first: Word, last: Word, parts: tuple[str, ...], n: int, index: Index) -> Iterator[Mention]:
    if n == 0 and first.lower in STOP:
        return
    hits = index.whole.get(parts, [])
    if "." in first.text and n == 0 and not hits:
        hits = dotted(first.text, index)
    if hits:
        if not any(e.family in "CMWB" for e in hits):
            hits = [*hits, *hinted(parts, hits, index)]
        yield Mention(first.at, last.end, tuple(hits), True, 10 + len(parts))
    elif hits := index.core.get(parts, []):
        if len(parts) == 1:
            hits = [*hits, *[e for e in ranked(parts[0], index.by_part.get(parts[0], []), set()) if e.family in "TRSQ"]]
        yield Mention(first.at, last.end, tuple(hits), n > 0, 6 + len(parts))
    elif parts and parts[-1] in GENERIC and len(parts) > 1:
        if hits := index.core.get(parts[:-1], []):
            yield Mention(first.at, last.end, tuple(hits), True, 7 + len(parts))
        elif (hits := index.whole.get(parts[:-1], [])) and parts[-1] in (
            "table",
            "data",
            "api",
            "feed",
            "stream",
            "query",
            "report",
        ):
            wanted = {"table": "T", "api": "RS", "feed": "RS", "stream": "RS", "query": "Q", "report": "Q"}.get(
                parts[-1], ""
            )
            better = tuple(e for e in hits if e.family in wanted)
            if better:
                yield Mention(first.at, last.end, better, True, 10 + len(parts))


def hinted(parts: tuple[str, ...], hits: Sequence[Entry], index: Index) -> list[Entry]:
    """Columns that a table's or a value's word may mean as well: "per course" course_id, "delivered" delivered_at."""
    if any(e.family in "TR" for e in hits):
        return [e for e in index.core.get(parts, []) if e.family in "CMWB" and e.parts[-1] != "name"]
    if len(parts) == 1 and all(e.family == "V" for e in hits):
        return [e for e in index.by_part.get(parts[0], []) if e.family in "WB"]
    return []


def dotted(text: str, index: Index) -> list[Entry]:
    """orders.status: the column, and its table beside it."""
    left, _, right = text.rpartition(".")
    columns = [e for e in index.whole.get(name_parts(right), []) if e.family in "CMWB"]
    tables = [e for e in index.whole.get(name_parts(left), []) if e.family == "T"]
    return [*tables[:1], *columns[:1]] if columns and tables else []


def turned_round(words: Sequence[Word], i: int, free: Callable[[Word], bool], index: Index) -> Iterator[Mention]:
    """archived orders -> order_archive: a table's two words in another order or form."""
    pair = words[i : i + 2]
    if len(pair) == 2 and all(free(w) and w.text.isalpha() for w in pair):
        hits = index.of_two.get(frozenset(root(w.norm) for w in pair), [])
        if hits:
            yield Mention(pair[0].at, pair[1].end, tuple(hits), True, 11.5)


def of_phrase(words: Sequence[Word], i: int, index: Index) -> Iterator[Mention]:
    """name of the customer -> customer_name."""
    rest = [w for w in words[i + 1 : i + 4] if w.lower not in ("the", "a", "an", "its", "their")]
    if len(rest) >= 2 and rest[0].lower == "of":
        hits = index.whole.get((*name_parts(rest[1].text), words[i].norm), [])
        if hits := [e for e in hits if e.family in "CMWB"]:
            yield Mention(words[i].at, rest[1].end, tuple(hits), True, 13)


def partial(
    words: Sequence[Word], free: Callable[[int], bool], index: Index, known: frozenset[str], places: set[str]
) -> Iterator[Mention]:
    """Spans that say part of a name, a synonym of it, or nearly it."""
    i = 0
    while i < len(words):
        word = words[i]
        if not free(i) or word.lower in STOP or not word.text[0].isalpha():
            i += 1
            continue
        pair = i + 1 < len(words) and free(i + 1) and words[i + 1].lower not in STOP and words[i + 1].text[0].isalpha()
        if pair and (hits := both(word.norm, words[i + 1].norm, index, places)):
            yield Mention(word.at, words[i + 1].end, tuple(hits[:3]), False, 5)
        if hits := ranked(word.norm, index.by_part.get(word.norm, []), places):
            yield Mention(word.at, word.end, tuple(hits[:3]), False, 3)
        elif hits := [h for s in SYNONYMS.get(word.norm, ()) for h in ranked(s, index.by_part.get(s, []), places)]:
            yield Mention(word.at, word.end, tuple(hits[:3]), False, 2)
        elif hits := ranked(
            word.norm, [*index.by_root.get(root(word.norm), ()), *index.by_part.get(root(word.norm), ())], places
        ):
            yield Mention(word.at, word.end, tuple(hits[:3]), False, 1.8)
        elif hits := ranked("", (e for p in index.abbreviations(word.norm) for e in index.by_part[p]), places):
            yield Mention(word.at, word.end, tuple(hits[:3]), False, 1.6)
        elif word.norm in KINDS:
            kind = KINDS[word.norm]
            hits = [e for e in index.entries if e.family in "RS" and index.catalog.sources.get(e.owner) == kind]
            unique = tuple({e.text: e for e in hits}.values())
            if 0 < len(unique) <= 2:
                yield Mention(word.at, word.end, unique, False, 2, by_kind=len(index.catalog.resources) > 1)
        elif len(word.text) > 3 and word.lower not in known and word.lower not in COMMANDS:
            yield from misspelt(word, index, places)
        i += 1


def both(a: str, b: str, index: Index, places: set[str]) -> list[Entry]:
    """Entries that hold both words."""
    bs = {b, *SYNONYMS.get(b, ())}
    found = [e for e in index.by_part.get(a, []) if bs & set(e.parts)]
    if not found:
        found = [e for s in SYNONYMS.get(a, ()) for e in index.by_part.get(s, []) if b in e.parts]
    return ranked(b, found, places)


def ranked(word: str, entries: Iterable[Entry], places: set[str]) -> list[Entry]:
    """Entries by how much of the name the word is; columns only of the tables in play, when there are such."""
    found = [e for e in entries if e.family not in "CMWB" or not places or e.owner in places]
    if not found:
        found = list(entries)
    order = sorted(found, key=lambda e: (len(e.parts), e.parts[-1] != word, e.family not in "CMWB"))
    return list({e.text: e for e in reversed(order)}.values())[::-1]


def misspelt(word: Word, index: Index, places: set[str]) -> Iterator[Mention]:
    """A near miss of a whole name, or of a word of one."""
    near = process.extractOne("".join(name_parts(word.text)), list(index.spellings), scorer=fuzz.ratio, score_cutoff=84)
    if near and near[0][0] == word.lower[0]:
        hits = ranked("", index.whole[index.spellings[near[0]]], places)
        yield Mention(word.at, word.end, tuple(hits[:3]), False, 2.5)
        return
    near = process.extractOne(word.norm, index.part_spellings, scorer=fuzz.ratio, score_cutoff=84)
    if near and near[0][0] == word.lower[0]:
        hits = ranked(near[0], index.by_part[near[0]], places)
        yield Mention(word.at, word.end, tuple(hits[:3]), False, 2.2)
