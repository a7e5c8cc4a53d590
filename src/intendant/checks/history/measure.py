"""A profile is measured in two scans inside the engine: counts and quantiles, then values, shapes and repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from intendant.checks.history.profile import LEVELS, REST, ColumnProfile, Profile
from intendant.engines.base import quoted, text
from intendant.engines.duckdb import DuckDB
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Json, Snapshot

__all__ = ["measured"]

MOST_COLUMNS = 200
"""Columns that are measured in full; of the others type and missing values are kept."""
MOST_VALUES = 50
"""A column with more values isn't one of categories."""
MOST_CODES = 20
"""The same for whole numbers: with so few values they stand for something."""
MOST_UNIQUE = 16
"""Columns in which repeats are counted exactly."""
NEARLY_UNIQUE = 0.5
"""The first scan's number of different values is an estimate, so columns that may be unique are counted exactly."""
LONGEST = 60
EXACT_ROWS = 2_000_000
"""Above so many rows quantiles are approximate, and repeats are counted on the values with some hash."""
SHAPED = 5_000
"""Values of a column whose shapes are counted, chosen by their hash."""
SHAPE = (("[0-9]+", "9"), ("[[:alpha:]]+", "a"), ("(a9|9a)[a9]*", "w"))


@dataclass(frozen=True)
class _Seen:
    """A column after the first scan."""

    column: Column
    kind: str
    filled: int
    distinct: int | None = None
    quantiles: tuple[float, ...] | None = None
    newest: float | None = None


def measured(engine: DuckDB, snapshot: Snapshot, *, verb: str = "", origin: str = "", part: bool = False) -> Profile:
    """The profile of a snapshot, which may be staged or hold only the files that a version added.

    Raises Damaged, EngineError.
    """
    with engine.session({snapshot.table: snapshot}) as con:
        source = table_sql(snapshot.table).sql("duckdb")
        rows, seen = _counted(con, source, snapshot)
        columns, repeats = _looked_into(con, source, rows, seen) if rows else ({}, None)
    profiles = {s.column.name: columns.get(s.column.name) or ColumnProfile(s.column.type, s.filled) for s in seen}
    return Profile(
        snapshot.table,
        snapshot.version,
        snapshot.at,
        snapshot.run,
        snapshot.step,
        verb,
        origin,
        part,
        rows,
        profiles,
        repeats,
    )


def _counted(con: duckdb.DuckDBPyConnection, source: str, snapshot: Snapshot) -> tuple[int, list[_Seen]]:
    exact = snapshot.rows <= EXACT_ROWS
    parts: list[str] = []
    for i, column in enumerate(snapshot.columns):
        parts += [f"count({_present(column)})", *(_figures(column, snapshot.at, exact) if i < MOST_COLUMNS else ())]
    row = iter(_one(con, f"SELECT {', '.join(['count(*)', *parts])} FROM {source}"))
    rows = int(next(row))
    seen = []
    for i, column in enumerate(snapshot.columns):
        kind, filled = _kind(column), int(next(row))
        if i >= MOST_COLUMNS or kind == "other":
            seen.append(_Seen(column, kind, filled))
            continue
        distinct, more = int(next(row)), next(row) if kind in ("number", "time") else None
        quantiles = tuple(map(_short, more)) if kind == "number" and more and None not in more else None
        newest = float(more) if kind == "time" and more is not None else None
        seen.append(_Seen(column, kind, filled, min(distinct, filled), quantiles, newest))
    return rows, seen


def _kind(column: Column) -> str:
    """The kind of its type; a length of time is no number to the engine."""
    return "duration" if column.type.upper() == "INTERVAL" else kind_of_type(column.type)


def _present(column: Column) -> str:
    """The column's value, NULL where it is blank text."""
    own = quoted(column.name)
    if _kind(column) != "text":
        return own
    return f"CASE WHEN trim({own}::VARCHAR) <> '' THEN {own} END"


