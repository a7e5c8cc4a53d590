"""What a quality report shows rather than says: of each column its values with the bad ones marked, what is missing, which
columns determine others, and examples of bad rows. Only numbers and texts here; `page.py` draws them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intendant.checks.detectors.dependency import Dependency, read
from intendant.checks.settings import Settings
from intendant.checks.split import free_name
from intendant.checks.subject import Subject, examine
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.language.to_sql import kind_of_type
from intendant.types import Column, Finding, Json, Snapshot

__all__ = ["Bar", "ColumnPicture", "Edge", "Example", "Pictures", "pictures"]

BUCKETS = 24
MOST_COLUMNS = 60
MOST_VALUES, MOST_BAD = 10, 6
MOST_EXAMPLES = 5
CLOCKS = ("TIME", "TIME WITH TIME ZONE", "INTERVAL")
LONGEST = 80
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Bar:
    """Rows with this value, or in this range of values: those that no finding touches, and the others."""

    label: str
    good: int
    bad: int


@dataclass(frozen=True)
class ColumnPicture:
    """`kind` is number, time or values. `bars` of numbers and times go up; those of values are the most frequent ones and
    the bad ones. `missing` of `rows` have no value."""

    name: str
    type: str
    kind: str
    rows: int
    missing: int
    bad: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Edge:
    """`left` determines `right`, in this share of the rows."""

    left: str
    right: str
    agreement: float


@dataclass(frozen=True)
class Example:
    """Rows that a finding is about, as text (None where missing); `column` is the one it is about."""

    finding: int
    column: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class Pictures:
    columns: tuple[ColumnPicture, ...]
    edges: tuple[Edge, ...]
    examples: tuple[Example, ...]


def pictures(
    engine: DuckDB,
    table: str,
    snapshot: Snapshot,
    findings: Sequence[Finding],
    others: Mapping[str, Snapshot] | None = None,
) -> Pictures:
    """The pictures of a table and its findings (of `detect`, `audit` or both); `others` as for `audit`."""
    with examine(engine, table, snapshot, Settings(), (), others=others) as subject:
        if not subject.total or not subject.columns:
            return Pictures((), (), ())
        return Pictures(
            tuple(column_picture(subject, c, findings) for c in subject.flat()[:MOST_COLUMNS]),
            edges(subject),
            tuple(examples(subject, findings)),
        )


def column_picture(subject: Subject, column: Column, findings: Sequence[Finding]) -> ColumnPicture:
    wheres = [f"({f.where})" for f in findings if f.where and f.column == column.name]
    nothing = [f"({f.where})" for f in findings if f.where and f.column == column.name and f.check == "missing_value"]
    flag = free_name("_bad", subject.columns)
    source = f"(SELECT *, coalesce({' OR '.join(wheres) or 'false'}, false) AS {quoted(flag)} FROM {subject.sql}) AS t"
    gone = " OR ".join([subject.missing(column), *nothing])
    missing, bad = subject.query(
        f"SELECT count(*) FILTER (WHERE {gone}), count(*) FILTER (WHERE {quoted(flag)}) FROM {source}"
    )[0]
    kind = {"number": "number", "time": "time"}.get(kind_of_type(column.type), "values")
    bars: tuple[Bar, ...] = ()
    if kind != "values" and column.type.upper() not in CLOCKS:
        bars = ranges(subject, column, kind, source, quoted(flag))
    if not bars:
        kind, bars = "values", frequent(subject, column, source, quoted(flag))
    return ColumnPicture(column.name, column.type, kind, subject.total, int(missing), int(bad), bars)


def ranges(subject: Subject, column: Column, kind: str, source: str, flag: str) -> tuple[Bar, ...]:
    """A histogram between the least and the greatest value, or between the first and the last percentile where single
    values would squeeze it; what lies beyond stands in the outermost bars. Empty when there is one value at most."""
    value = f"CAST({quoted(column.name)} AS DOUBLE)" if kind == "number" else f"epoch({quoted(column.name)})"
    finite = f"{quoted(column.name)} IS NOT NULL AND isfinite({value})"
    low, first, last, high = subject.query(
        f"SELECT min({value}), quantile_cont({value}, 0.01), quantile_cont({value}, 0.99), max({value}) FROM {source} WHERE {finite}"
    )[0]
    if low is None or low == high:
        return ()
    if high - low > 4 * (last - first) > 0:
        low, high = first, last
    width = (high - low) / BUCKETS
    bucket = f"least({BUCKETS - 1}, greatest(0, CAST(floor(({value} - {low!r}) / {width!r}) AS BIGINT)))"
    found = subject.query(
        f"SELECT {bucket} AS b, count(*) FILTER (WHERE NOT {flag}), count(*) FILTER (WHERE {flag})"
        f" FROM {source} WHERE {finite} GROUP BY 1"
    )
    counts = {int(b): (int(good), int(bad)) for b, good, bad in found}
    return tuple(Bar(said(low + i * width, kind, subject), *counts.get(i, (0, 0))) for i in range(BUCKETS))


def said(value: float, kind: str, subject: Subject) -> str:
    if kind == "time":
        return str(
            subject.query("SELECT CAST(make_timestamp(CAST(? AS BIGINT)) AS VARCHAR)", [int(value * 1e6)])[0][0]
        )[:16]
    return f"{value:.6g}"


def frequent(subject: Subject, column: Column, source: str, flag: str) -> tuple[Bar, ...]:
    own = f"left(CAST({quoted(column.name)} AS VARCHAR), {LONGEST})"
    counted = (
        f"SELECT {own} AS v, count(*) FILTER (WHERE NOT {flag}) AS good, count(*) FILTER (WHERE {flag}) AS bad"
        f" FROM {source} WHERE {quoted(column.name)} IS NOT NULL GROUP BY 1"
    )
    found = subject.query(f"SELECT * FROM ({counted}) ORDER BY good + bad DESC, v LIMIT {MOST_VALUES}")
    found += subject.query(f"SELECT * FROM ({counted}) WHERE bad > 0 ORDER BY bad DESC, v LIMIT {MOST_BAD}")
    return tuple(Bar(str(v), int(good), int(bad)) for v, good, bad in dict.fromkeys(found))


def edges(subject: Subject) -> tuple[Edge, ...]:
    if subject.total < subject.settings.min_rows:
        return ()
    codes, names = read(subject)
    found = Dependency().edges(subject, codes, names)
    out = [Edge(left, right, round(1 - g.dissent, 4)) for right, by in found.items() for left, g in by.items()]
    return tuple(sorted(out, key=lambda e: (-e.agreement, e.left, e.right)))


def examples(subject: Subject, findings: Sequence[Finding]) -> list[Example]:
    """For each finding about some rows the first of them."""
    names = tuple(c.name for c in subject.columns)
    shown = ", ".join(f"left(CAST({quoted(n)} AS VARCHAR), {LONGEST})" for n in names)
    out = []
    for i, f in enumerate(findings):
        if not f.where:
            continue
        flag = quoted(free_name("_bad", subject.columns))
        source = f"(SELECT *, ({f.where}) AS {flag} FROM {subject.sql}) AS t"
        rows: list[tuple[Json, ...]] = subject.query(f"SELECT {shown} FROM {source} WHERE {flag} LIMIT {MOST_EXAMPLES}")
        out.append(Example(i, f.column, names, tuple(tuple(r) for r in rows)))
    return out
