"""Rules that a table keeps already, offered with their evidence: what nobody broke often enough to be no accident.

A rule is offered when as many values kept it that, at 95%, at most 3% of those to come break it (Clopper and Pearson,
1934, without a failure: 0.05 ** (1 / n)). Cells that the detectors find fault with don't count, ranges have slack, and
earlier versions of the table must have kept it too.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from intendant.checks.auditing import audit
from intendant.checks.battery import DETECTORS
from intendant.checks.detectors.duplicate import KEY_NAME
from intendant.checks.detectors.pattern import regex_of, rough, strict
from intendant.checks.rules import sentence_of
from intendant.checks.settings import Settings
from intendant.checks.split import free_name
from intendant.checks.subject import Subject, examine, shown
from intendant.engines.base import quoted, text
from intendant.engines.duckdb import DuckDB
from intendant.errors import LanguageError
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Finding, Json, Rule, Snapshot, split_table

__all__ = ["SUGGESTERS", "Suggestion", "suggest", "sure"]

SURE_ENOUGH = 0.97
TOLERATED = 0.01
"""Share of rows that may break a rule which is offered all the same; they are named."""
CHANCE = 0.05
MOST_VALUES, FEWEST_EACH, ROWS_PER_VALUE = 30, 5, 20
PATTERN_VALUES = 30
SKEW = 20
"""A largest value so many times the median says that larger ones will come."""
PAST_VERSIONS, COUNTED_VERSIONS = 5, 4
MOST_KEYS = 10
FORMATS = (
    ("e-mail addresses", r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    ("UUIDs", r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
    ("web addresses", r"https?://\S+"),
)


@dataclass(frozen=True)
class Suggestion:
    """`support` is how many values (or versions, for rules about the whole table) kept the rule; `confidence` the share
    of those to come that will, at least, at 95%; `breaks` how many rows break it now."""

    rule: Rule
    support: int
    confidence: float
    evidence: str
    breaks: int = 0

    @property
    def sentence(self) -> str:
        return sentence_of(self.rule)


@dataclass(frozen=True)
class Clean:
    """A column without the cells that a finding touches; `low`, `high` and `middle` are those of numbers."""

    column: Column
    rows: int
    filled: int
    distinct: int
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0

    @property
    def kind(self) -> str:
        return kind_of_type(self.column.type)

    @property
    def named_like_a_key(self) -> bool:
        return KEY_NAME.fullmatch(self.column.name) is not None


class Evidence:
    """What suggesters look at: the table, what is wrong with it, its clean columns, its other versions and tables."""

    def __init__(
        self, engine: DuckDB, subject: Subject, findings: Sequence[Finding], past: Sequence[Snapshot], now: Snapshot,
        others: Mapping[str, Snapshot], declared: Sequence[Rule],
    ) -> None:  # fmt: skip
        self.engine, self.subject, self.findings, self.past, self.now = engine, subject, findings, past, now
        self.others, self.declared = others, declared
        self.references: set[str] = set()
        self.listed: set[str] = set()
        self.keys: set[str] = set()
        self.columns = [self.clean(c) for c in subject.flat()]

    def where(self, *columns: str) -> str:
        """The source of rows whose cells in these columns no finding touches."""
        bad = [f.where for f in self.findings if f.where and (f.column is None or f.column in columns)]
        if not bad:
            return str(self.subject.sql)
        flag = quoted(free_name("_bad", self.subject.columns))
        flags = " OR ".join(f"coalesce(({w}), false)" for w in bad)
        return f"(SELECT * FROM (SELECT *, ({flags}) AS {flag} FROM {self.subject.sql}) AS f WHERE NOT {flag}) AS t"

    def clean(self, column: Column) -> Clean:
        own = quoted(column.name)
        numbers = ""
        if kind_of_type(column.type) == "number":
            numbers = "".join(f", CAST({f}({own}) AS DOUBLE)" for f in ("min", "max", "median"))
        sql = f"SELECT count(*), count({own}), count(DISTINCT {own}){numbers} FROM {self.where(column.name)}"
        rows, filled, distinct, *rest = self.subject.query(sql)[0]
        low, high, middle = (float(x or 0) for x in (rest or (0, 0, 0)))
        return Clean(column, int(rows), int(filled), int(distinct), low, high, middle)

    def offers(self, rule: Rule) -> bool:
        """Whether no rule of this kind about the same columns is declared already."""
        return not any((r.type, r.column, r.columns) == (rule.type, rule.column, rule.columns) or
                       (r.type == rule.type and rule.type in ("freshness", "row_count")) for r in self.declared)  # fmt: skip


def suggest(
    engine: DuckDB, table: str, snapshot: Snapshot, *, past: Sequence[Snapshot] = (),
    others: Mapping[str, Snapshot] | None = None, declared: Sequence[Rule] = (), settings: Settings = Settings(),
) -> list[Suggestion]:  # fmt: skip
    """Rules for `snapshot` (attached as `table`) in the order of SUGGESTERS; none that `declared` has.

    `past` are earlier versions with their files, newest first; `others` the tables that may be referenced. Raises
    Damaged or EngineError when one can't be read.
    """
    known = {t: s for t, s in (others or {}).items() if t != table}
    with examine(engine, table, snapshot, settings, others=known) as subject:
        if not subject.total:
            return []
        findings = [f for d in DETECTORS for f in d.find(subject)]
        evidence = Evidence(engine, subject, findings, past, snapshot, known, declared)
        made = [s for suggester in SUGGESTERS for s in suggester(evidence) if evidence.offers(s.rule)]
        made = [s for s in made if s.breaks <= TOLERATED * subject.total]
    return [kept for s in made if (kept := remembered(engine, table, past, known, s))]


def sure(n: int) -> float:
    """The share of values to come that keep a rule, at least, at 95%, when n of n kept it."""
    return float(0.05 ** (1 / n)) if n > 0 else 0.0


def remembered(
    engine: DuckDB, table: str, past: Sequence[Snapshot], others: Mapping[str, Snapshot], s: Suggestion
) -> Suggestion | None:
    """The suggestion held against earlier versions: None when one of them broke it in more than a few rows."""
    if s.rule.type in ("row_count", "freshness"):
        return s
    kept = 0
    for version in past[:PAST_VERSIONS]:
        if not version.rows:
            continue
        try:
            broken = audit(engine, table, version, [s.rule], others)
        except LanguageError:  # it had another shape then
            continue
        if broken and broken[0].rows > TOLERATED * version.rows:
            return None
        kept += not broken
    said = f" It held in {kept} earlier version{'s' * (kept != 1)} too." if kept else ""
    return replace(s, evidence=s.evidence + said)


# ---------------------------------------------------------------- about columns
def foreign_keys(e: Evidence) -> Iterator[Suggestion]:
    """A column whose name says which table it points to, and whose values are all there."""
    for c in e.columns:
        if not c.named_like_a_key or c.kind not in ("number", "text") or c.distinct < 3 or sure(c.filled) < SURE_ENOUGH:
            continue
        found = [f for t in pointed(c.column.name, e) if (f := referenced(e, c, *t))]
        best = [f for f in found if not f.breaks] or found
        if len(best) == 1 or (best and named_for(best[0])):
            e.references.add(c.column.name)
            yield best[0]


def pointed(column: str, e: Evidence) -> Iterator[tuple[str, Column]]:
    """Tables and columns that a column's name may mean, those named for it first; tables in quarantine are none."""
    own = split_table(e.now.table)[1].lower()
    for table, snapshot in sorted(e.others.items(), key=lambda o: (singular(o[0]) not in column.lower(), o[0])):
        if split_table(table)[0] == "quarantine" or split_table(table)[1].lower() == own:
            continue
        for c in snapshot.columns:
            same = c.name.lower() == column.lower() and singular(table) in column.lower()
            if same or column.lower() == f"{singular(table)}_{c.name.lower()}":
                yield table, c


