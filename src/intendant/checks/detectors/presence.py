"""Columns filled exactly where another column has certain values, or is filled itself, and the few rows that break it.

A law is mined on a sample and held against what two independent columns would do; its breaks are counted on all rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlglot import exp

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.detectors.dependency import MISSING, Codes, Flags, explained
from intendant.checks.split import free_name
from intendant.checks.subject import MOST_COLUMNS, Subject, shown
from intendant.engines.base import quoted
from intendant.language.expression import Binary, Call, Case, Col, Expr, In, IsNull, Literal, Unary, print_expression
from intendant.language.grammar import grammar
from intendant.language.to_sql import Compiler, kind_of_type
from intendant.types import Column, Finding, Json, Rule

__all__ = ["Presence", "among", "categories", "guarded", "unmet"]

OPTIONAL = 0.05
"""A column that depends on another is missing, and filled, in at least this share of the rows."""
MOST_VALUES, LONGEST = 20, 100
"""A condition has at most so many values, of so many characters."""
WHOLE = re.compile(r"-?[0-9]+(\.0)?")
REASON_VALUES = 200
"""A column of at most so many values may be the reason why rows are exempt."""
WITH_VALUE = 0.9
"""The condition is there in this share of the rows; the others are not judged."""
DISSENT, ONE_WAY = 0.02, 0.005
"""Share of rows that may break a law; for two columns filled together, when all breaks leave out the same one."""
PURE = 0.95
"""Share of a value's rows, and of all rows on either side of a law, that keep it."""
FEWEST, JUDGED = 10, 0.95
"""A value with fewer rows is not judged; those judged make up this share of the rows."""
LIFT = 0.1
"""A law leaves at most this share of the breaks that chance would leave."""
EXEMPT = 0.5
"""When another column explains this share of the breaks, they follow a law of their own."""
LOOSE = 3
"""Where three or more columns are filled together, at most one in so many may have gaps of its own."""
CLUSTERED = 0.2
"""Gaps come in runs when they begin and end this many times as often as by chance, or less."""
NEW = 0.5
"""Share of a law's breaks that no law told before has."""
MOST_LAWS, MOST_SHOWN = 40, 5


@dataclass(frozen=True)
class Law:
    """`column` is filled where `by` is one of `filled` and missing where it is one of `missing`.

    `partial`: `by` has other values, which are not judged. Without any value: `column` is filled where `by` is.
    """

    column: Column
    by: Column
    dissent: int
    filled: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    partial: bool = False


class Presence(Detector):
    name = "presence"
    summary = "Gaps where other columns say there is a value, and values where they say there is none."
    example = (
        "delivered_at is missing in 3 rows where status is 'delivered': check t for that"
        " (status = 'delivered') = (delivered_at is not null) on failure quarantine"
    )

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows:
            return
        codes, names = read(subject)
        laws = [*by_values(subject, codes, names), *together(subject, codes)]
        if subject.total <= subject.settings.sample_rows:
            laws = [law for law in laws if law.dissent]
        laws = sorted(laws, key=lambda law: law.dissent)[:MOST_LAWS]
        rules = [rule_of(subject, law) for law in laws]
        wheres = [unmet(subject, r) for r in rules]
        for i, rows in told(subject, wheres):
            if rows <= DISSENT * subject.total:
                yield from self.broken(subject, laws[i], rules[i], wheres[i], rows)

    @staticmethod
    def broken(subject: Subject, law: Law, rule: Expr, where: str, rows: int) -> Iterator[Finding]:
        lacking = subject.count(f"{where} AND {subject.missing(law.column)}")
        if not law.filled:
            if in_order(law, lacking, rows, subject.total):
                return
            if 2 * lacking < rows:
                law, lacking = replace(law, column=law.by, by=law.column), rows - lacking
        examples, samples = said(subject, law, where, lacking, rows - lacking)
        evidence = f"{subject.so_many(rows, law.column.name)} break the rule that it is {condition(law)}: {examples}."
        yield subject.finding(
            "presence",
            law.column.name,
            rows,
            evidence,
            where=where,
            mend=guarded(subject, rule),
            confidence=(0.9 if law.filled else 0.8) - 10 * rows / subject.total,
            samples=samples,
        )


