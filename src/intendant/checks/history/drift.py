"""A load against the table's own past: every metric once, then one budget of false alarms over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intendant.checks.history.budget import holm
from intendant.checks.history.limits import Limits
from intendant.checks.history.metrics.base import Metric, Reading
from intendant.checks.history.metrics.categories import Categories
from intendant.checks.history.metrics.completeness import Completeness
from intendant.checks.history.metrics.duplicates import Duplicates
from intendant.checks.history.metrics.freshness import Freshness
from intendant.checks.history.metrics.novelty import Novelty
from intendant.checks.history.metrics.numbers import Numbers
from intendant.checks.history.metrics.scale import Scale
from intendant.checks.history.metrics.schema import Schema
from intendant.checks.history.metrics.volume import Volume, gross
from intendant.checks.history.profile import Profile
from intendant.language.grammar import grammar
from intendant.types import Finding, Severity, Step

__all__ = ["METRICS", "Drift", "drift"]

METRICS: tuple[Metric, ...] = (
    Schema(), Volume(), Freshness(), Completeness(), Duplicates(), Novelty(), Categories(), Numbers(), Scale(),
)  # fmt: skip
"""What breaks readers comes first."""
GRAVE, CLEAR = 4.0, 1.5
"""Effects from which severity is HIGH and MEDIUM, in multiples of the least that matters."""


@dataclass(frozen=True)
class Drift:
    """A finding of drift; `breaks` when those who read the table can't go on as before."""

    finding: Finding
    breaks: bool


def drift(now: Profile, past: Sequence[Profile], limits: Limits = Limits()) -> list[Drift]:
    """What changed in a load beyond its past's own changes, at least as much as matters.

    `past` are the comparable loads before it, oldest first; the load itself is not among them. With fewer than
    `limits.versions` only gross changes are told.
    """
    if len(past) < limits.versions:
        return [told(now, Volume.name, r, 0.0) for r in gross(now, past, limits)]
    out = []
    for metric in METRICS:
        readings = list(metric.readings(now, past, limits))
        chances = holm([r.chance for r in readings], limits.budget / len(METRICS))
        out += [
            told(now, metric.name, r, chance)
            for r, chance in zip(readings, chances, strict=True)
            if chance is not None and r.effect >= 1
        ]
    return out


def told(now: Profile, check: str, reading: Reading, chance: float) -> Drift:
    level: Severity = "HIGH" if reading.breaks or reading.effect >= GRAVE else "LOW"
    if level == "LOW" and reading.effect >= CLEAR:
        level = "MEDIUM"
    finding = Finding(
        check,
        now.table,
        reading.column,
        level,
        reading.rows,
        now.rows,
        reading.evidence,
        round(min(0.99, 1 - chance), 3),
        reading.mend or grammar().write(Step("check", {"table": now.table})),
        samples=({"before": reading.before, "now": reading.now},),
    )
    return Drift(finding, reading.breaks)
