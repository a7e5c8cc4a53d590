"""The ways rows go into a database's table, and the two statements that put staged rows there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from intendant.engines.base import quoted

__all__ = ["Mode", "merge"]

Mode = Literal["replace", "append", "upsert"]


def merge(stage: str, target: str, columns: Sequence[str], keys: Sequence[str], same: str,
          values: str = "") -> tuple[str, ...]:
    """Delete what has the same keys, then insert: needs no unique index on the target."""
    on = " AND ".join(f"t.{quoted(k)} {same} s.{quoted(k)}" for k in keys)
    names = ", ".join(quoted(name) for name in columns)
    return (f"DELETE FROM {target} AS t WHERE EXISTS (SELECT 1 FROM {stage} AS s WHERE {on})",
            f"INSERT INTO {target} ({names}) SELECT {values or names} FROM {stage}")
