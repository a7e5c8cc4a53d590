"""Values that don't fit their column: found, named, and set aside, so that one wrong cell never changes a column's type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.errors import TypeMismatch
from intendant.lake.schema import DECIMAL, INTEGERS
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Snapshot

__all__ = ["Misfit", "misfits", "unfit"]

MOST_SHARE = 0.10
"""More misfits than this are a change of the source, not odd cells."""
MOSTLY = 0.90


@dataclass(frozen=True)
class Misfit:
    """A column whose few odd values are set aside so that it keeps the type `wanted`."""

    column: str
    wanted: str
    rows: int
    reason: str
    predicate: str
    value: str
    """The SQL of the column as `wanted`."""


def misfits(
    engine: DuckDB, staged: Snapshot, expected: Mapping[str, str], mixed: Collection[str], *, strict: bool,
    skip: Collection[str] = (), most: float = MOST_SHARE,
) -> list[Misfit]:  # fmt: skip
    """The columns of a stage that came as text although they are (mostly) of another type.

    `mixed` names the columns in which the source itself sent numbers and texts; `expected` has the types of the table's
    columns as they are. With `strict` (rows are added to a table) more than the share `most` of misfits raise TypeMismatch;
    otherwise (the table is replaced) such a column takes its new type. `skip` names columns that a contract decides about.
    """
    wanted = {c.name: t for c in staged.columns if c.name not in skip and (t := _wanted(c, expected, mixed, engine, staged))}
    if not wanted or not staged.rows:
        return []
    names = list(wanted)
    tests = {n: unfit(n, "VARCHAR", wanted[n]) for n in names}
    counts = ", ".join(f"count(*) FILTER (WHERE {tests[n]})" for n in names)
    row = engine.rows(f"SELECT {counts} FROM {table_sql(staged.table).sql('duckdb')}", {staged.table: staged})[1][0]
    out = []
    for name, bad in zip(names, row, strict=True):
        if bad > most * staged.rows:
            if strict:
                raise TypeMismatch(
                    f"{bad:,} of {staged.rows:,} values of {name!r} are not {wanted[name]}",
                    where=staged.table,
                    hint="The source changed: load it `into` another table, or `cast` the column of this one first.",
                )
            continue
        reason = f"{name}: not {_words(wanted[name])}"
        out.append(
            Misfit(name, wanted[name], int(bad), reason, tests[name], f"TRY_CAST({quoted(name)} AS {wanted[name]})")
        )
    return out


def unfit(name: str, now: str, wanted: str) -> str:
    """The SQL that is true where a value of column `name`, of type `now`, can't be of type `wanted` without being changed."""
    own = quoted(name)
    cast, kinds = f"TRY_CAST({own} AS {wanted})", (kind_of_type(now), kind_of_type(wanted))
    if kinds[0] == "text" and kinds[1] in ("number", "time", "bool"):
        finer = _finer(wanted)
        changed = f" OR TRY_CAST({own} AS {finer}) <> {cast}" if finer else ""  # '10.7' would become 11
    elif kinds[0] == kinds[1] and kinds[0] in ("number", "time"):
        changed = f" OR {cast} <> {own}"
    else:
        return f"({own} IS NOT NULL)"
    return f"({own} IS NOT NULL AND ({cast} IS NULL{changed}))"


def _finer(wanted: str) -> str:
    """A type that holds what a text's value would lose as `wanted`: a fraction, a time; "" where nothing gets lost."""
    decimal = DECIMAL.fullmatch(wanted)
    if decimal:
        digits, scale = int(decimal[1]), int(decimal[2])
        return f"DECIMAL(38,{min(38 - digits + scale, scale + 12)})"
    return {"DATE": "TIMESTAMP"}.get(wanted, "DOUBLE" if wanted in INTEGERS else "")


def _wanted(
    column: Column, expected: Mapping[str, str], mixed: Collection[str], engine: DuckDB, staged: Snapshot
) -> str:
    """The type this text column should have, "" when it is fine as it is."""
    if column.type != "VARCHAR":
        return ""
    known = expected.get(column.name, "")
    if known:
        return known if kind_of_type(known) in ("number", "time", "bool") else ""
    if column.name not in mixed:
        return ""
    own = quoted(column.name)
    sql = (
        f"SELECT count(TRY_CAST({own} AS BIGINT)) FILTER (WHERE {own} NOT LIKE '%.%'), count(TRY_CAST({own} AS DOUBLE)), "
        f"count({own}) FROM {table_sql(staged.table).sql('duckdb')}"
    )
    whole, numbers, filled = engine.rows(sql, {staged.table: staged})[1][0]
    if not filled or numbers < MOSTLY * filled:
        return ""
    return "BIGINT" if whole == numbers else "DOUBLE"


def _words(kind: str) -> str:
    return {"number": "a number", "time": "a date or time", "bool": "true or false"}.get(kind_of_type(kind), kind)
