"""The same plan on DuckDB and on Spark, each through the lake's stage: what would be published, by both."""

from __future__ import annotations

import datetime as dt
import importlib.util
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from intendant.app import Intendant
from intendant.catalog import Catalog, Table
from intendant.engines.duckdb import DuckDB
from intendant.engines.spark import Spark
from intendant.engines.spark_session import Settings, java
from intendant.lake import Stage
from intendant.language import parse
from intendant.operators._compile import Typing, apply, reads_of, sql_text
from intendant.types import Column, Snapshot, Stamp

__all__ = ["LIGHT", "MISSING", "Pair", "alike", "asked_at_once", "killed_while_writing", "numbers_table"]

MISSING = (
    "pyspark isn't installed: pip install 'intendant[spark]'" if importlib.util.find_spec("pyspark") is None
    else "" if java() else "there is no Java"
)  # fmt: skip
"""Why nothing can be tried on Spark here."""
LIGHT = {
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
"""Small tables: a JVM that starts fast is better than one that runs fast."""
T0 = dt.datetime(2025, 3, 30, 10, 59, 30)
ODD = [
    " Anna-Lena, B ",
    "straße İSTANBUL ΟΔΟΣ",
    "a\\b%_c",
    "",
    None,
    "o'neil 🙂 x.y",
    "\u00a0 tab\t ",
    "a,b,,c",
    "Zoë-Ann $1 [x]",
    "x",
]
NUMBERS = [-2.5, 2.5, None, 0.0, 1e7, 1.5e-5, 123456789.125, 1e16, 2.675, -0.125]
SCHEMA = pa.schema(
    [("id", pa.int64()), ("g", pa.string()), ("s", pa.string()), ("n", pa.float64()), ("i", pa.int64()), ("k", pa.int32()),
     ("d", pa.decimal128(10, 2)), ("a", pa.timestamp("us")), ("b", pa.timestamp("us")), ("day", pa.date32()),
     ("z", pa.timestamp("us", tz="UTC")), ("items", pa.list_(pa.int64())), ("flag", pa.bool_()), ("whole", pa.string()),
     ("number", pa.string()), ("dated", pa.string()), ("german", pa.string()), ("p_2024", pa.float64()), ("p_2025", pa.int64())]
)  # fmt: skip


def row(at: int) -> dict[str, Any]:
    gap = at % 5 == 4
    return {
        "id": at, "g": None if at == 7 else "abc"[at % 3], "s": ODD[at % 10], "n": NUMBERS[at % 10],
        "i": None if gap else at * 3 - 7, "k": at % 4, "d": None if at == 3 else Decimal(at * 37 - 100) / 100,
        "a": None if at == 5 else T0 + dt.timedelta(hours=31 * at, microseconds=500_000 * (at % 2)),
        "b": T0 + dt.timedelta(days=at * at, seconds=at), "day": dt.date(2024, 12, 28) + dt.timedelta(days=at),
        "z": (T0 + dt.timedelta(hours=at)).replace(tzinfo=dt.UTC),
        "items": None if gap else [at, None, 5][: at % 4], "flag": None if gap else at % 2 == 0,
        "whole": [" 12", "-7 ", "1.5", "2.5", "1e3", None][at % 6], "number": ["1.5", "-2", ".5", "1e-3", "inf", None][at % 6],
        "dated": ["2025-01-05", "2025/1/5", "2025-01-05 10:20", "2025-01-05T10:20:30.25Z", None, " 2025-01-05 10:20:30 "][at % 6],
        "german": ["31.12.2025 23:59", "1.2.2024 1:05", "nonsense", None][at % 4],
        "p_2024": at / 4, "p_2025": None if gap else at,
    }  # fmt: skip


class Pair:
    """Tables on disk, DuckDB and Spark. `t` lies in two files, the second without a column and with a narrower one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, itertools.count()
        self.duckdb = DuckDB(threads=1)
        settings = Settings("local[2]", memory="1g", folder=folder / "spark", options=LIGHT)
        self.spark = Spark(self.duckdb, settings)
        self.tables: dict[str, Snapshot] = {}
        self.typing = Typing(self.duckdb, lambda name, version: self.tables[name])
        self.fill()

    def fill(self) -> None:
        every = pa.Table.from_pylist([row(i) for i in range(20)], schema=SCHEMA)
        late = every.slice(14).drop_columns(["german"])
        late = late.set_column(late.schema.get_field_index("i"), "I", late["i"].cast(pa.int32()))
        self.put("t", every.slice(0, 14), late)
        others = [{"g": g, "k": i, "label": f"{g}!", "n": i * 1.5, "at": T0 + dt.timedelta(hours=40 * i)}
                  for i, g in enumerate(["a", "b", None, "a", "d"])]  # fmt: skip
        self.put("staging.o", pa.Table.from_pylist(others))
        few = [{"region": r, "revenue": i + 0.5, "orders": i} for i, r in enumerate(["north", "south", "east"])]
        self.put("few", pa.Table.from_pylist(few))
        self.put("none", every.slice(0, 0))

    def put(self, table: str, *parts: pa.Table) -> None:
        files = [self.folder / f"{next(self.numbers)}.parquet" for _ in parts]
        for part, file in zip(parts, files, strict=True):
            pq.write_table(part, file)
        columns = tuple(self.duckdb.types(f"SELECT * FROM read_parquet('{files[0]}')", {}))
        count = sum(p.num_rows for p in parts)
        self.tables[table] = Snapshot(table, 1, "", count, 0, columns, tuple(map(str, files)) if count else ())

    def sql(self, said: str, table: str = "t") -> tuple[str, dict[str, Snapshot], bool]:
        steps = parse(f"query {table} {said}").steps[0].args["operators"]
        catalog = Catalog({n: Table(n, s.columns, s.rows, s.version) for n, s in self.tables.items()})
        relation = apply(table, steps, catalog, self.typing, "")
        return sql_text(relation.query), {n: self.tables[n] for n in reads_of(table, steps, catalog)}, relation.ordered

    def staged(
        self, sql: str, tables: dict[str, Snapshot], *, spark: bool
    ) -> tuple[tuple[Column, ...], list[tuple[Any, ...]]]:
        """The columns of the stage and its rows, as they would be published."""
        folder = self.folder / f"stage-{next(self.numbers)}"
        stage = Stage("out", Stamp("run", "0"), folder, self.duckdb, lambda table, stamp: None)  # type: ignore[arg-type, return-value]
        if spark:
            stage.add_work(self.spark, sql, tables)
        else:
            stage.add_sql(self.duckdb, sql, tables)
        if stage.files:
            names = ", ".join(f"'{f.path}'" for f in stage.files)
            held = self.duckdb.types(f"SELECT * FROM read_parquet([{names}])", {})
            assert tuple(held) == stage.columns, "the files hold what the stage says"
        return stage.columns, self.duckdb.rows("SELECT * FROM main.out", {"out": stage.snapshot()})[1]


def shown(rows: Sequence[tuple[Any, ...]], ordered: bool) -> list[str]:
    out = [repr(r) for r in rows]
    return out if ordered else sorted(out)


def alike(pair: Pair, said: str, table: str = "t", *, close: bool = False) -> None:
    """Holds both results against each other: types, values, and order where it was asked for; `close` floats to 1e-12."""
    sql, tables, ordered = pair.sql(said, table)
    columns, wanted = pair.staged(sql, tables, spark=False)
    found_columns, found = pair.staged(sql, tables, spark=True)
    assert found_columns == columns
    wrong = [
        c.name
        for i, c in enumerate(columns)
        if shown([(r[i],) for r in found], ordered) != shown([(r[i],) for r in wanted], ordered)
    ]
    assert close or not wrong, f"{wrong} differ"
    if not close:
        assert shown(found, ordered) == shown(wanted, ordered)
        return
    assert len(found) == len(wanted)
    for a, b in zip(sorted(found, key=repr), sorted(wanted, key=repr), strict=True):
        for x, y in zip(a, b, strict=True):
            floats = isinstance(x, float) and isinstance(y, float)
            assert (
                math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-12) if floats and math.isfinite(y) else repr(x) == repr(y)
            )


def numbers_table(folder: Path, rows: int, groups: int = 7) -> Path:
    """A Parquet file of `id`, `v` (both from 0) and `g` (id modulo `groups`)."""
    ids, file = np.arange(rows), folder / "numbers.parquet"
    pq.write_table(pa.table({"id": ids, "v": ids, "g": ids % groups}), file)
    return file


@contextmanager
def killed_while_writing(workspace: Path, kill: Callable[[], None]) -> Iterator[None]:
    """Calls `kill` once Spark has begun to write a stage; fails when it never does."""
    struck = threading.Event()

    def watch() -> None:
        until = time.monotonic() + 280
        while not struck.is_set() and time.monotonic() < until:
            with suppress(OSError):  # a folder that was moved away meanwhile
                if any(workspace.glob(".intendant/lake/**/*-work")):
                    kill()
                    struck.set()
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
        assert struck.wait(5), "Spark never wrote"
    finally:
        struck.set()
        thread.join()


def asked_at_once(app: Intendant, rows: int) -> None:
    """Four threads ask the worker about `numbers` of so many rows at once; each gets its own answer."""
    worker, snapshot = app.engine.worker, app.lake.snapshot("numbers")
    assert worker is not None
    found: dict[int, object] = {}

    def ask(at: int) -> None:
        found[at] = worker.rows(f"SELECT sum(v) + {at} AS s FROM main.numbers", {"numbers": snapshot})[1]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [(sum(range(rows)) + i,)] for i in range(4)}
