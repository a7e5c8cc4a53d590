"""What is installed, reachable and misconfigured, each with the mend."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

from intendant.engines.spark_session import INSTALL
from intendant.errors import IntendantError
from intendant.run.doctor_spark import spark_rows
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["doctor"]

LEAST_FREE_GB = 1.0
SLOW_STATE_MS = 20.0


def doctor(app: Intendant) -> list[dict[str, Json]]:
    """[{"what", "state": "ok|warning|problem|absent", "detail", "mend"}], problems last."""
    place = lake(app)
    there = place["state"] == "ok"
    out = [
        python(),
        *(package(n) for n in ("duckdb", "dbos", "xllamacpp")),
        place,
        disk(app, there),
        journal(app),
        *(tables(app) if there else []),
        *(source(app, n) for n in app.workspace.sources),
        model(app),
        extra("dlt", "sources of kind dlt", "pip install 'intendant[dlt]'"),
        extra("torch", "training the planner and loading Qwen checkpoints", "pip install 'intendant[train]'"),
        *spark(app),
        *workers(app),
        owner(app),
    ]
    order = {"ok": 0, "absent": 1, "warning": 2, "problem": 3}
    return sorted(out, key=lambda r: order[r["state"]])


def row(what: str, state: str, detail: str, mend: str = "") -> dict[str, Json]:
    return {"what": what, "state": state, "detail": detail, "mend": mend}


def python() -> dict[str, Json]:
    version = ".".join(map(str, sys.version_info[:3]))
    return row(
        "Python",
        "ok" if sys.version_info >= (3, 11) else "problem",
        version,
        "" if sys.version_info >= (3, 11) else "Use Python 3.11 or newer.",
    )


def package(name: str) -> dict[str, Json]:
    return row(name, "ok", importlib.metadata.version(name))


def lake(app: Intendant) -> dict[str, Json]:
    """Where the tables are, and whether they can be reached and written there."""
    try:
        return row("lake", "ok", app.lake.check())
    except IntendantError as e:
        return row("lake", "problem", e.message, e.hint)


def disk(app: Intendant, lake_there: bool) -> dict[str, Json]:
    free = shutil.disk_usage(app.workspace.root).free / 1e9
    low = free < LEAST_FREE_GB
    return row(
        "disk",
        "problem" if low else "ok",
        f"{free:.1f} GB free" + (f", the lake holds {app.lake.size() / 1e9:.3f} GB" if lake_there else ""),
        "Free some space." if low else "",
    )


def journal(app: Intendant) -> dict[str, Json]:
    try:
        return row("journal", "ok", f"{app.journal.verify():,} facts, the chain of hashes is whole")
    except IntendantError as e:
        return row("journal", "problem", e.message, e.hint)


def tables(app: Intendant) -> list[dict[str, Json]]:
    out = []
    for name in app.lake.names():
        try:
            app.lake.snapshot(name)
        except IntendantError as e:
            out.append(row(f"table {name}", "problem", e.message, e.hint))
    return out or [row("tables", "ok", f"{len(app.lake.names())} tables, all readable")]


def source(app: Intendant, name: str) -> dict[str, Json]:
    try:
        resources = app.knowledge.source(name).resources()
    except IntendantError as e:
        return row(f"source {name}", "problem", e.message, e.hint)
    except ImportError as e:
        return row(f"source {name}", "problem", f"{e}", "Install the missing package.")
    if not resources:
        return row(f"source {name}", "warning", "nothing there", "Check its path, address or topics in intendant.toml.")
    return row(f"source {name}", "ok", f"{len(resources)} resources: {', '.join(r.name for r in resources[:6])}")


def model(app: Intendant) -> dict[str, Json]:
    from intendant.model import info

    try:
        facts = info(app.workspace.model.planner)
    except IntendantError as e:
        return row("planner model", "problem", e.message, e.hint)
    return row(
        "planner model", "ok", f"{facts['name']}, {facts['parameters']:,} parameters, {facts['bytes'] / 1e6:.1f} MB"
    )


def extra(name: str, what: str, mend: str) -> dict[str, Json]:
    found = importlib.util.find_spec(name) is not None
    return row(
        name,
        "ok" if found else "absent",
        f"{'installed' if found else 'not installed'}: needed for {what}",
        "" if found else mend,
    )


def spark(app: Intendant) -> list[dict[str, Json]]:
    """What `[engine] kind = "spark"` needs; without it, whether it could be said."""
    if app.workspace.engine.kind != "spark":
        return [extra("pyspark", "the Spark engine", INSTALL)]
    return spark_rows(app.workspace)


def workers(app: Intendant) -> list[dict[str, Json]]:
    """Where the state is shared: the database, and who runs things."""
    if app.team is None:
        return []
    place = app.team.database
    try:
        ms, server = place.ping()
        living = app.workers()
    except IntendantError as e:
        return [row("control state", "problem", e.message, e.hint)]
    slow = "Each fact waits for the database: put it nearer." if ms > SLOW_STATE_MS else ""
    named = ", ".join(f"{w['name']} ({w['running']} running)" for w in living if w["serves"])
    mend = "" if named else "Start `intendant worker` on a machine; until then only `do`, `run` and `resume` run something."
    return [
        row("control state", "warning" if slow else "ok", f"PostgreSQL {server}, {place.where}, {ms:.1f} ms a question", slow),
        row("workers", "ok" if named else "warning", named or "none serves", mend),
    ]


def owner(app: Intendant) -> dict[str, Json]:
    try:
        waiting = app._queued()
    except IntendantError as e:
        return row("runs", "problem", e.message, e.hint)
    return row(
        "runs",
        "warning" if waiting else "ok",
        f"{len(waiting)} unfinished",
        "Finish them: `intendant resume`, or keep `intendant serve` running." if waiting else "",
    )
