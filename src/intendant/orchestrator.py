"""The agents asked in order about one pipeline, for programs that describe pipelines instead of writing sentences."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from intendant.agents import (
    DataIngestionAgent,
    DataQualityAgent,
    InfrastructureOptimizationAgent,
    StorageAgent,
    TransformationAgent,
)
from intendant.model.agent import LightweightLLMAgent
from intendant.run.advise import advise
from intendant.types import Json
from intendant.workspace import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from intendant.app import Intendant

__all__ = [
    "AgenticDataOrchestrator",
    "DataIngestionAgent",
    "DataQualityAgent",
    "InfrastructureOptimizationAgent",
    "LightweightLLMAgent",
    "StorageAgent",
    "TransformationAgent",
]

COLUMNS = (
    "id",
    "at",
    "strategy",
    "severity",
    "priority",
    "completeness",
    "consistency",
    "cpu_usage",
    "memory_usage",
    "measured",
    "ms",
)


class AgenticDataOrchestrator:
    """Asks the ingestion, quality and optimisation agents in order; with an app, a source of its workspace is measured."""

    def __init__(self, app: Intendant | None = None) -> None:
        self.app = app
        self.runs: list[dict[str, Json]] = []

    def process_data_pipeline(self, config: Mapping[str, Json]) -> dict[str, Json]:
        """Strategy, severity, priority and recommendations (see `intendant.run.advise.advise`), kept for the summary.

        Raises UsageError naming the missing or wrong field; SourceError when a source to be measured can't be read.
        """
        started = time.perf_counter()
        thresholds = self.app.workspace.thresholds if self.app else Thresholds()
        out = advise(config, thresholds, self.app)
        quality, load = out["quality"], out["optimization"]
        self.runs.append(
            {
                "id": out["id"],
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "strategy": out["strategy"],
                "severity": out["severity"],
                "priority": out["priority"],
                "completeness": quality["completeness"],
                "consistency": quality["consistency"],
                "cpu_usage": load["cpu_usage"],
                "memory_usage": load["memory_usage"],
                "measured": out["measured"],
                "ms": round((time.perf_counter() - started) * 1000, 1),
            }
        )
        return out

    def generate_summary_report(self) -> pd.DataFrame:
        """One row for each pipeline processed, oldest first."""
        import pandas as pd

        return pd.DataFrame(self.runs, columns=list(COLUMNS))
