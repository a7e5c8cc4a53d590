"""Any small table, and an engine that answers sentences about it; for properties that hold whatever the rows are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from intendant.catalog import Catalog, Table
from intendant.engines.duckdb import DuckDB
from intendant.language import parse, print_plan
from intendant.operators._compile import Typing, apply, reads_of, sql_text, trace
from intendant.types import Column, Snapshot

__all__ = ["Bench", "Row", "before", "by_group", "rows_of", "sorted_by", "tables"]

Row: TypeAlias = dict[str, Any]
SCHEMA = pa.schema(
    [("id", pa.int64()), ("g", pa.string()), ("x", pa.int64()), ("y", pa.float64()), ("s", pa.string()),
     ("l", pa.list_(pa.int64()))]
)  # fmt: skip
NUMBERS = itertools.count()


def _row(g: str | None, x: int | None, y: float | None, s: str | None, items: list[int | None] | None) -> Row:
    return {"g": g, "x": x, "y": y, "s": s, "l": items}


words = st.text(st.sampled_from("abÉß,; -'0.7"), max_size=8)
rows = st.builds(
    _row,
    st.none() | st.sampled_from("abc"),
    st.none() | st.integers(-3, 3),
    st.none() | st.integers(-40, 40).map(lambda n: n / 4),
    st.none() | words,
    st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3),
)
tables = st.lists(rows, max_size=12).map(lambda found: [{"id": i, **r} for i, r in enumerate(found)])
"""Rows with ties and missing values in every column but `id`, which tells them apart."""


class Bench:
    """Tables `t` and others, each a Parquet file that is written anew for every example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = DuckDB(threads=1)
        self.tables: dict[str, Snapshot] = {}
        self.typing = Typing(self.engine, lambda name, version: self.tables[name])

    def put(self, table: str, data: pa.Table) -> None:
        file = self.folder / f"{next(NUMBERS)}.parquet"
        pq.write_table(data, file)
        columns = tuple(self.engine.types(f"SELECT * FROM read_parquet('{file}')", {}))
        self.tables[table] = Snapshot(table, 1, "", data.num_rows, file.stat().st_size, columns, (str(file),))

    def catalog(self) -> Catalog:
        return Catalog({n: Table(n, s.columns, s.rows, s.version) for n, s in self.tables.items()})

    def fill(self, rows: Sequence[Row]) -> None:
        self.put("t", pa.Table.from_pylist(list(rows), schema=SCHEMA))

    def ask(self, operators: str) -> list[Row]:
        """The rows of `query t OPERATORS`, in the order they come; the sentence survives being printed."""
        plan = parse(f"query t {operators}")
        assert parse(print_plan(plan)) == plan
        steps = plan.steps[0].args["operators"]
        catalog = self.catalog()
        relation = apply("t", steps, catalog, self.typing, "")
        snapshots = {n: self.tables[n] for n in reads_of("t", steps, catalog)}
        names, found = self.engine.rows(sql_text(relation.query), snapshots)
        assert names == relation.names, "what an operator says its columns are is what comes"
        return [dict(zip(names, row, strict=True)) for row in found]

    def columns(self, operators: str) -> tuple[Column, ...]:
        return apply(
            "t", parse(f"query t {operators}").steps[0].args["operators"], self.catalog(), self.typing, ""
        ).columns

    def origins(self, operators: str) -> dict[str, tuple[str, ...]]:
        return trace("t", parse(f"query t {operators}").steps[0].args["operators"], self.catalog(), self.typing)


def rows_of(found: Sequence[Row]) -> list[str]:
    """The rows without their order."""
    return sorted(repr(list(r.items())) for r in found)


def sorted_by(rows: Sequence[Row], column: str, *, falling: bool = False) -> list[Row]:
    """By a column, missing values last either way; `id` tells equal ones apart."""

    def key(row: Row) -> Any:
        value = row[column]
        return value is None, 0 if value is None else -value if falling else value, row["id"]

    return sorted(rows, key=key)


def by_group(rows: Sequence[Row], column: str | None) -> list[list[Row]]:
    """The rows of each group; all of them together when there is no column to group by."""
    groups: dict[Any, list[Row]] = {}
    for r in rows:
        groups.setdefault(r[column] if column else 0, []).append(r)
    return list(groups.values())


def before(rows: Sequence[Row], i: int, count: int | None = None) -> list[Row]:
    """Row `i` and those before it, `count` in all."""
    return list(rows[0 if count is None else max(0, i - count + 1) : i + 1])
