"""Who does the heavy work of a workspace: what `[engine]` names; nothing of it starts before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.engines.base import Worker
    from intendant.engines.duckdb import DuckDB

__all__ = ["worker_of"]


def worker_of(workspace: Workspace, duckdb: DuckDB) -> Worker | None:
    """The worker, None where DuckDB does everything itself."""
    engine = workspace.engine
    if engine.kind != "spark":
        return None
    from intendant.engines.spark import Spark
    from intendant.engines.spark_session import Settings

    folder = (workspace.state / "spark").absolute()
    settings = Settings(engine.master, engine.url, engine.driver_memory, folder, engine.options, engine.checks_from_rows,
                        workspace.engine_url)  # fmt: skip
    return Spark(duckdb, settings)