def _figures(column: Column, at: str, exact: bool) -> list[str]:
    own, kind = quoted(column.name), _kind(column)
    if kind == "other":
        return []
    out = [f"approx_count_distinct({own})"]
    if kind == "number":
        value = f"{own}::DOUBLE"
        out.append(
            f"{'quantile_cont' if exact else 'approx_quantile'}(CASE WHEN isfinite({value}) THEN {value} END,"
            f" [{', '.join(map(str, LEVELS))}])"
        )
    if kind == "time":
        limit = f"{text(at)}::TIMESTAMPTZ + INTERVAL 1 DAY" if at else "'infinity'::TIMESTAMPTZ"
        out.append(f"epoch(max({own}) FILTER (isfinite({own}) AND {own}::TIMESTAMPTZ <= {limit}))")
    return out


def _looked_into(
    con: duckdb.DuckDBPyConnection, source: str, rows: int, seen: Sequence[_Seen]
) -> tuple[dict[str, ColumnProfile], float | None]:
    kept = max(1, rows // EXACT_ROWS)
    whole = ", ".join(quoted(s.column.name) for s in seen)
    parts, readers = [*_repeats(f"hash({whole})", kept)], []
    unique = [s.column.name for s in seen if (s.distinct or 0) >= max(20, NEARLY_UNIQUE * s.filled)][:MOST_UNIQUE]
    for s in (s for s in seen if s.distinct is not None):
        what = _histogram(s)
        names = [n for n, wanted in (("counts", what), ("repeats", s.column.name in unique)) if wanted]
        parts += [what] if what else []
        parts += _repeats(f"hash({_present(s.column)})", kept) if s.column.name in unique else ()
        readers.append((s, names))
    row = iter(_one(con, f"SELECT {', '.join(parts)} FROM {source}"))
    repeats = _share(next(row), next(row))
    columns = {}
    for s, names in readers:
        counts = _most(next(row)) if "counts" in names else None
        again = _share(next(row), next(row)) if "repeats" in names else None
        few = _few(s)
        columns[s.column.name] = ColumnProfile(
            s.column.type,
            s.filled,
            s.distinct,
            s.quantiles,
            counts if few else None,
            None if few else counts,
            s.newest,
            again,
        )
    return columns, repeats


def _few(s: _Seen) -> bool:
    whole = s.kind == "number" and not s.column.type.upper().startswith(("DOUBLE", "FLOAT", "DECIMAL"))
    return (s.distinct or 0) <= (MOST_VALUES if s.kind in ("text", "bool") else MOST_CODES if whole else -1)


def _histogram(s: _Seen) -> str:
    """Rows per value of a column of categories, values per shape of another text, "" for other columns."""
    value = f"left(({_present(s.column)})::VARCHAR, {LONGEST})"
    if _few(s):
        return f"histogram({value})"
    if s.kind != "text":
        return ""
    shape = value
    for pattern, to in SHAPE:
        shape = f"regexp_replace({shape}, '{pattern}', '{to}', 'g')"
    sampled = f"hash({quoted(s.column.name)}) % {max(1, (s.distinct or 0) // SHAPED)} = 0"
    return f"histogram(CASE WHEN {sampled} THEN {shape} END)"


def _repeats(hashed: str, kept: int) -> tuple[str, str]:
    """How many of the hashes there are, and how many different ones; on a share of the values of a large table."""
    some = f"CASE WHEN {hashed} % {kept} = 0 THEN {hashed} END" if kept > 1 else hashed
    return f"count({some})", f"count(DISTINCT {some})"


def _share(there: Json, different: Json) -> float | None:
    return round(1 - different / there, 6) if there else None


def _most(counts: Mapping[Json, int] | None) -> dict[str, int]:
    """The most frequent ones, the others summed up as REST; in the same order each time."""
    ranked = sorted(((str(k), int(n)) for k, n in (counts or {}).items()), key=lambda kn: (-kn[1], kn[0]))
    out = dict(ranked[:MOST_VALUES])
    rest = sum(n for _, n in ranked[MOST_VALUES:])
    return {**out, REST: out.get(REST, 0) + rest} if rest else out


def _short(value: Json) -> float:
    return float(f"{float(value):.9g}")


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Json, ...]:
    row: tuple[Json, ...] | None = con.execute(sql).fetchone()
    assert row is not None
    return row
