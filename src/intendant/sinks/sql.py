"""Delivers rows into a table of SQLite, PostgreSQL or MySQL in one transaction: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa

from intendant.errors import UsageError
from intendant.sinks.merge import Mode
from intendant.types import Stamp

__all__ = ["Mode", "deliver"]


def deliver(url: str, table: str, data: Iterable[pa.Table], mode: Mode, keys: Sequence[str] = (), *,
            root: Path = Path(), stamp: Stamp | None = None) -> int:
    """Writes all rows of `data` into `table` and returns how many; the batches share one schema.

    `url` is sqlite:///path (relative to `root`), postgresql://... or mysql://...; in PostgreSQL `schema.table`
    names a schema. `replace` makes the table anew (in PostgreSQL and MySQL one with the same columns and fitting types keeps
    its definition);
    `append` and `upsert` make it when it isn't there; `upsert` replaces the rows that have the same `keys`. Structs and
    maps are delivered as JSON. A value that the target's column would change is refused. Raises UsageError,
    SourceRefused (the database said no), SourceUnreachable.

    With a `stamp` the transaction notes the delivery in the table `intendant_deliveries` beside it; a delivery with a
    stamp that is noted already writes nothing and returns how many rows it wrote then.
    """
    if mode == "upsert" and not keys:
        raise UsageError("An upsert needs the columns that identify a row", where=table,
                         hint="Add `upsert on COLUMN`.")
    batches = iter(data)
    first = next(batches, None)
    if first is None or not first.num_columns:
        return 0
    missing = [key for key in keys if key not in first.column_names]
    if missing:
        raise UsageError(f"The rows have no column {missing[0]!r}", where=table,
                         hint=f"They have: {', '.join(first.column_names)}.")
    rows = chain([first], batches)
    if url.startswith("sqlite://"):
        from intendant.sinks.sqlite import to_sqlite

        return to_sqlite(root / url.removeprefix("sqlite://").removeprefix("/"), table, first.schema, rows, mode, keys, stamp)
    if url.startswith(("postgresql://", "postgres://")):
        from intendant.sinks.postgres import to_postgres

        return to_postgres(url, table, first.schema, rows, mode, keys, stamp)
    if url.startswith(("mysql://", "mariadb://")):
        from intendant.sinks.mysql import to_mysql

        return to_mysql(url, table, first.schema, rows, mode, keys, stamp)
    raise UsageError("A delivery needs a url of SQLite, PostgreSQL or MySQL", where=table,
                     hint='Write "sqlite:///name.db" or "postgresql://user@host/db".')
