"""The ways to make room in a lake, each with the bytes that it would free: counted from logs, files and rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.advisors._workload import Asked, asked_of
from intendant.engines.base import quoted
from intendant.errors import IntendantError
from intendant.lake.files import Layout, write
from intendant.lake.room import Room, freed_by, room_of
from intendant.language.plans import looks_like_plan
from intendant.language.to_sql import kind_of_type
from intendant.operators.base import table_sql
from intendant.run.lineage import recipe
from intendant.run.schedules import schedules
from intendant.run.storage_keeping import kept_for, open_tables
from intendant.types import Json, Snapshot

if TYPE_CHECKING:
    from intendant.run.loop import Loop

__all__ = ["candidates"]

KEEP = (5, 3, 2)
"""How many versions a vacuum may leave: the most of these that frees nearly (80%) as much as the fewest."""
AGES = (730, 365, 180, 90)
"""Days; the oldest cut at which at least a tenth of the rows leave is offered."""
LEAST_SHARE = 0.1
SMALL, MANY = 8_000_000, 8
"""A table is worth compacting from so many files on that are smaller than this on average (bytes)."""
MOST_TRIED = 512_000_000
"""Bytes up to which compacting is tried to see what it brings."""


def candidates(loop: Loop) -> list[dict[str, Json]]:
    """[{"kind", "table", "bytes", ...}] for every table that no open run works on."""
    busy, out = open_tables(loop.journal), []
    for table in loop.lake.names():
        if table.lower() in busy or table.startswith("quarantine."):
            continue
        with suppress(IntendantError):  # a damaged table has room of its own to worry about
            snapshot, room = loop.lake.snapshot(table), room_of(loop.lake, table)
            out += [c for c in ways(loop, snapshot, room) if c["bytes"] > 0]
    return out


def ways(loop: Loop, snapshot: Snapshot, room: Room) -> Iterator[dict[str, Json]]:
    yield from vacuum(loop, snapshot.table)
    if unused(loop, snapshot):
        days = round(loop.workspace.storage.unused_days)
        yield {"kind": "drop", "table": snapshot.table, "bytes": room.total, "days": days}
        return
    policy = kept_for(loop.workspace, loop.lake, snapshot.table)[0]
    yield from packed(loop, snapshot, room, policy)
    if not derived(loop, snapshot.table):  # what is archived from a derived table is made again by its next refresh
        yield from aged(loop, snapshot, room, policy)


def derived(loop: Loop, table: str) -> bool:
    """Whether a table is made of other tables of the lake."""
    steps = (looks_like_plan(s) for s in recipe(loop.journal, table))
    return any(p.steps[0].verb in ("provision", "transform") and p.steps[0].get("table") != table for p in steps if p)


def vacuum(loop: Loop, table: str) -> Iterator[dict[str, Json]]:
    versions = len(loop.lake.history(table))
    policy = kept_for(loop.workspace, loop.lake, table)[0] or versions
    freed = {n: freed_by(loop.lake, table, n) for n in KEEP if n < min(versions, policy + 1)}
    if freed:
        least = max(freed.values())
        n = max(n for n, b in freed.items() if b >= 0.8 * least)
        yield {"kind": "vacuum", "table": table, "bytes": freed[n], "versions": n, "kept_versions": versions}


def packed(loop: Loop, snapshot: Snapshot, room: Room, policy: int | None) -> Iterator[dict[str, Json]]:
    """Small files, written again as large ones to see what they take."""
    if room.files < MANY or room.live > min(MOST_TRIED, SMALL * room.files):
        return
    settings = loop.lake.settings(snapshot.table)
    layout = Layout(tuple(settings.get("partition_by") or ()), tuple(settings.get("sort_by") or ()))
    folder = loop.workspace.state / "spill" / "packing"
    try:
        with loop.engine.session({snapshot.table: snapshot}) as con:
            files, _ = write(con, loop.engine.scan(snapshot), Path(folder), "tried", layout=layout)
        size = sum(f.bytes for f in files)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if size < 0.9 * room.live:
        yield {
            "kind": "compact",
            "table": snapshot.table,
            "bytes": room.total - size,
            "files": room.files,
            "live": room.live,
            "packed": size,
            "policy": policy,
        }


def aged(loop: Loop, snapshot: Snapshot, room: Room, policy: int | None) -> Iterator[dict[str, Json]]:
    """Rows older than a cut, by the table's first time column."""
    column = next((c.name for c in snapshot.columns if kind_of_type(c.type) == "time"), None)
    if column is None or not snapshot.rows:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    cuts = {days: now - timedelta(days=days) for days in AGES}
    counts = ", ".join(
        f"count(*) FILTER (WHERE {quoted(column)} < TIMESTAMP '{cut:%Y-%m-%d %H:%M:%S}')" for cut in cuts.values()
    )
    sql = f"SELECT {counts} FROM {table_sql(snapshot.table).sql('duckdb')}"
    row = loop.engine.rows(sql, {snapshot.table: snapshot})[1][0]
    for (days, cut), rows in zip(cuts.items(), row, strict=True):
        if LEAST_SHARE * snapshot.rows <= rows < snapshot.rows:
            work = asked_of(loop.knowledge.catalog(), snapshot.table)
            left = room.live * (1 - rows / snapshot.rows)
            yield {
                "kind": "archive",
                "table": snapshot.table,
                "bytes": round(room.total - left),
                "column": column,
                "age": f"{days} days",
                "rows": rows,
                "total": snapshot.rows,
                "queries": work.queries,
                "readers": reaching(work, column, cut),
                "policy": policy,
            }
            return


def reaching(work: Asked, column: str, cut: datetime) -> int:
    """How many of the known queries may read rows from before the cut."""
    return sum(1 for low in work.lows(column) if low is None or low < cut)


def unused(loop: Loop, snapshot: Snapshot) -> bool:
    """Whether a staging table was neither written nor read for [storage] unused_days, and nothing is made of it by itself."""
    days = loop.workspace.storage.unused_days
    if not snapshot.table.startswith("staging.") or not days:
        return False
    edge = datetime.now(UTC) - timedelta(days=days)
    if datetime.fromisoformat(snapshot.at) > edge:
        return False
    for e in loop.journal.events(kinds=["query.ran", "table.published"]):
        reads = (e.data["table"],) if e.kind == "query.ran" else (e.data["table"], *e.data.get("inputs", {}))
        if snapshot.table in reads and datetime.fromisoformat(e.at) > edge:
            return False
    return not any(snapshot.table in texts for texts in standing(loop))


def standing(loop: Loop) -> Iterator[str]:
    """The texts of what runs by itself: pipelines, saved queries, schedules."""
    yield from (p.read_text(encoding="utf-8", errors="replace") for p in loop.workspace.pipelines().values())
    yield from (q.sql for q in loop.workspace.queries.values())
    for s in schedules(loop.journal):
        yield "\n".join(recipe(loop.journal, s["target"])) if s["kind"] == "table" else ""
