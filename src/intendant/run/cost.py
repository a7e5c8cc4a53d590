"""What a plan costs before it runs: rows and bytes that it reads and writes, what the lake holds then, and how long it takes.

Read are the columns that a step needs, by the sizes that the files give. Written is what the preview itself wrote where it
tried the step; of larger tables a sample is worked on, twice, so that it shows how the result grows; of a load, what its
last runs brought. Seconds come from the last runs of the same step, else from the preview or the sample.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Protocol

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from intendant.actions import actions
from intendant.catalog import Catalog
from intendant.engines.base import text
from intendant.engines.duckdb import DuckDB
from intendant.errors import EngineError, IntendantError
from intendant.language import print_step
from intendant.operators._compile import Typing, apply, reads_of, sql_text
from intendant.operators._guard import guarded
from intendant.operators.base import table_sql
from intendant.run.journal import Journal
from intendant.types import Json, Snapshot, Step, split_table

if TYPE_CHECKING:
    from intendant.lake.scratch import Scratch

__all__ = ["Meter", "Sized", "read_bytes", "sized"]

SAMPLE_ROWS = 400_000
"""Rows of the first table that an estimate works on."""
FOOTERS = 200
"""Files of a table whose footers are read."""
RUNS = 5
OPERATORS = ("transform", "query")
UNTRIED = ("query", "export", "deliver")
"""Verbs that write nothing here, and whose time a preview doesn't see."""


@dataclass(frozen=True)
class Sized:
    """What a step would write, and how long it may take at least and at most."""

    rows: int
    bytes: int
    seconds: tuple[float, float] | None
    how: str


# ---------------------------------------------------------------- reading
def read_bytes(step: Step, catalog: Catalog, typing: Typing, engine: DuckDB, snapshots: Mapping[str, Snapshot]) -> int:
    """The bytes of the columns that a transform or a query needs of its tables."""
    relation = apply(step.args["table"], step.get("operators") or (), catalog, typing, "")
    needed = needed_columns(relation.query, snapshots)
    return sum(
        size for name, s in snapshots.items() for c, size in column_bytes(engine, s).items() if c in needed[name]
    )


def needed_columns(query: exp.Expression, snapshots: Mapping[str, Snapshot]) -> dict[str, set[str]]:
    """The columns of each table that the query uses in the end; all of them where that can't be told."""
    every = {name: {c.name for c in s.columns} for name, s in snapshots.items()}
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, s in snapshots.items():
        folder, rest = split_table(name)
        schema.setdefault(folder, {})[rest] = {c.name: "INT" for c in s.columns}
    try:
        tree = qualify(query.copy(), schema=schema, dialect="duckdb", validate_qualify_columns=False, identify=False)
        out: dict[str, set[str]] = {name: set() for name in snapshots}
        for scope in traverse_scope(pushdown_projections(tree)):
            for alias, source in scope.sources.items():
                if isinstance(source, exp.Table):
                    full = source.name if source.db in ("", "main") else f"{source.db}.{source.name}"
                    out[full] |= {c.name for c in scope.source_columns(alias)}
    except (SqlglotError, KeyError, ValueError, RecursionError):
        return every
    return {name: every[name] & used or {next(iter(sorted(every[name])), "")} for name, used in out.items()}


