"""Rows that are very likely the same thing entered twice: another key, or another way of writing, and nothing else.

By chance two rows agree in everything as often as the shares of their values let expect. What isn't chance but nature
(a customer who buys the same again) shows in rows that agree in all but a column or two: where there are such, rows
that agree in everything are nothing odd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from intendant.checks import mend
from intendant.checks.chance import (
    RARE,
    TRUST,
    Counts,
    Drawn,
    Hashes,
    Near,
    Reals,
    agreeing,
    by_chance,
    distinct,
    expected,
    subsets,
    told_apart,
)
from intendant.checks.detectors.base import Detector
from intendant.checks.detectors.mistyped import DATES, NUMBERS, form_of
from intendant.checks.quantity import words
from intendant.checks.split import free_name
from intendant.checks.subject import MOST_COLUMNS, Subject, shown
from intendant.engines.base import quoted, text
from intendant.language.expression import Call, Col, Expr, In, Literal, print_expression
from intendant.language.grammar import grammar
from intendant.language.to_sql import find_column, kind_of_type
from intendant.types import Column, Finding, Json, Step, split_table

__all__ = ["Lookalike"]

MOST_ROWS, MOST_LETTERS = 30_000_000, 30_000_000
"""Rows that are compared as they are, and letters of texts that are rewritten to be compared."""
MOST_SHARE, MOST_GROUPS = 0.10, 200_000
"""More rows that have a double are the nature of the table."""
BY_CHANCE = 0.05
"""Doubles by chance, in the whole table, to those that there are."""
NATURAL = 0.20
"""Doubles that nature would make to those that there are."""
UNIQUE = 0.80
"""Share of distinct values (an estimate) from which a column may be a key, or a name that each thing has once."""
DOUBLES = 'temp.main."lookalike: rows that have a double"'
KEY = re.compile(r"(.*[_\s.-])?(id|key|pk|uuid|guid|nr|index|idx)|.*[a-z](Id|ID|Key)", re.I)
PLAIN_KEY = frozenset({
    "id", "key", "pk", "uuid", "guid", "oid", "index", "idx", "rowid", "row_id", "row", "tuple_id", "record_id", "nr",
    "unnamed: 0", "column0",
})  # fmt: skip
LOADED = frozenset({
    "load", "loaded", "ingest", "ingested", "ingestion", "import", "imported", "insert", "inserted", "sync", "synced",
    "extract", "extracted", "etl", "dwh", "update", "updated", "modified", "changed", "processed", "refreshed",
    "fetched", "scraped", "crawled", "exported",
})  # fmt: skip
"""Words in the names of times at which a row was written, whatever it tells of."""
ENTERED = frozenset({"create", "created", "creation", "added", "entered", "registered", "registration", "signup"})
"""The same where each row is a thing of its own; where it is an event they tell when it happened."""
BORN = frozenset({"birth", "born", "dob", "birthday", "birthdate"})
APART = r"[\s\pZ\p{Pd}\p{Pi}\p{Pf}\p{Ps}\p{Pe}\p{Pc}.,;:!?\x22\x27/\\]+"
"""Blanks and punctuation between words."""


@dataclass(frozen=True)
class Fields:
    """Columns in which doubles differ, those in which they agree, and the kinds of the latter: text, number, time."""

    keys: tuple[Column, ...]
    stamps: tuple[Column, ...]
    same: tuple[Column, ...]
    kinds: dict[str, str]

    @property
    def apart(self) -> tuple[Column, ...]:
        return (*self.keys, *self.stamps)

    @property
    def telling(self) -> tuple[str, ...]:
        """Columns whose agreement is evidence; times aren't, since what happens at one time is alike."""
        return tuple(c for c, k in self.kinds.items() if k != "time" or BORN & set(words(c)))

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(c for c in self.telling if self.kinds[c] == "text")


