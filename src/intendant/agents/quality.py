"""The quality agent: how good data is, how grave that is, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.agents.base import Agent, Decision
from intendant.catalog import Catalog
from intendant.checks import SeverityThresholds, severity
from intendant.errors import UsageError
from intendant.types import Json

__all__ = ["DataQualityAgent"]


class DataQualityAgent(Agent):
    role = "quality"

    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """A failed check offers the mends of its findings."""
        if event != "quality.failed":
            return Decision()
        mends = tuple(f["mend"] for f in facts.get("findings", ()) if f.get("mend"))
        return Decision(intents=mends, why="the quality check found what these would mend")

    def assess_data_quality(
        self, metrics: Mapping[str, Json], thresholds: SeverityThresholds = SeverityThresholds()
    ) -> dict[str, Json]:
        """Severity of {"completeness": %, "consistency": %, "issues": n}, with its reason and what to do.

        Severity is that of the mean of completeness and consistency: >= 85 LOW, >= 70 MEDIUM, else HIGH (adjustable).
        Raises UsageError for values that are missing or no percentages.
        """
        values = []
        for name in ("completeness", "consistency"):
            value = metrics.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UsageError(f"quality_metrics.{name} is {value!r}", hint="Give a percentage, e.g. 87.")
            values.append(float(value))
        level = severity(values[0], values[1], thresholds)
        mean = sum(values) / 2
        advice = {
            "LOW": ["Keep the gate on `warn` and look at the findings weekly."],
            "MEDIUM": [
                "Set bad rows aside: `check TABLE for ... on failure quarantine`.",
                "Ask the source's owner about the least complete columns.",
            ],
            "HIGH": [
                "Stop publishing until it is mended: `check TABLE for ... on failure rollback`.",
                "Run `intendant check TABLE` and accept the mends it offers.",
            ],
        }[level]
        return {
            "severity": level,
            "score": round(mean, 2),
            "completeness": values[0],
            "consistency": values[1],
            "issues": metrics.get("issues", 0),
            "recommendations": advice,
            "reason": f"the mean of completeness {values[0]:g} and consistency {values[1]:g} is {mean:g}",
        }