def named_for(s: Suggestion) -> bool:
    table = str(s.rule.ref).rpartition(".")[0]
    return singular(table) in str(s.rule.column).lower() and split_table(table)[0] == "main"


def singular(table: str) -> str:
    """customers -> customer, categories -> category."""
    name = split_table(table)[1].lower()
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def referenced(e: Evidence, c: Clean, table: str, column: Column) -> Suggestion | None:
    if kind_of_type(column.type) != c.kind:
        return None
    there, own, source = quoted(column.name), quoted(c.column.name), table_sql(table).sql("duckdb")
    distinct, filled, rows = e.subject.query(f"SELECT count(DISTINCT {there}), count({there}), count(*) FROM {source}")[
        0
    ]
    if not rows or not distinct == filled == rows:
        return None
    known = f"SELECT {there} FROM {source}"
    lost = e.subject.count(f"{own} IS NOT NULL AND {own} NOT IN ({known})")
    if lost > TOLERATED * c.filled:
        return None
    said = f"{c.filled - lost:,} values of {c.column.name} ({c.distinct:,} distinct) are among the {rows:,} of {table}."
    rule = Rule("foreign_key", column=c.column.name, ref=f"{table}.{column.name}")
    return Suggestion(rule, c.filled - lost, rounded(sure(c.filled)), said, lost)