def column_bytes(engine: DuckDB, snapshot: Snapshot) -> dict[str, int]:
    """The compressed bytes of each column, by the footers of the files (of the first of very many, scaled)."""
    if not snapshot.files:
        return {c.name: 0 for c in snapshot.columns}
    some = snapshot.files[:FOOTERS]
    listed = ", ".join(text(f) for f in some)
    sql = (
        "SELECT split_part(path_in_schema, ', ', 1), CAST(sum(total_compressed_size) AS BIGINT) "
        f"FROM parquet_metadata([{listed}]) GROUP BY 1"
    )
    try:
        found = {str(n): int(b) for n, b in engine.rows(sql, {})[1]}
    except IntendantError:
        return {c.name: snapshot.bytes // len(snapshot.columns) for c in snapshot.columns}
    return {n: b * len(snapshot.files) // len(some) for n, b in found.items()}


# ---------------------------------------------------------------- writing
def sized(
    step: Step, catalog: Catalog, typing: Typing, engine: DuckDB, snapshots: Mapping[str, Snapshot], folder: Path,
    sample: int = SAMPLE_ROWS,
) -> Sized:  # fmt: skip
    """What a transform would write, from a sample of its first table; all of a small one. Raises EngineError, Damaged."""
    table = catalog.table(step.args["table"]).name
    try:
        query = sql_text(apply(table, step.args["operators"], catalog, typing, "").query)
        return grown(query, table, engine, snapshots, folder, sample)
    except EngineError:
        query = sql_text(guarded(table, step.args["operators"], catalog, typing, "")[0].query)
        return grown(query, table, engine, snapshots, folder, sample)


def grown(
    query: str, table: str, engine: DuckDB, snapshots: Mapping[str, Snapshot], folder: Path, sample: int
) -> Sized:
    """Works on a sample and on half of it, which shows how the result grows (`whole_of`)."""
    rows = snapshots[table].rows
    share = min(1.0, sample / rows) if rows else 1.0
    made, size, seconds = tried(query, table, engine, snapshots, folder, share)
    if share == 1.0:
        return Sized(made, size, (0.5 * seconds, 2 * seconds + 0.1), "worked out")
    half = tried(query, table, engine, snapshots, folder, share / 2)[0]
    whole = whole_of(made, half, rows * share, rows)
    took = seconds / share
    said = f"from a sample of {round(rows * share):,} of {rows:,} rows"
    return Sized(round(whole), round(size * whole / made) if made else 0, (0.2 * took, 1.5 * took + 0.1), said)


def whole_of(made: int, half: int, sample: float, rows: int) -> float:
    """How much comes of all `rows` when so much came of a sample and of half of it.

    As many as there are different values, where the sample met so many as it would of values that are all as frequent:
    D (1 - exp(-n / D)) of n rows. Else it grows with a power of n: 1 for rows that are chosen and computed, less for groups
    of which some are far more frequent.
    """
    if not made or not half:
        return made * rows / sample
    values = different(made, sample)
    if values and abs(values * -math.expm1(-sample / 2 / values) - half) < 0.03 * half:
        return values * -math.expm1(-rows / values)
    power = min(1.0, max(0.0, math.log2(made / half)))
    return float(made * (rows / sample) ** (1.0 if power > 0.95 else power))


def different(made: int, sample: float) -> float:
    """The D for which D (1 - exp(-sample / D)) is what was made; 0 where a row makes one or more."""
    if made > 0.98 * sample:
        return 0.0
    low, high = float(made), float(made)
    while high * -math.expm1(-sample / high) < made:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * -math.expm1(-sample / middle) < made else (low, middle)
    return high


def tried(
    query: str, table: str, engine: DuckDB, snapshots: Mapping[str, Snapshot], folder: Path, share: float
) -> tuple[int, int, float]:
    """Rows, bytes and seconds of the query over a share of the table."""
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="preview-cost-") as at, engine.session(snapshots) as con:
        if share < 1:
            part = f"USING SAMPLE {share * 100:.6f} PERCENT (bernoulli, 11)"
            view = table_sql(table).sql("duckdb")
            con.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM ({engine.scan(snapshots[table])}) AS u {part}")
        file = Path(at, "rows.parquet")
        made = con.execute(f"COPY ({query}) TO {text(str(file))} (FORMAT parquet, COMPRESSION zstd)").fetchall()[0][0]
        return int(made), file.stat().st_size, time.perf_counter() - started


# ---------------------------------------------------------------- the past
@dataclass(frozen=True)
class Past:
    """What the last runs of a step wrote, and how long each took."""

    rows: tuple[int, ...]
    bytes: tuple[int, ...]
    seconds: tuple[float, ...]


def past(journal: Journal, said: str) -> Past | None:
    """The last runs of the step of this very sentence; None when there is none."""
    found = [
        e for e in journal.events(kinds=["table.published"], newest=True, limit=500) if e.data.get("step") == said
    ][:RUNS]
    if not found:
        return None
    rows, sizes, seconds = [], [], []
    for e in found:
        total = int(e.data.get("total_rows") or 0)
        rows.append(int(e.data["rows"]))
        sizes.append(round(int(e.data.get("bytes") or 0) * rows[-1] / total) if total else 0)
        number = e.key.partition(".")[0]
        kinds = ["data.ready", "quality.passed", "quality.failed", "table.published"]
        own = [f for f in journal.events(e.run, kinds=kinds) if f.key.partition(".")[0] == number]
        seconds.append(sum(float(f.data.get("ms") or 0) for f in own) / 1000)
    return Past(tuple(rows), tuple(sizes), tuple(seconds))


# ---------------------------------------------------------------- a whole plan
class Previewed(Protocol):
    """What the meter looks at: a preview that tries the steps of a plan."""

    lake: Scratch
    typing: Typing
    folder: Path

    def catalog(self) -> Catalog: ...


class Meter:
    """Adds up what the steps of a plan cost while a preview tries them."""

    def __init__(self, preview: Previewed, engine: DuckDB, journal: Journal) -> None:
        self.preview, self.engine, self.journal = preview, engine, journal
        self.steps: list[dict[str, Json]] = []

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Measures what happens inside; a step that fails costs nothing."""
        lake, before = self.preview.lake, dict(self.preview.lake.own)
        catalog, started = self.preview.catalog(), time.perf_counter()
        unknown = set(lake.unknown)
        yield
        took = time.perf_counter() - started
        with suppress(IntendantError):  # a figure that can't be had is no reason to stop a preview
            self.steps.append(self.counted(step, catalog, before, unknown, took))

    def counted(
        self, step: Step, catalog: Catalog, before: Mapping[str, Snapshot | None], unknown: set[str], took: float
    ) -> dict[str, Json]:
        said = print_step(step)
        reads, size = self.read(step, catalog, unknown, before)
        history = past(self.journal, said)
        guessed = [
            k
            for k in self.preview.lake.unknown
            if k not in unknown or before.get(k) is not self.preview.lake.own.get(k)
        ]
        found = self.unknown(step, catalog, before, unknown, history) if guessed else self.written(step, before, took)
        seconds = found.seconds if found else None
        if history and history.seconds and seconds:
            seconds = (0.7 * min(history.seconds), 1.5 * max(history.seconds))
        return {
            "step": said,
            "rows_read": reads,
            "bytes_read": size,
            "rows_written": found.rows if found else None,
            "bytes_written": found.bytes if found else None,
            "seconds": [round(s, 3) for s in seconds] if seconds else None,
            "how": found.how if found else "known once it has run",
        }

    def read(
        self, step: Step, catalog: Catalog, unknown: set[str], before: Mapping[str, Snapshot | None]
    ) -> tuple[int | None, int | None]:
        """Rows and bytes that a step reads of the lake; None where a table is not known yet."""
        names = actions()[step.verb].footprint(step, catalog).reads
        if any(n.lower() in unknown for n in names):
            return None, None
        found = {n: before.get(n.lower()) or self.preview.lake.under.snapshot(n) for n in names if catalog.has(n)}
        rows = sum(s.rows for s in found.values())
        if step.verb in OPERATORS:
            return rows, read_bytes(step, catalog, self.preview.typing, self.engine, found)
        return rows, sum(s.bytes for s in found.values())

    def written(self, step: Step, before: Mapping[str, Snapshot | None], took: float) -> Sized:
        """What the preview has written."""
        rows = size = 0
        for key, now in self.preview.lake.own.items():
            old = before[key] if key in before else standing(self.preview.lake, key)
            if now is None or now is before.get(key):
                continue
            added = old is not None and set(old.files) <= set(now.files)
            rows += now.rows - (old.rows if added and old else 0)
            size += now.bytes - (old.bytes if added and old else 0)
        if step.verb == "restore":  # an older version's files are named again
            size = 0
        return Sized(rows, size, None if step.verb in UNTRIED else (0.5 * took, 2 * took + 0.1), "tried")

    def unknown(
        self,
        step: Step,
        catalog: Catalog,
        before: Mapping[str, Snapshot | None],
        unknown: set[str],
        history: Past | None,
    ) -> Sized | None:
        """What a step would write that was not tried."""
        if step.verb == "transform":
            names = reads_of(step.args["table"], step.args["operators"], catalog)
            if not any(n.lower() in unknown for n in names):
                found = {n: before.get(n.lower()) or self.preview.lake.under.snapshot(n) for n in names}
                return sized(step, catalog, self.preview.typing, self.engine, found, self.preview.folder)
        if history is None:
            return None
        spread = (min(history.seconds), max(history.seconds))
        runs = f"its last {len(history.rows)} runs" if len(history.rows) > 1 else "its last run"
        return Sized(round(median(history.rows)), round(median(history.bytes)), spread, f"as {runs}")

    def total(self) -> dict[str, Json]:
        """{"steps", "rows_read", "bytes_read", "rows_written", "bytes_written", "bytes_stored", "seconds", "unknown"}: sums of
        what is known, the lake's size once the plan has run, and how many steps can't be told."""
        out: dict[str, Json] = {"steps": self.steps}
        for name in ("rows_read", "bytes_read", "rows_written", "bytes_written"):
            out[name] = sum(s[name] or 0 for s in self.steps)
        spans = [s["seconds"] for s in self.steps if s["seconds"]]
        out["bytes_stored"] = self.preview.lake.under.size() + out["bytes_written"]
        out["seconds"] = [round(sum(s[i] for s in spans), 3) for i in (0, 1)] if spans else None
        out["unknown"] = sum(s["bytes_written"] is None for s in self.steps)
        return out


def standing(lake: Scratch, key: str) -> Snapshot | None:
    """A table as it is below the scratch lake."""
    with suppress(IntendantError):
        return lake.under.snapshot(key) if lake.under.exists(key) else None
    return None
