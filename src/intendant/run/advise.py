"""Strategy, severity and priority of a pipeline, by the agents whose layers these are; measured where its source is ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from intendant import checks
from intendant.agents import DataIngestionAgent, DataQualityAgent, InfrastructureOptimizationAgent
from intendant.checks import PriorityThresholds, SeverityThresholds
from intendant.errors import UsageError
from intendant.types import Json, Stamp
from intendant.workspace import Thresholds

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["advise"]

PARTS = ("source", "quality_metrics", "infrastructure_metrics")
SAMPLE_ROWS = 5000


def advise(described: Mapping[str, Json], thresholds: Thresholds, app: Intendant | None = None) -> dict[str, Json]:
    """{"id", "strategy", "severity", "priority", "ingestion", "quality", "optimization", "recommendations", "measured"}.

    When `source` has a "name" ("source" or "source.resource") of the app's workspace, a sample of it and this machine are
    measured, and the declared metrics are not used. Raises UsageError naming the missing or wrong field, SourceError.
    """
    if not isinstance(described, Mapping):
        raise UsageError(
            "a described pipeline is an object",
            hint='Give {"id": ..., "source": {...}, "quality_metrics": {...}, "infrastructure_metrics": {...}}.',
        )
    source = described.get("source")
    live = (
        app is not None
        and isinstance(source, Mapping)
        and str(source.get("name", "")).partition(".")[0] in app.workspace.sources
    )
    for part in PARTS[:1] if live else PARTS:
        if not isinstance(described.get(part), Mapping):
            raise UsageError(f"{part!r} is missing", hint=f"A described pipeline has {', '.join(PARTS)}.")
    assert isinstance(source, Mapping)
    quality_metrics = measured_quality(app, str(source["name"])) if live and app else described["quality_metrics"]
    load = measured_load(app) if live and app else numbers(described["infrastructure_metrics"])
    ingestion = DataIngestionAgent().analyze_data_source(source)
    quality = DataQualityAgent().assess_data_quality(
        quality_metrics, SeverityThresholds(thresholds.severity_low, thresholds.severity_medium)
    )
    levels = PriorityThresholds(thresholds.priority_high, thresholds.priority_critical)
    optimization = InfrastructureOptimizationAgent().optimize_resources(load, levels, thresholds.dead_band)
    return {
        "id": str(described.get("id", "pipeline")),
        "strategy": ingestion["strategy"],
        "severity": quality["severity"],
        "priority": optimization["priority"],
        "ingestion": ingestion,
        "quality": quality,
        "optimization": optimization,
        "recommendations": [*quality["recommendations"], *optimization["recommendations"]],
        "measured": live,
    }


def numbers(metrics: Mapping[str, Json]) -> Mapping[str, Json]:
    """The metrics that needn't be there are numbers where they are. Raises UsageError."""
    for name in ("storage_used", "storage_total", "query_latency"):
        value = metrics.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UsageError(f"infrastructure_metrics.{name} is {value!r}", hint="Give a number, e.g. 500.")
    return metrics


def measured_quality(app: Intendant, name: str) -> dict[str, Json]:
    """Completeness, consistency and findings of a sample of a resource."""
    resource = app.knowledge.catalog([name.partition(".")[0]]).resource(name)
    stage = app.lake.stage("staging.measured source", Stamp("advise", "0"))
    try:
        stage.add(app.knowledge.source(resource.source, resource.name).peek(resource.name, SAMPLE_ROWS))
        snapshot = stage.snapshot()
        report = checks.report(app.engine, stage.table, snapshot, checks.detect(app.engine, stage.table, snapshot))
    finally:
        stage.discard()
    return {"completeness": report.completeness, "consistency": report.consistency, "issues": report.issues}


def measured_load(app: Intendant) -> dict[str, Json]:
    """This machine's CPU and memory (percent), the lake's use of its disk (GB), the mean of recent query times (ms)."""
    import psutil

    disk = psutil.disk_usage(str(app.workspace.root))
    recent = [float(e.data["ms"]) for e in app.journal.events(kinds=["query.ran"], newest=True, limit=100)]
    return {
        "cpu_usage": psutil.cpu_percent(interval=0.2),
        "memory_usage": psutil.virtual_memory().percent,
        "storage_used": disk.used / 1e9,
        "storage_total": disk.total / 1e9,
        "query_latency": sum(recent) / len(recent) if recent else 0.0,
    }