def not_null(e: Evidence) -> Iterator[Suggestion]:
    total = e.subject.total
    for c in e.columns:
        absent = e.subject.disguised.get(c.column.name, frozenset())
        missing = total - e.subject.stats[c.column.name].filled
        stand_ins = sum(e.subject.values(c.column.name).get(v, 0) for v in absent)
        if stand_ins > TOLERATED * total:  # N/A fills the column, but with nothing
            continue
        confidence = sure(total) if not missing else 1 - (missing + 3) / total
        if missing <= TOLERATED * total and confidence >= SURE_ENOUGH:
            said = f"{total - missing:,} of {total:,} rows have a value of {c.column.name}."
            yield Suggestion(
                Rule("not_null", column=c.column.name), total - missing, rounded(confidence), said, missing
            )


def unique(e: Evidence) -> Iterator[Suggestion]:
    """A column that is a key by its name and place, or whose numbers would collide if they came by chance."""
    found = False
    for place, c in enumerate(e.columns):
        whole = "INT" in c.column.type.upper()
        if c.distinct != c.filled or sure(c.filled) < SURE_ENOUGH or not (whole or c.kind == "text"):
            continue
        dense = whole and by_chance(c.filled, c.high - c.low + 1) < CHANCE
        own = c.named_like_a_key and (place == 0 or singular(e.now.table) in c.column.name.lower())
        if not (own or dense) or (c.column.name in e.references and not dense):
            continue
        found = True
        repeats = repeated(e, c.column.name)
        why = "named like a key" if own else "too close together to differ by chance"
        said = f"All {c.filled:,} values of {c.column.name} differ, and they are {why}."
        e.keys.add(c.column.name)
        yield Suggestion(Rule("unique", column=c.column.name), c.filled, rounded(sure(c.filled)), said, repeats)
    if not found:
        yield from unique_pairs(e)


def repeated(e: Evidence, column: str) -> int:
    own = quoted(column)
    return int(e.subject.query(f"SELECT count({own}) - count(DISTINCT {own}) FROM {e.subject.sql}")[0][0])


def unique_pairs(e: Evidence) -> Iterator[Suggestion]:
    """Two columns that are unique together, though so many rows would collide by chance."""
    total = e.subject.total
    able = [c for c in e.columns if (c.named_like_a_key or c.kind == "time") and c.filled == c.rows and c.distinct > 1]
    for a, b in itertools.combinations(able[:MOST_KEYS], 2):
        if sure(total) < SURE_ENOUGH or by_chance(total, a.distinct * b.distinct) >= CHANCE:
            continue
        names = a.column.name, b.column.name
        pair = ", ".join(map(quoted, names))
        clean = e.where(*names)
        rows, distinct = e.subject.query(f"SELECT count(*), count(DISTINCT ({pair})) FROM {clean}")[0]
        if rows == distinct and rows >= (1 - TOLERATED) * total:
            said = f"All {rows:,} pairs of {' and '.join(names)} differ, which so many would not by chance."
            yield Suggestion(Rule("unique", columns=names), rows, rounded(sure(rows)), said, total - rows)
            return


