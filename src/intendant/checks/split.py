"""Good rows and bad rows of a table as two queries, whatever the predicates hold (window functions, subqueries)."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.engines.base import quoted, text
from intendant.engines.duckdb import DuckDB
from intendant.operators.base import table_sql
from intendant.types import Column, Snapshot

__all__ = ["REASON", "Reasoned", "bad_rows_sql", "has_window", "split_sql"]

Reasoned = tuple[str, str]
"""Why a row is bad, and the SQL predicate that is true for such a row."""
REASON = "_reason"


def split_sql(table: str, columns: Sequence[Column], predicates: Sequence[Reasoned]) -> tuple[str, str]:
    """(SELECT of the good rows, SELECT of the bad ones with a further text column `_reason`).

    The two share no row and together give every row once. Reasons are joined by "; ". Predicates that are unknown
    (NULL) count as not broken. `table` is the name under which the snapshot is attached.
    """
    shown = ", ".join(quoted(c.name) for c in columns)
    source = table_sql(table).sql("duckdb")
    if not predicates:
        return (f"SELECT {shown} FROM {source}",
                f"SELECT {shown}, CAST('' AS VARCHAR) AS {quoted(REASON)} FROM {source} WHERE false")
    flag, at = free_name("_bad", columns), quoted(free_name("_at", columns))
    ordered = any(has_window(p) for _, p in predicates)  # a window loses the order of rows
    number, order = (f", row_number() OVER () AS {at}", f" ORDER BY {at}") if ordered else ("", "")
    why = ", ".join(f"CASE WHEN ({p}) THEN {text(reason)} END" for reason, p in predicates)
    flagged = f"FROM (SELECT {shown}, concat_ws('; ', {why}) AS {quoted(flag)}{number} FROM {source}) AS t"
    return (f"SELECT {shown} {flagged} WHERE {quoted(flag)} = ''{order}",
            f"SELECT {shown}, {quoted(flag)} AS {quoted(REASON)} {flagged} WHERE {quoted(flag)} <> ''{order}")


def has_window(predicate: str) -> bool:
    """Whether a predicate may hold a window function, which can stand in SELECT and QUALIFY but nowhere else."""
    return " OVER (" in predicate.upper()


def bad_rows_sql(engine: DuckDB, table: str, snapshot: Snapshot, predicates: Sequence[str]) -> str:
    """SELECT of the rows for which one of the predicates is true, with the table's own columns only."""
    _, bad = split_sql(table, snapshot.columns, [(p, p) for p in predicates])
    return f"SELECT {', '.join(quoted(c.name) for c in snapshot.columns)} FROM ({bad}) AS t"


def free_name(wanted: str, columns: Sequence[Column]) -> str:
    """`wanted`, with underscores added until no column is called so."""
    taken = {c.name.lower() for c in columns}
    while wanted.lower() in taken:
        wanted += "_"
    return wanted
