"""What is installed, reachable and misconfigured, each with the mend."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

from intendant.engines.spark_session import JAVA, java
from intendant.errors import IntendantError
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["doctor"]

LEAST_FREE_GB = 1.0


def doctor(app: Intendant) -> list[dict[str, Json]]:
    """[{"what", "state": "ok|warning|problem|absent", "detail", "mend"}], problems last."""
    out = [
        python(),
        *(package(n) for n in ("duckdb", "dbos", "xllamacpp")),
        disk(app),
        journal(app),
        *tables(app),
        *(source(app, n) for n in app.workspace.sources),
        model(app),
        extra("torch", "training the planner and loading Qwen checkpoints", "pip install 'intendant[train]'"),
        *spark(app),
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


def disk(app: Intendant) -> dict[str, Json]:
    free = shutil.disk_usage(app.workspace.root).free / 1e9
    low = free < LEAST_FREE_GB
    return row(
        "disk",
        "problem" if low else "ok",
        f"{free:.1f} GB free, the lake holds {app.lake.size() / 1e9:.3f} GB",
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
    engine = app.workspace.engine
    install = "pip install 'intendant[spark]'"
    if engine.kind != "spark":
        return [extra("pyspark", "the Spark engine", install)]
    found = importlib.util.find_spec("pyspark") is not None
    state = row("pyspark", "ok", importlib.metadata.version("pyspark")) if found else None
    rows = [state or row("pyspark", "problem", 'not installed, but [engine] says kind = "spark"', f"`{install}`.")]
    if engine.url:
        rows.append(row("Spark Connect", "ok", f"{engine.url}, asked when the first step runs"))
    elif where := java():
        rows.append(row("Java", "ok", where))
    else:
        rows.append(row("Java", "problem", "not found, and Spark runs on it", JAVA))
    return rows


def owner(app: Intendant) -> dict[str, Json]:
    waiting = app._queued()
    return row(
        "runs",
        "warning" if waiting else "ok",
        f"{len(waiting)} unfinished",
        "Finish them: `intendant resume`, or keep `intendant serve` running." if waiting else "",
    )
