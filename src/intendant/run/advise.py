"""Strategy, severity and priority of a described pipeline, by the agents whose layers these are."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.agents import DataQualityAgent, InfrastructureOptimizationAgent, IngestionAgent
from intendant.checks import PriorityThresholds, SeverityThresholds
from intendant.errors import UsageError
from intendant.types import Json
from intendant.workspace import Thresholds

__all__ = ["advise"]

PARTS = ("source", "quality_metrics", "infrastructure_metrics")


def advise(described: Mapping[str, Json], thresholds: Thresholds) -> dict[str, Json]:
    """{"id", "ingestion": {...}, "quality": {...}, "optimization": {...}, "severity", "priority", "strategy"}.

    Raises UsageError naming the missing or wrong field.
    """
    if not isinstance(described, Mapping):
        raise UsageError("a described pipeline is an object", hint='Give {"id": ..., "source": {...}, "quality_metrics": {...}, "infrastructure_metrics": {...}}.')
    for part in PARTS:
        if not isinstance(described.get(part), Mapping):
            raise UsageError(f"{part!r} is missing", hint=f"A described pipeline has {', '.join(PARTS)}.")
    name = str(described.get("id", "pipeline"))
    ingestion = IngestionAgent().strategy(described["source"])
    quality = DataQualityAgent().assess(described["quality_metrics"], SeverityThresholds(thresholds.severity_low, thresholds.severity_medium))
    levels = PriorityThresholds(thresholds.priority_high, thresholds.priority_critical)
    optimization = InfrastructureOptimizationAgent().assess(described["infrastructure_metrics"], levels, thresholds.dead_band)
    return {"id": name, "strategy": ingestion["strategy"], "severity": quality["severity"], "priority": optimization["priority"],
            "ingestion": ingestion, "quality": quality, "optimization": optimization,
            "recommendations": [*quality["recommendations"], *optimization["recommendations"]]}