def by_chance(n: int, places: float) -> float:
    """How likely n values drawn from so many places all differ (the birthday bound)."""
    return math.exp(-n * (n - 1) / (2 * places)) if places > 0 and n <= places else 0.0


def allowed_values(e: Evidence) -> Iterator[Suggestion]:
    for c in e.columns:
        few = 2 <= c.distinct <= MOST_VALUES and c.filled >= ROWS_PER_VALUE * c.distinct
        if c.kind != "text" or not few or sure(c.filled) < SURE_ENOUGH or c.column.name in e.references:
            continue
        own = quoted(c.column.name)
        sql = f"SELECT {own}, count(*) FROM {e.where(c.column.name)} WHERE {own} IS NOT NULL GROUP BY 1 ORDER BY 1"
        counts = {str(v): int(n) for v, n in e.subject.query(sql)}
        if min(counts.values()) < FEWEST_EACH or not all(v.strip() for v in counts):
            continue
        e.listed.add(c.column.name)
        other = e.subject.count(f"{own} IS NOT NULL AND NOT {e.subject.is_one_of(c.column.name, counts)}")
        least = min(counts, key=counts.__getitem__)
        said = f"{c.filled:,} values are one of {c.distinct}, the rarest ({shown([least])}) {counts[least]} times."
        rule = Rule("allowed_values", column=c.column.name, values=tuple(counts))
        yield Suggestion(rule, c.filled, rounded(sure(c.filled)), said, other)


def pattern(e: Evidence) -> Iterator[Suggestion]:
    for c in e.columns:
        name = c.column.name
        if c.kind != "text" or name in e.listed or c.distinct < PATTERN_VALUES or sure(c.filled) < SURE_ENOUGH:
            continue
        values = list(e.subject.present(name))[:1000]
        what, regex = formatted(values)
        if not regex:
            continue
        test = f"{quoted(name)} IS NOT NULL AND NOT regexp_full_match({quoted(name)}, {text(regex)})"
        if e.subject.query(f"SELECT count(*) FROM {e.where(name)} WHERE {test}")[0][0]:
            continue
        said = f"{c.filled:,} values ({c.distinct:,} distinct) look like {what}."
        rule = Rule("pattern", column=name, regex=regex)
        yield Suggestion(rule, c.filled, rounded(sure(c.filled)), said, e.subject.count(test))


def formatted(values: Sequence[str]) -> tuple[str, str]:
    """(what most values look like, its regular expression), ("", "") when they tell nothing.

    Digits may become more, unless leading zeros show that their number is fixed.
    """
    for what, regex in FORMATS:
        if sum(re.fullmatch(regex, v) is not None for v in values) > 0.9 * len(values):
            return what, regex
    fixed = any(re.search(r"(?<!\d)0\d", v) for v in values)
    shape = strict if fixed and len({strict(v) for v in values}) == 1 else rough
    shapes = [shape(v) for v in values]
    main = max(set(shapes), key=lambda s: (shapes.count(s), s)) if shapes else ""
    signs = set(main) - {"a", "9", " "}
    if "9" not in main or not ("a" in main or signs) or shapes.count(main) < 0.9 * len(shapes):
        return "", ""
    return repr(next(v for v, s in zip(values, shapes, strict=True) if s == main)), regex_of(main)


def ranges(e: Evidence) -> Iterator[Suggestion]:
    for c in e.columns:
        plain = c.kind == "number" and not c.named_like_a_key and c.column.name not in e.keys | e.references
        if not plain or sure(c.filled) < SURE_ENOUGH or c.low >= c.high:
            continue
        low, high = slack(c)
        if low is None and high is None:
            continue
        rule = Rule("range", column=c.column.name, min=low, max=high)
        own = quoted(c.column.name)
        tests = [f"{own} {sign} {bound!r}" for sign, bound in (("<", low), (">", high)) if bound is not None]
        said = f"{c.filled:,} values lie between {plainly(c.low)} and {plainly(c.high)}; the bounds leave room."
        yield Suggestion(rule, c.filled, rounded(sure(c.filled)), said, e.subject.count(" OR ".join(tests)))