class Lookalike(Detector):
    name = "lookalike"
    summary = "Rows that are very likely one thing entered twice: equal but for the key, or for case and punctuation."
    example = "3 rows repeat another one in everything but id: transform customers drop duplicates by name, email, city"

    def find(self, subject: Subject) -> Iterator[Finding]:
        if not subject.settings.min_rows <= subject.total <= MOST_ROWS:
            return
        fields = fields_of(subject)
        if len(fields.telling) < 2 or "text" not in fields.kinds.values():
            return
        if fields.apart:
            yield from self.look(subject, fields, False)
        if 0 < letters(subject, fields) <= MOST_LETTERS:
            yield from self.look(subject, fields, True)

    @staticmethod
    def look(subject: Subject, fields: Fields, loosely: bool) -> Iterator[Finding]:
        groups, doubles = repeated(subject, fields, loosely)
        if not len(groups) or len(groups) > MOST_GROUPS or doubles > MOST_SHARE * subject.total:
            return
        drawn = drawn_rows(subject, fields, loosely)
        if (
            not told_apart(drawn, [c for c in fields.telling if fields.kinds[c] == "text"])
            or by_chance(drawn, fields.telling) > BY_CHANCE * doubles
        ):
            return
        set_aside(subject, fields, loosely, groups)
        first, sizes = representatives(subject, fields, loosely)
        odds = expected(drawn, fields.telling, first, sizes)
        filled = filled_in(first, odds, drawn.nothing, fields) if (odds > RARE).any() else ""
        if (odds <= RARE).any() and filled is not None and not natural(subject, fields, loosely, drawn, doubles):
            yield from result(subject, fields, loosely, filled)
        subject.query(f"DROP TABLE {DOUBLES}")


# ---------------------------------------------------------------- which columns are compared
def fields_of(subject: Subject) -> Fields:
    flat = [c for c in subject.flat() if subject.stats[c.name].distinct >= 2][:MOST_COLUMNS]
    kinds = {c.name: kind_of(subject, c) for c in flat}
    keys = [c for i, c in enumerate(subject.flat()) if c.name in kinds and is_key(subject, c, i == 0)]
    times = [c for c in flat if kinds[c.name] == "time"]
    entered = [c for c in times if ENTERED & set(words(c.name))]
    if not named_twice(subject, [c for c in flat if c not in keys and kinds[c.name] == "text"] if entered else []):
        entered = []
    stamps = [c for c in times if LOADED & set(words(c.name)) or c in entered]
    same = tuple(c for c in subject.columns if c not in keys and c not in stamps)
    return Fields(tuple(keys), tuple(stamps), same, {c.name: kinds[c.name] for c in same if c.name in kinds})


def mostly_distinct(subject: Subject, column: Column) -> bool:
    return subject.stats[column.name].distinct >= UNIQUE * subject.total


def named_twice(subject: Subject, texts: Sequence[Column]) -> bool:
    """Whether each row has a name of its own, and the other texts together are one as well."""
    ordered = sorted(texts, key=lambda c: -subject.stats[c.name].distinct)
    if len(ordered) < 2 or not mostly_distinct(subject, ordered[0]):
        return False
    others = ", ".join(quoted(c.name) for c in ordered[1:])
    return bool(
        subject.query(f"SELECT approx_count_distinct(hash({others})) FROM {subject.sql}")[0][0]
        >= UNIQUE * subject.total
    )


def kind_of(subject: Subject, column: Column) -> str:
    """What most of a column's first values are: text, number or time."""
    kind = kind_of_type(column.type)
    if kind != "text":
        return {"number": "number", "bool": "number"}.get(kind, "time")
    own = quoted(column.name)
    rows = subject.query(
        f"SELECT left(CAST({own} AS VARCHAR), 100) FROM {subject.sql} WHERE {own} IS NOT NULL LIMIT 200"
    )
    forms = [form_of(v.strip()) for (v,) in rows if v.strip()]
    times = sum(f in DATES or f == "time of day" for f in forms)
    numbers = sum(f in NUMBERS and f != "number with a unit" for f in forms)
    return "time" if times > 0.8 * len(forms) else "number" if numbers > 0.8 * len(forms) else "text"


def is_key(subject: Subject, column: Column, first: bool) -> bool:
    """Whether a column only numbers the rows: declared, named so, or counting them."""
    if subject.key == (column.name,):
        return True
    if not mostly_distinct(subject, column) or kind_of_type(column.type) not in ("number", "text"):
        return False
    name, table = column.name.lower(), split_table(subject.table)[1].lower()
    singular = re.sub(r"ies$", "y", table) if table.endswith("ies") else table.removesuffix("s")
    if name in PLAIN_KEY or name in {f"{t}{s}id" for t in (table, singular) for s in ("_", "")}:
        return is_unique(subject, column)
    return (first and bool(KEY.fullmatch(column.name)) and is_unique(subject, column)) or counts(subject, column)


