"""Which column of a sample is likely the key, and which tells when a row was made."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from intendant.types import Column

__all__ = ["guess_key", "guess_timestamp", "likely_moment"]

MOMENTS = ("created_at", "created", "createdat", "timestamp", "ts", "event_time", "time", "occurred_at", "ordered_at",
           "inserted_at", "updated_at", "modified_at", "updated", "modified", "date")


def guess_key(table: pa.Table, resource: str) -> str | None:
    """`id`, then `<resource>_id`, then the first `*_id`, when its values are unique and never null in the sample."""
    singular = resource.lower().removesuffix("s")
    wanted = ["id", "_id", f"{singular}_id", f"{resource.lower()}_id", f"{singular}id", "uuid", "key"]
    names = sorted((n for n in table.column_names if n.lower() in wanted), key=lambda n: wanted.index(n.lower()))
    names += [n for n in table.column_names if n.lower().endswith("_id")]
    return next((n for n in names if _unique(table[n])), None)


def _unique(column: pa.ChunkedArray) -> bool:
    plain = not pa.types.is_nested(column.type) and not pa.types.is_null(column.type)
    return plain and column.null_count == 0 and pc.count_distinct(column).as_py() == len(column) > 0


def guess_timestamp(table: pa.Table) -> str | None:
    """The column of type timestamp or date with the most usual name, else the first."""
    found = [f.name for f in table.schema if pa.types.is_timestamp(f.type) or pa.types.is_date(f.type)]
    usual = [n for n in found if n.lower() in MOMENTS]
    return min(usual, key=lambda n: MOMENTS.index(n.lower())) if usual else next(iter(found), None)


def likely_moment(columns: tuple[Column, ...]) -> str | None:
    """The column that by type and name most likely tells when a row was made."""
    typed = [c.name for c in columns if c.type.startswith(("TIMESTAMP", "DATE"))]
    named = [c.name for c in columns if c.name.lower() in MOMENTS and c.type == "VARCHAR"]
    found = sorted((n for n in (*typed, *named) if n.lower() in MOMENTS), key=lambda n: MOMENTS.index(n.lower()))
    return next(iter(found), next(iter(typed), None))