def slack(c: Clean) -> tuple[Json, Json]:
    """Bounds half a span beyond what was seen, to a round number; 0 stays 0, and a long tail has no upper bound."""
    span = c.high - c.low
    unit = 10.0 ** math.floor(math.log10(span))
    low, high = math.floor((c.low - span / 2) / unit) * unit, math.ceil((c.high + span / 2) / unit) * unit
    if c.low >= 0 > low:
        low = 0.0
    open_ended = c.low >= 0 and (c.high > SKEW * max(c.middle, 0) or c.distinct < 10)
    if open_ended:
        return (0, None) if low == 0 else (None, None)
    if c.distinct < 10:
        return None, None
    return plainly(low), plainly(high)


def plainly(x: float) -> Json:
    """10.0 -> 10, 0.30000000000000004 -> 0.3."""
    return int(x) if x == int(x) and abs(x) < 1e15 else float(f"{x:.12g}")


# ---------------------------------------------------------------- about the table
def row_count(e: Evidence) -> Iterator[Suggestion]:
    """Half of the fewest rows that a version had, once there are some versions to tell from."""
    counts = [s.rows for s in (e.now, *e.past) if s.rows]
    if len(counts) < COUNTED_VERSIONS or min(counts) < 20:
        return
    unit = 10 ** (len(str(min(counts) // 2)) - 1)
    least = min(counts) // 2 // unit * unit
    said = f"{len(counts)} versions had {min(counts):,} to {max(counts):,} rows; the bound is half of the fewest."
    confidence = rounded(len(counts) / (len(counts) + 1))
    yield Suggestion(Rule("row_count", min=least), len(counts), confidence, said)


def freshness(e: Evidence) -> Iterator[Suggestion]:
    """Twice the longest that rows had to be waited for, where several versions brought newer ones."""
    for c in e.columns:
        if c.kind != "time" or not c.column.type.upper().startswith(("TIMESTAMP", "DATE")):
            continue
        seen = newest(e, c.column)
        if len({n for _, n in seen}) < COUNTED_VERSIONS - 1 or e.subject.stats[c.column.name].filled < e.subject.total:
            continue
        times = sorted({n for _, n in seen})
        waits = [at - n for at, n in seen] + [b - a for a, b in itertools.pairwise(times)]
        if min(at - n for at, n in seen) < -86400 or max(waits) > 200 * 86400:
            continue  # it tells of what is to come, or of what was long ago
        unit = 86400 if 2 * max(waits) > 86400 else 3600
        seconds = math.ceil(2 * max(waits) / unit) * unit
        said = f"In {len(seen)} versions the newest {c.column.name} was at most {length(max(waits))} old or apart."
        confidence = rounded(len(seen) / (len(seen) + 1))
        yield Suggestion(Rule("freshness", column=c.column.name, seconds=seconds), len(seen), confidence, said)
        return


def newest(e: Evidence, column: Column) -> list[tuple[float, float]]:
    """Per version: (when it was made, the newest value), in seconds since 1970."""
    out = []
    for s in (e.now, *e.past):
        if not s.rows or not any((c.name, c.type) == (column.name, column.type) for c in s.columns):
            continue
        sql = f"SELECT epoch(CAST(max({quoted(column.name)}) AS TIMESTAMP)) FROM ({e.engine.scan(s)}) AS v"
        value = e.subject.query(sql)[0][0]
        if value is not None and s.at:
            out.append((moment(s.at), float(value)))
    return out


def moment(at: str) -> float:
    when = datetime.fromisoformat(at)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def length(seconds: float) -> str:
    for name, n in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= n:
            return f"{seconds / n:.1f} {name}"
    return f"{seconds:.0f} seconds"


def rounded(x: float) -> float:
    return math.floor(x * 1000) / 1000


SUGGESTERS: tuple[Callable[[Evidence], Iterator[Suggestion]], ...] = (
    not_null, foreign_keys, unique, allowed_values, pattern, ranges, row_count, freshness,
)  # fmt: skip
"""In this order: a column that points to another table is no key and no list of values."""