def read(subject: Subject) -> tuple[dict[str, Codes], dict[str, list[str]]]:
    """Rows (all, or a sample), each column as numbers from 0 (-1: missing), and the texts they stand for.

    Of a column with many values only whether one is there.
    """
    columns = [c for c in subject.flat() if subject.stats[c.name].filled][:MOST_COLUMNS]
    shown = []
    for c in columns:
        few = subject.stats[c.name].distinct <= REASON_VALUES
        value = f"left(CAST({quoted(c.name)} AS VARCHAR), {LONGEST + 1})" if few else "''"
        shown.append(f"CASE WHEN {subject.missing(c)} THEN NULL ELSE {value} END")
    source, most = subject.sql, subject.settings.sample_rows
    if subject.total > most:
        source = f"(SELECT * FROM {subject.sql} USING SAMPLE reservoir({most} ROWS) REPEATABLE (1)) AS t"
    rows = subject.query(f"SELECT {', '.join(shown)} FROM {source}") if columns else []
    codes, names = {}, {}
    for i, c in enumerate(columns):
        known: dict[str, int] = {}
        codes[c.name] = np.array([MISSING if r[i] is None else known.setdefault(r[i], len(known)) for r in rows])
        names[c.name] = list(known)
    return codes, names


def optional(subject: Subject, codes: dict[str, Codes]) -> list[Column]:
    """The columns that are missing in some rows and filled in some."""
    there = {n: float((c >= 0).mean()) for n, c in codes.items() if len(c)}
    return [c for c in subject.flat() if OPTIONAL <= there.get(c.name, 0.0) <= 1 - OPTIONAL]


def categories(subject: Subject, names: dict[str, list[str]], most: int) -> list[Column]:
    """The columns of at most so many values that a rule can name."""
    found = []
    for c in subject.flat("text", "bool", "number"):
        values, kind = names.get(c.name, []), kind_of_type(c.type)
        plain = kind != "text" or c.type.startswith(("VARCHAR", "ENUM"))
        if kind == "number":
            plain = all(map(WHOLE.fullmatch, values))
        if plain and 2 <= len(values) <= most and all(len(v) <= LONGEST and "\0" not in v for v in values):
            found.append(c)
    return found


def by_values(subject: Subject, codes: dict[str, Codes], names: dict[str, list[str]]) -> Iterator[Law]:
    """For each optional column the law by another's values that fewest rows break."""
    few = categories(subject, names, MOST_VALUES)
    for column in optional(subject, codes):
        filled = codes[column.name] >= 0
        laws = [(by, d) for by in few if by != column and (d := decided(filled, codes[by.name])) is not None]
        if not laws:
            continue
        by, least = min(laws, key=lambda law: int((law[1].wanted != filled).sum()))
        if exempted(least.wanted, filled, codes, column, by):
            continue
        yes, no = ([v for v, f in zip(names[by.name], flags, strict=True) if f] for flags in (least.yes, least.no))
        partial = not {*subject.values(by.name)} <= {*yes, *no}
        dissent = int((least.wanted != filled).sum())
        yield Law(column, by, dissent, tuple(sorted(yes)), tuple(sorted(no)), partial)


@dataclass(frozen=True)
class Decided:
    """Per value whether a column is filled in rows with it, or is missing; per row whether it should be filled.

    In rows that aren't judged it should be what it is.
    """

    yes: Flags
    no: Flags
    wanted: Flags


def decided(filled: Flags, by: Codes) -> Decided | None:
    """The values of `by` that decide whether a column is filled; None when they don't, or by chance."""
    there = by >= 0
    if there.mean() < WITH_VALUE:
        return None
    seen = np.bincount(by[there])
    share = np.bincount(by[there], filled[there]) / np.maximum(seen, 1)
    yes, no = (share >= PURE) & (seen >= FEWEST), (share <= 1 - PURE) & (seen >= FEWEST)
    at = np.where(there, by, 0)
    judged = there & (yes | no)[at]
    if judged.sum() < JUDGED * there.sum() or not lawful(yes[at][judged], filled[judged]):
        return None
    return Decided(yes, no, np.where(judged, yes[at], filled))


