"""Parquet files that a worker wrote, taken into a stage as if the lake had written them: named, counted, with statistics."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from intendant.engines.base import Parts, Written, text
from intendant.engines.parquet import escaped
from intendant.lake.files import statistic
from intendant.types import Column, Json

__all__ = ["taken"]


def taken(parts: Parts, folder: Path, prefix: str) -> list[Written]:
    """Moves the files that have rows to `folder/prefix-N.parquet`, in their order, and removes the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    out: list[Written] = []
    with duckdb.connect(":memory:") as con:
        for file in parts.files:
            path = folder / f"{prefix}-{len(out)}.parquet"
            stats = _stats(con, file, parts.columns)
            if stats["numRecords"]:
                file.rename(path)
                out.append(Written(path, stats["numRecords"], path.stat().st_size, parts.columns, stats))
    for left in {file.parent for file in parts.files}:
        shutil.rmtree(left, ignore_errors=True)
    return out


def _stats(con: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[Column]) -> dict[str, Json]:
    """What Delta calls a file's stats, of the statistics of its row groups."""
    source = text(escaped(str(file)))
    rows = con.execute(f"SELECT num_rows FROM parquet_file_metadata({source})").fetchall()[0][0]
    groups: dict[str, list[tuple[str | None, str | None, int | None, int]]] = {}
    sql = "SELECT path_in_schema, stats_min_value, stats_max_value, stats_null_count, num_values"
    for name, *found in con.execute(f"{sql} FROM parquet_metadata({source})").fetchall():
        groups.setdefault(name, []).append(tuple(found))
    low: dict[str, Json] = {}
    high: dict[str, Json] = {}
    nulls: dict[str, Json] = {}
    for column in columns:
        known = groups.get(column.name, []) if not column.type.endswith((")", "]")) else []
        if known and all(n is not None for _, _, n, _ in known):
            nulls[column.name] = sum(n or 0 for _, _, n, _ in known)
        filled = [(a, b) for a, b, n, count in known if n != count]
        ends = [
            (statistic(a, column.type), statistic(b, column.type)) for a, b in filled if a is not None and b is not None
        ]
        if ends and len(ends) == len(filled) and not any(None in pair for pair in ends):
            low[column.name], high[column.name] = min(a for a, _ in ends), max(b for _, b in ends)
    return {"numRecords": rows, "minValues": low, "maxValues": high, "nullCount": nulls}
