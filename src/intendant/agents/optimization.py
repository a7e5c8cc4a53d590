"""The infrastructure optimisation agent: what is loaded, how urgent that is, and what would relieve it."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.agents.base import Agent, Decision
from intendant.catalog import Catalog
from intendant.checks import PriorityThresholds, priority
from intendant.errors import UsageError
from intendant.language.grammar import grammar
from intendant.types import Json

__all__ = ["InfrastructureOptimizationAgent"]


class InfrastructureOptimizationAgent(Agent):
    role = "optimization"

    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """A slow query on a table offers to optimise it."""
        table = facts.get("table")
        if event != "performance.degraded" or not table or not catalog.has(table):
            return Decision()
        return Decision(
            intents=(f"optimize {grammar().kinds['table'].write(table)} for latency",),
            why=f"a query took {facts.get('ms', 0):g} ms",
        )

    def optimize_resources(
        self, metrics: Mapping[str, Json], thresholds: PriorityThresholds = PriorityThresholds(), dead_band: float = 1.0
    ) -> dict[str, Json]:
        """Priority of {"cpu_usage", "memory_usage" (%), "storage_used", "storage_total", "query_latency" (ms)}.

        Above 85 % CPU or memory CRITICAL, 70 to 85 HIGH, below 70 NORMAL, with a dead band (adjustable); with what to do.
        Raises UsageError for values that are missing or out of range.
        """
        cpu, memory = (_number(metrics, n) for n in ("cpu_usage", "memory_usage"))
        level = priority(cpu, memory, thresholds, dead_band)
        used, total = float(metrics.get("storage_used", 0) or 0), float(metrics.get("storage_total", 0) or 0)
        share = 100 * used / total if total else 0.0
        latency = float(metrics.get("query_latency", 0) or 0)
        advice = []
        if cpu > thresholds.high + dead_band:
            advice.append("Spread heavy loads over the night, or add cores: CPU is the bottleneck.")
        if memory > thresholds.high + dead_band:
            advice.append("Set engine.memory_limit so that large joins and sorts spill to disk instead of swapping.")
        if share > 80:
            advice.append("Archive old rows (`archive TABLE older than 365 days by COLUMN`) or add storage.")
        if latency > 200:
            advice.append("Optimise the slowest queries: `optimize query NAME for latency`.")
        return {
            "priority": level,
            "cpu_usage": cpu,
            "memory_usage": memory,
            "storage_share": round(share, 2),
            "query_latency_ms": latency,
            "recommendations": advice or ["No immediate action is needed."],
            "reason": f"the higher of CPU {cpu:g} % and memory {memory:g} % is {max(cpu, memory):g} %",
        }


def _number(metrics: Mapping[str, Json], name: str) -> float:
    value = metrics.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"infrastructure_metrics.{name} is {value!r}", hint="Give a percentage, e.g. 78.")
    return float(value)
