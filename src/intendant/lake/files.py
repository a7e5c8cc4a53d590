"""Rows into Parquet files, always through the engine: one place decides types, compression, order and layout."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.engines.base import Written, quoted, text
from intendant.errors import LakeError
from intendant.lake.schema import NULL, WIDE, storable
from intendant.types import Column, Json

if TYPE_CHECKING:
    import duckdb

__all__ = ["Layout", "statistic", "write"]

MOST_PARTITIONS = 2_000
LONGEST_STATISTIC = 64
UNITS = {"year": "%Y", "quarter": "", "month": "%Y-%m", "week": "%G-W%V", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
PERIOD = re.compile(r"(year|quarter|month|week|day|hour)s?\((.+)\)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """How rows lie in files: one folder per value of each `partition_by` (a column or `month(column)`), sorted."""

    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.partition_by or self.sort_by)


def _find(name: str, columns: Sequence[Column], what: str) -> Column:
    found = next((c for c in columns if c.name.casefold() == name.strip().strip('"').casefold()), None)
    if found is None:
        known = ", ".join(c.name for c in columns)
        raise LakeError(f"There is no column {name!r} to {what} by", where=name, hint=f"There is: {known}.")
    return found


def _partition_sql(partition: str, columns: Sequence[Column]) -> tuple[str, str]:
    period = PERIOD.fullmatch(partition.strip())
    if not period or any(c.name.casefold() == partition.casefold() for c in columns):
        column = _find(partition, columns, "partition")
        return f"by_{column.name}", f"CAST({quoted(column.name)} AS VARCHAR)"
    column, unit = _find(period[2], columns, "partition"), period[1].lower()
    moment = quoted(column.name) if column.type != "VARCHAR" else f"CAST({quoted(column.name)} AS TIMESTAMP)"
    value = (f"strftime({moment}, '%Y') || '-Q' || quarter({moment})" if unit == "quarter"
             else f"strftime({moment}, {text(UNITS[unit])})")
    return f"by_{unit}_{column.name}", value


def _order_sql(sort_by: Sequence[str], columns: Sequence[Column]) -> str:
    terms = []
    for term in sort_by:
        name, _, direction = term.rpartition(" ")
        descending = direction.lower() in ("desc", "descending") and bool(name)
        plain = name if descending or (name and direction.lower() in ("asc", "ascending")) else term
        terms.append(quoted(_find(plain, columns, "sort").name) + (" DESC" if descending else ""))
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _fit_wide(con: duckdb.DuckDBPyConnection, source: str, wide: Sequence[Column]) -> dict[str, str]:
    """The narrowest lossless type for each very wide integer column, by its values."""
    ranges = ", ".join(f"min({quoted(c.name)})::VARCHAR, max({quoted(c.name)})::VARCHAR" for c in wide)
    values = con.execute(f"SELECT {ranges} FROM {source}").fetchall()[0]
    fitted = {}
    for i, column in enumerate(wide):
        ends = [int(v) for v in values[2 * i:2 * i + 2] if v is not None]
        largest = max((abs(v) for v in ends), default=0)
        fitted[column.name] = ("BIGINT" if largest < 2**63 else
                               "DECIMAL(38,0)" if largest < 10**38 else "VARCHAR")
    return fitted


def statistic(value: str, kind: str) -> Json:
    """A bound as Delta writes it; None where it can't be told exactly."""
    if kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"):
        return int(value)
    if kind in ("FLOAT", "DOUBLE"):
        number = float(value)
        return number if math.isfinite(number) else None
    if kind == "DATE":
        return value if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else None
    if kind == "VARCHAR" and len(value) <= LONGEST_STATISTIC and value.isascii():
        return value
    return None


