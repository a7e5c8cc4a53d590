"""Small tables with missing values, ties and odd names, as rows of Python, and a way to ask a sentence of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa

from intendant.catalog import Catalog, Table
from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.language import parse
from intendant.operators._compile import Typing, apply, reads_of, sql_text
from intendant.types import Stamp

__all__ = ["ODD", "Ask", "Row", "asker", "bag", "orders", "people"]

Row: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[str], list[Row]]
ODD = 'a "b" 🙂'
START = datetime(2025, 1, 1)


def orders(seed: int, rows: int = 25) -> list[Row]:
    r = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if r.random() < 0.2 else value

    return [
        {
            "id": i,
            "n": maybe(r.randint(-3, 3)),
            "x": maybe(round(r.uniform(-50, 50), 2)),
            "t": maybe(r.choice(["a", "b", " B ", "", "it's"])),
            "d": maybe(START + timedelta(days=r.randint(0, 5))),
            "order": r.randint(0, 2),
            ODD: maybe(r.choice(["p", "q"])),
        }
        for i in range(rows)
    ]


def people(seed: int, rows: int = 8) -> list[Row]:
    r = random.Random(seed + 1000)
    return [
        {
            "key": r.choice([-3, -1, 0, 1, 2, 5, None]),
            "name": f"name {i}",
            "x": float(i),
            "t": r.choice(["a", "z", None]),
        }
        for i in range(rows)
    ]


SCHEMAS = {
    "orders": pa.schema(
        [("id", pa.int64()), ("n", pa.int64()), ("x", pa.float64()), ("t", pa.string()), ("d", pa.timestamp("us")),
         ("order", pa.int64()), (ODD, pa.string())]
    ),
    "people": pa.schema([("key", pa.int64()), ("name", pa.string()), ("x", pa.float64()), ("t", pa.string())]),
}  # fmt: skip


def asker(engine: DuckDB, lake: Lake, tables: Mapping[str, Sequence[Row]]) -> Ask:
    """`ask("query orders first 5")`: the rows that come, in order."""
    for name, rows in tables.items():
        stage = lake.stage(name, Stamp("made", name))
        stage.add(pa.Table.from_pylist(list(rows), schema=SCHEMAS[name]))
        lake.publish(stage, "replace")
    snapshots = {n: lake.snapshot(n) for n in tables}
    catalog = Catalog({n: Table(n, s.columns, s.rows) for n, s in snapshots.items()})
    typing = Typing(engine, lake.snapshot)

    def ask(text: str) -> list[Row]:
        step = parse(text).steps[0]
        operators = step.args.get("operators", ())
        relation = apply(step.args["table"], operators, catalog, typing, "")
        read = reads_of(step.args["table"], operators, catalog)
        names, rows = engine.rows(sql_text(relation.query), {n: snapshots[n] for n in read})
        assert names == relation.names, "what an operator says its columns are is what comes"
        return [dict(zip(names, row, strict=True)) for row in rows]

    return ask


def bag(rows: Sequence[Row]) -> list[str]:
    """The rows without their order, numbers to nine digits."""
    return sorted(repr({k: round(v, 9) if isinstance(v, float) else v for k, v in r.items()}) for r in rows)