def is_unique(subject: Subject, column: Column) -> bool:
    """Whether nearly all rows have a value of their own; of a large table, those of a part of the values."""
    own, parts = quoted(column.name), -(-subject.total // subject.settings.sample_rows)
    filled, different = subject.query(
        f"SELECT count({own}), count(DISTINCT {own}) FROM {subject.sql} WHERE hash({own}) % {parts} = 0"
    )[0]
    return bool(subject.stats[column.name].filled >= 0.99 * subject.total and different >= 0.99 * filled > 0)


def counts(subject: Subject, column: Column) -> bool:
    """Whether the values are all whole numbers from the least to the greatest."""
    first = subject.query(f"SELECT CAST({quoted(column.name)} AS VARCHAR) FROM {subject.sql} LIMIT 1")[0][0]
    if not re.fullmatch(r"\d{1,18}", first or ""):
        return False
    own = f"TRY_CAST({quoted(column.name)} AS BIGINT)"
    low, high, filled = subject.query(f"SELECT min({own}), max({own}), count({own}) FROM {subject.sql}")[0]
    return filled == subject.total and high - low + 1 == filled and is_unique(subject, column)


# ---------------------------------------------------------------- hashes of rows and cells
def fetched(subject: Subject, sql: str, params: Sequence[Json] = ()) -> dict[str, Hashes]:
    found = subject.con.execute(sql, list(params)).fetchnumpy()
    return {name: np.ma.getdata(column).astype(np.uint64) for name, column in found.items()}


def rewritten(column: Column, fields: Fields) -> bool:
    return column.type.upper() == "VARCHAR" and fields.kinds.get(column.name) == "text"


def letters(subject: Subject, fields: Fields) -> int:
    """How many there are in the columns that would be rewritten."""
    lengths = [f"coalesce(sum(strlen({quoted(c.name)})), 0)" for c in fields.same if rewritten(c, fields)]
    return int(subject.query(f"SELECT {' + '.join(lengths)} FROM {subject.sql}")[0][0]) if lengths else 0


def plain(name: str) -> str:
    """A text in small letters, with one blank wherever blanks and punctuation stand between words."""
    own = quoted(name)
    return f"coalesce(nullif(trim(regexp_replace(lower({own}), {text(APART)}, ' ', 'g')), ''), {own})"


def row_hash(fields: Fields, loosely: bool) -> str:
    cells = [plain(c.name) if loosely and rewritten(c, fields) else quoted(c.name) for c in fields.same]
    return f"hash({', '.join(cells)})"


def repeated(subject: Subject, fields: Fields, loosely: bool) -> tuple[Hashes, int]:
    """The hashes that several rows have (loosely: several rows that aren't equal), and how many rows repeat one."""
    other = f", {row_hash(fields, False)} AS e" if loosely else ""
    found = fetched(subject, f"SELECT {row_hash(fields, loosely)} AS h{other} FROM {subject.sql}")
    hashes = found["h"]
    if loosely:
        order = np.lexsort((found["e"], hashes))
        pairs = np.stack([hashes[order], found["e"][order]])
        new = np.append(True, (pairs[:, 1:] != pairs[:, :-1]).any(axis=0))
        hashes = pairs[0][new]
    ordered = np.sort(hashes)
    again = ordered[1:] == ordered[:-1]
    return np.unique(ordered[1:][again]), int(np.count_nonzero(again))


def cell_hashes(subject: Subject, fields: Fields, loosely: bool) -> str:
    """The hash of each compared cell, that of NULL where a value is missing."""
    compared = [c for c in fields.same if c.name in fields.kinds]
    return ", ".join(f"{cell_hash(subject, fields, loosely, c)} AS c{i}" for i, c in enumerate(compared))


def cell_hash(subject: Subject, fields: Fields, loosely: bool, column: Column) -> str:
    own = plain(column.name) if loosely and rewritten(column, fields) else quoted(column.name)
    return f"hash(CASE WHEN {subject.missing(column)} THEN NULL ELSE {own} END)"


def drawn_rows(subject: Subject, fields: Fields, loosely: bool) -> Drawn:
    whole, cells = row_hash(fields, loosely), cell_hashes(subject, fields, loosely)
    parts = -(-subject.total // subject.settings.sample_rows)
    some = f" WHERE {whole} % {parts} = 0" if parts > 1 else ""
    found = fetched(subject, f"SELECT {whole} AS h, {cells} FROM {subject.sql}{some}")
    rows = np.unique(found["h"], return_index=True)[1] if parts > 1 else np.arange(len(found["h"]))
    nothing = int(subject.query("SELECT hash(NULL)")[0][0])
    columns = {c: found[f"c{i}"][rows] for i, c in enumerate(fields.kinds)}
    return Drawn(columns, parts > 1, subject.total, nothing)


def set_aside(subject: Subject, fields: Fields, loosely: bool, groups: Hashes) -> None:
    """A temporary table of the rows that have a double, so that the whole table is read once for them."""
    whole = row_hash(fields, loosely)
    subject.query(
        f"CREATE OR REPLACE TEMP TABLE {DOUBLES} AS SELECT * FROM {subject.sql}"
        f" WHERE {whole} IN (SELECT unnest(?::UBIGINT[]))",
        [groups.tolist()],
    )


def representatives(subject: Subject, fields: Fields, loosely: bool) -> tuple[dict[str, Hashes], Counts]:
    """The cells of a row of each group, and how many rows there are in it."""
    cells = cell_hashes(subject, fields, loosely)
    found = fetched(subject, f"SELECT {row_hash(fields, loosely)} AS h, {cells} FROM {DOUBLES}")
    _, first, sizes = np.unique(found["h"], return_index=True, return_counts=True)
    return {c: found[f"c{i}"][first] for i, c in enumerate(fields.kinds)}, sizes


def sharing(subject: Subject, fields: Fields, loosely: bool, anchor: str) -> tuple[dict[str, Hashes], int]:
    """Of a large table the rows whose value of a column others have too, or a part of such values; and what part."""
    column = find_column(anchor, subject.columns)
    own = f"hash({plain(anchor) if loosely and rewritten(column, fields) else quoted(anchor)})"
    there = f"{subject.sql} WHERE {quoted(anchor)} IS NOT NULL"
    ordered = np.sort(fetched(subject, f"SELECT {own} AS h FROM {there}")["h"])
    values = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    rows = len(ordered) - distinct(ordered) + len(values)
    parts = max(1, -(-rows // subject.settings.sample_rows))
    cells = cell_hashes(subject, fields, loosely)
    found = fetched(
        subject,
        f"SELECT {cells} FROM {there} AND {own} IN (SELECT unnest(?::UBIGINT[]))",
        [values[values % np.uint64(parts) == 0].tolist()],
    )
    return {c: found[f"c{i}"] for i, c in enumerate(fields.kinds)}, parts


# ---------------------------------------------------------------- chance and nature
def filled_in(first: dict[str, Hashes], odds: Reals, nothing: int, fields: Fields) -> str | None:
    """The column that is filled where doubles are no chance and empty where they are; None without one."""
    rare = odds <= RARE
    found = [c for c in fields.texts if ((first[c] != nothing) == rare).all()]
    return found[0] if found else None


def natural(subject: Subject, fields: Fields, loosely: bool, drawn: Drawn, doubles: int) -> bool:
    """Whether so many rows agree in all but a column or two that some are bound to agree in these as well."""
    allowed = NATURAL * doubles
    if not drawn.sampled:
        near = Near(fields.telling, drawn, drawn.cells, 1)
        return any(near.bound(out) > allowed for out in subsets(drawn))
    first, second = sorted(drawn.cells, key=lambda c: -subject.stats[c].distinct)[:2]
    near = Near(fields.telling, drawn, *sharing(subject, fields, loosely, first))
    if any(near.bound(out) > allowed for out in subsets(drawn) if first not in out):
        return True
    most = drawn.total**2 / 2 * agreeing(drawn.cells[second]) / drawn.pairs
    if most * TRUST * near.agreement((first,)) <= allowed:
        return False
    near = Near(fields.telling, drawn, *sharing(subject, fields, loosely, second))
    return any(near.bound(out) > allowed for out in subsets(drawn) if first in out and second not in out)


# ---------------------------------------------------------------- the finding
def result(subject: Subject, fields: Fields, loosely: bool, filled: str) -> Iterator[Finding]:
    written = otherwise_written(subject, fields) if loosely else ()
    where = double(subject, fields, written)
    if filled:
        where = f"({where} AND NOT {subject.missing(find_column(filled, subject.columns))})"
    flag = quoted(free_name("_bad", subject.columns))
    bad = f"(SELECT *, ({where}) AS {flag} FROM {DOUBLES}) AS t WHERE {flag}"
    rows = int(subject.query(f"SELECT count(*) FROM {bad}")[0][0])
    if not rows:
        return
    names = [c.name for c in (*fields.apart[:1], *written)]
    names += [c for c in fields.telling if c not in names][: max(0, 3 - len(names))]
    cut = ", ".join(f"left(CAST({quoted(n)} AS VARCHAR), 40)" for n in names)
    samples = [dict(zip(names, r, strict=True)) for r in subject.query(f"SELECT {cut} FROM {bad} ORDER BY ALL LIMIT 3")]
    sentence = kept_once(subject, fields, written)
    if filled:
        key = quoted(fields.keys[0].name) if fields.keys else "NULL"
        keys = subject.query(f"SELECT {key} AS k FROM {bad} ORDER BY k LIMIT {mend.MAX_CASES + 1}")
        sentence = named_rows(subject, fields, [k for (k,) in keys])
    like = ", ".join(f"{c} {shown([v])}" for c, v in samples[0].items())
    evidence = (
        f"{rows} of {subject.total} rows repeat another one in everything but {differing(fields, written)}: {like}."
    )
    yield subject.finding(
        "lookalike", None, rows, evidence, where=where, mend=sentence, confidence=0.6 if loosely else 0.75,
        samples=samples,
    )  # fmt: skip


def differing(fields: Fields, written: tuple[Column, ...]) -> str:
    names = [c.name for c in fields.apart] + [f"how {c.name} is written" for c in written]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def otherwise_written(subject: Subject, fields: Fields) -> tuple[Column, ...]:
    """The columns that are written in several ways within a group."""
    texts = [c for c in fields.same if rewritten(c, fields)]
    several = ", ".join(f"count(DISTINCT {quoted(c.name)}) AS n{i}" for i, c in enumerate(texts))
    most = ", ".join(f"max(n{i})" for i in range(len(texts)))
    groups = f"SELECT {several} FROM {DOUBLES} GROUP BY {row_hash(fields, True)}"
    row = subject.query(f"SELECT {most} FROM ({groups}) AS g")[0]
    return tuple(c for c, n in zip(texts, row, strict=True) if n > 1)


def double(subject: Subject, fields: Fields, written: tuple[Column, ...]) -> str:
    """The predicate for all rows of a group but the first, and for none that `duplicate_row` or `unique` tells of."""
    own = f"hash({', '.join(quoted(c.name) for c in fields.keys or subject.columns)})"

    def first(differently: tuple[Column, ...]) -> str:
        group = ", ".join(plain(c.name) if c in differently else quoted(c.name) for c in fields.same)
        order = [quoted(c.name) for c in subject.columns if c in differently or c not in fields.same]
        return f"first_value({own}) OVER (PARTITION BY {group} ORDER BY {', '.join(order)})"

    if not written:
        return f"({first(())} <> {own})"
    equal = f" AND {first(())} = {own}" if fields.apart else ""
    return f"({first(written)} <> {own}{equal})"


def kept_once(subject: Subject, fields: Fields, written: tuple[Column, ...]) -> str:
    """One row of each group stays; texts that are written in several ways are compared by what they have in common."""
    names = {c.name: free_name(f"{c.name}_plain", subject.columns) for c in written}
    keys = tuple(names.get(c.name, c.name) for c in fields.same)
    if not written:
        return mend.transform(subject.table, "drop_duplicates", keys=keys)
    derive = [
        Step("derive", {"name": new, "value": print_expression(in_common(c), grammar().kinds.reserved)})
        for c, new in names.items()
    ]
    steps = (*derive, Step("drop_duplicates", {"keys": keys}), Step("drop_columns", {"columns": tuple(names.values())}))
    return grammar().write(Step("transform", {"table": subject.table, "operators": steps}))


def in_common(column: str) -> Expr:
    """`plain` in the intent language."""
    apart: tuple[Expr, ...] = (Call("lower", (Col(column),)), Literal(APART, "text"), Literal(" ", "text"))
    trimmed = Call("trim", (Call("regexp_replace", apart),))
    return Call("coalesce", (Call("nullif", (trimmed, Literal("", "text"))), Col(column)))


def named_rows(subject: Subject, fields: Fields, keys: Sequence[Json]) -> str:
    """The rows named by their key; "" when there are too many, or is no key to name them by."""
    if not 0 < len(keys) <= mend.MAX_CASES or any(k is None for k in keys):
        return ""
    kind = "text" if kind_of_type(fields.keys[0].type) == "text" else "number"
    condition = In(Col(fields.keys[0].name), tuple(Literal(str(k), kind) for k in keys))
    return mend.transform(subject.table, "drop_rows", condition=print_expression(condition, grammar().kinds.reserved))