def _statistics(raw: Mapping[str, Mapping[str, str]], columns: Sequence[Column], rows: int) -> dict[str, Json]:
    """What Delta calls a file's stats; bounds only where they are exact."""
    low: dict[str, Json] = {}
    high: dict[str, Json] = {}
    nulls: dict[str, Json] = {}
    for column in columns:
        known = raw.get(quoted(column.name))
        if known is None:
            continue
        if "null_count" in known:
            nulls[column.name] = int(known["null_count"])
        if "min" in known and "max" in known and known.get("has_nan") != "true":
            ends = [statistic(known[end], column.type) for end in ("min", "max")]
            if None not in ends:
                low[column.name], high[column.name] = ends
    return {"numRecords": rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _described(con: duckdb.DuckDBPyConnection, source: str, params: Sequence[Json]) -> list[Column]:
    return [Column(r[0], r[1]) for r in con.execute(f"DESCRIBE SELECT * FROM {source}", list(params)).fetchall()]


def _copy(con: duckdb.DuckDBPyConnection, select: str, folder: Path, prefix: str, partitions: Sequence[str],
          params: Sequence[Json]) -> list[tuple[Path, int, int, Mapping[str, Mapping[str, str]]]]:
    options = ["FORMAT parquet", "COMPRESSION zstd", "RETURN_STATS"]
    target = folder
    if partitions:
        named = f"FILENAME_PATTERN {text(prefix + '-{i}')}"
        options += ["OVERWRITE_OR_IGNORE", named, f"PARTITION_BY ({', '.join(map(quoted, partitions))})"]
    else:  # one file keeps the order of the query's rows; a file per thread would not
        target = folder / f"{prefix}-0.parquet"
    result = con.execute(f"COPY ({select}) TO {text(str(target))} ({', '.join(options)})", list(params))
    return [(Path(r[0]), r[1], r[2], r[4]) for r in result.fetchall()]


def _guard_partitions(con: duckdb.DuckDBPyConnection, source: str, values: Sequence[str]) -> None:
    count = con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(values)} FROM {source})").fetchall()[0][0]
    if count > MOST_PARTITIONS:
        raise LakeError(f"The table would have {count} partitions, more than {MOST_PARTITIONS}", where=values[0],
                        hint="Partition by something coarser, such as month(column), or sort by the column instead.")


def write(con: duckdb.DuckDBPyConnection, query: str, folder: Path, prefix: str, *, params: Sequence[Json] = (),
          names: Mapping[str, str] | None = None, nulls: frozenset[str] = frozenset(), layout: Layout | None = None,
          ) -> tuple[list[Written], tuple[Column, ...]]:
    """Writes a query's rows as `folder/prefix-*.parquet`; the files that have rows, and the stored columns.

    `names` gives the spelling of columns by folded name; columns in `nulls` have no value yet and are left out of the
    files. Raises what the engine's session raises.
    """
    source = f"({query}\n)"
    columns = _described(con, source, params)
    if not columns:
        return [], ()
    wide = [c for c in columns if c.type in WIDE]
    if wide:
        con.execute(f"CREATE OR REPLACE TEMP TABLE wide AS SELECT * FROM {source}", list(params))
        source, params = "wide", ()
    fitted = _fit_wide(con, source, wide) if wide else {}
    stored = tuple(Column((names or {}).get(c.name.casefold(), c.name),
                          NULL if c.name in nulls else fitted.get(c.name) or storable(c.type)) for c in columns)
    written = _write_stored(con, source, params, columns, stored, folder, prefix, layout or Layout())
    if wide:
        con.execute("DROP TABLE wide")
    return written, stored


def _write_stored(con: duckdb.DuckDBPyConnection, source: str, params: Sequence[Json], columns: Sequence[Column],
                  stored: Sequence[Column], folder: Path, prefix: str, layout: Layout) -> list[Written]:
    in_file = [s for s in stored if s.type != NULL] or [Column(stored[0].name, "VARCHAR")]
    origin = {s.name: c.name for s, c in zip(stored, columns, strict=True)}
    casts = ", ".join(f"CAST({quoted(origin[s.name])} AS {s.type}) AS {quoted(s.name)}" for s in in_file)
    select = f"SELECT {casts} FROM {source}"
    partitions = [_partition_sql(p, in_file) for p in layout.partition_by]
    if partitions:
        _guard_partitions(con, f"({select})", [value for _, value in partitions])
    helpers = [(_unused(name, in_file), value) for name, value in partitions]
    if layout:
        extra = "".join(f", {value} AS {quoted(name)}" for name, value in helpers)
        select = f"SELECT *{extra} FROM ({select}){_order_sql(layout.sort_by, in_file)}"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for path, rows, size, raw in _copy(con, select, folder, prefix, [name for name, _ in helpers], params):
        if rows:
            files.append(Written(path, rows, size, tuple(in_file), _statistics(raw, in_file, rows)))
        else:
            path.unlink(missing_ok=True)
    return files


def _unused(name: str, columns: Sequence[Column]) -> str:
    taken = {c.name.casefold() for c in columns}
    while name.casefold() in taken:
        name += "_"
    return name