def lawful(wanted: Flags, filled: Flags) -> bool:
    """Whether values are nearly always there where they are wanted and nowhere else, far beyond chance."""
    n, p, q = len(wanted), float(wanted.mean()), float(filled.mean())
    kept = int((wanted & filled).sum()), int((~wanted & ~filled).sum())
    if min(kept) < 2 * FEWEST or kept[0] < PURE * p * n or kept[1] < PURE * (1 - p) * n:
        return False
    return n - sum(kept) <= n * min(DISSENT, LIFT * (p * (1 - q) + q * (1 - p)))


def together(subject: Subject, codes: dict[str, Codes]) -> Iterator[Law]:
    """Columns that are filled together, far beyond chance: each that breaks it, by one that doesn't."""
    columns = optional(subject, codes)
    filled = [codes[c.name] >= 0 for c in columns]
    for block in blocks(filled):
        there = 2 * sum(filled[i].astype(np.int64) for i in block) >= len(block)
        broken = [i for i in block if (filled[i] != there).any()]
        if len(block) > 2 and len(broken) > max(1, len(block) // LOOSE):
            continue
        first = next((i for i in block if i not in broken), block[0])
        for i in [i for i in broken or block if i != first]:
            dissent = filled[i] != filled[first]
            if not exempted(filled[first], filled[i], codes, columns[i], columns[first]) and not at_edges(
                dissent, filled[first]
            ):
                yield Law(columns[i], columns[first], int(dissent.sum()))


def blocks(filled: Sequence[Flags]) -> list[list[int]]:
    """The groups of columns of which each is lawfully filled together with another one, by their places."""
    found: list[list[int]] = []
    for i, own in enumerate(filled):
        near = [b for b in found if any((own == filled[j]).mean() >= 1 - DISSENT and lawful(own, filled[j]) for j in b)]
        found = [b for b in found if b not in near] + [[j for b in near for j in b] + [i]]
    return [b for b in found if len(b) > 1]


def at_edges(dissent: Flags, filled: Flags) -> bool:
    """Whether gaps come in long runs, and the breaks stand where these begin or end: one series is longer than another."""
    state = filled[~dissent]
    p = float(state.mean())
    if not dissent.any() or (state[1:] != state[:-1]).sum() > CLUSTERED * 2 * p * (1 - p) * len(state):
        return False
    at = np.searchsorted(np.flatnonzero(~dissent), np.flatnonzero(dissent))
    edge = (at == 0) | (at == len(state)) | (state[np.maximum(at - 1, 0)] != state[np.minimum(at, len(state) - 1)])
    return bool(edge.mean() >= EXEMPT)


def exempted(wanted: Flags, filled: Flags, codes: dict[str, Codes], *own: Column) -> bool:
    """Whether values of other columns are the reason for most breaks."""
    mine, dissent = {c.name for c in own}, wanted != filled
    others = [c for n, c in codes.items() if n not in mine and 2 <= c.max() + 1 <= REASON_VALUES]
    sides = [(dissent[side], [c[side] for c in others]) for side in (wanted, ~wanted)]
    return bool(dissent.any()) and sum(int(explained(*s).sum()) for s in sides) >= EXEMPT * int(dissent.sum())


def told(subject: Subject, wheres: Sequence[str]) -> list[tuple[int, int]]:
    """Which laws to tell of and how many rows break them, those with fewest first: none for the same rows as others."""
    if not wheres:
        return []
    name = free_name("_law", subject.columns)
    flags = [f"{name}{i}" for i in range(len(wheres))]
    tests = ", ".join(f"coalesce(({w}), false) AS {f}" for w, f in zip(wheres, flags, strict=True))
    patterns = subject.query(
        f"SELECT {', '.join(flags)}, count(*) FROM (SELECT {tests} FROM {subject.sql}) AS t"
        f" WHERE {' OR '.join(flags)} GROUP BY ALL"
    )
    broken = {i: [(n, flags) for *flags, n in patterns if flags[i]] for i in range(len(wheres))}
    rows = {i: sum(int(n) for n, _ in hits) for i, hits in broken.items() if hits}
    chosen: list[int] = []
    for i in sorted(rows, key=lambda i: rows[i]):
        new = sum(int(n) for n, flags in broken[i] if not any(flags[j] for j in chosen))
        if new > NEW * rows[i]:
            chosen.append(i)
    return [(i, rows[i]) for i in chosen]


def in_order(law: Law, lacking: int, rows: int, total: int) -> bool:
    """Whether breaks that all leave out the same column are steps of a process: shipped, not yet delivered."""
    if 0 < lacking < rows:
        return False
    return rows > ONE_WAY * total or {kind_of_type(c.type) for c in (law.column, law.by)} == {"time"}


# ---------------------------------------------------------------- as an expression
def rule_of(subject: Subject, law: Law) -> Expr:
    """What is true in a row that keeps the law, unknown or true where `by` is missing."""
    there, gone = presence(subject, law.column, True), presence(subject, law.column, False)
    if not law.filled:
        return Binary("=", presence(subject, law.by, True), there)
    if law.partial:
        whens = (among(law.by, law.filled), there), (among(law.by, law.missing), gone)
        return Case(whens, Literal("true", "bool"))
    if len(law.filled) <= len(law.missing):
        return Binary("=", among(law.by, law.filled), there)
    return Binary("=", among(law.by, law.missing), gone)


def unmet(subject: Subject, rule: Expr) -> str:
    """The predicate for rows that break a rule; those for which it is unknown don't."""
    return str(exp.Not(this=exp.paren(Compiler(subject.columns).condition(rule))).sql("duckdb"))


def guarded(subject: Subject, rule: Expr) -> str:
    """The sentence that declares a rule and sets aside the rows that break it."""
    printed = print_expression(rule, grammar().kinds.reserved)
    return mend.guard(subject.table, Rule("expression", expression=printed))


def among(column: Column, values: Sequence[str]) -> Expr:
    """That a column is one of these values, given as texts."""
    kind = kind_of_type(column.type)
    listed = tuple(Literal(v.lower() if kind == "bool" else v, kind) for v in values)
    return In(Col(column.name), listed) if len(listed) > 1 else Binary("=", Col(column.name), listed[0])


def presence(subject: Subject, column: Column, there: bool) -> Expr:
    """That a value is there, or is missing: null, blank, or a text that stands for nothing."""
    own: Expr = Col(column.name)
    value, text = own, kind_of_type(column.type) == "text"
    if text and subject.count(f"trim(CAST({quoted(column.name)} AS VARCHAR)) = ''"):
        value = Call("nullif", (Call("trim", (own,)), Literal("", "text")))
    absent = subject.disguised.get(column.name)
    if not absent:
        return IsNull(value, negated=there)
    tokens = tuple(Literal(v, "text") for v in sorted(absent))
    listed = In(own if text else Call("text", (own,)), tokens, negated=not there)
    return Unary("not", Binary("or" if there else "and", IsNull(value, negated=not there), listed))


# ---------------------------------------------------------------- as a sentence
def condition(law: Law) -> str:
    if not law.filled:
        return f"filled exactly where {law.by.name} is filled"
    missing = len(law.filled) > len(law.missing)
    values = law.missing if missing else law.filled
    return f"{'missing' if missing else 'filled'} exactly where {law.by.name} is {alternatives(values)}"


def alternatives(values: Sequence[str]) -> str:
    *head, last = map(repr, values)
    return f"{', '.join(head)} or {last}" if 0 < len(head) < MOST_SHOWN else shown(values, MOST_SHOWN)


def said(subject: Subject, law: Law, where: str, lacking: int, surplus: int) -> tuple[str, list[Json]]:
    """The two kinds of breaks with an example each, and the examples."""
    column, by, gone = quoted(law.column.name), quoted(law.by.name), subject.missing(law.column)
    parts, samples = [], []
    for rows, test in ((lacking, gone), (surplus, f"NOT {gone}")):
        if not rows:
            continue
        sql = f"SELECT left(CAST({by} AS VARCHAR), 99), left(CAST({column} AS VARCHAR), 99) FROM {subject.sql}"
        key, value = min(subject.query(f"{sql} WHERE {where} AND {test} LIMIT 20"), key=repr)
        example = f"where {law.by.name} is {'missing' if key is None else shown([key])}"
        parts.append(
            f"{rows} missing, e.g. {example}" if test == gone else f"{rows} too many, e.g. {shown([value])} {example}"
        )
        samples.append({law.by.name: key, law.column.name: value})
    return "; ".join(parts), samples
