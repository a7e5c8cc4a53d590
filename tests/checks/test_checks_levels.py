"""Severity and priority at, beside and around their steps."""

from __future__ import annotations

import pytest

from intendant.checks import PriorityThresholds, SeverityThresholds, priority, severity
from intendant.errors import UsageError


@pytest.mark.parametrize(("completeness", "consistency", "level"), [
    (87, 92, "LOW"), (85, 85, "LOW"), (100, 70, "LOW"), (84.9, 85, "MEDIUM"), (70, 70, "MEDIUM"), (69.9, 70, "HIGH"),
    (0, 0, "HIGH")])
def test_severity_is_of_the_mean(completeness: float, consistency: float, level: str):
    assert severity(completeness, consistency) == level


def test_thresholds_of_severity_are_adjustable():
    assert severity(87, 92, SeverityThresholds(low=95, medium=90)) == "HIGH"


@pytest.mark.parametrize(("cpu", "memory", "level"), [
    (78, 82, "HIGH"), (65, 71, "NORMAL"), (71.1, 10, "HIGH"), (86, 20, "HIGH"), (20, 86.1, "CRITICAL"),
    (10, 10, "NORMAL")])
def test_priority_is_of_the_higher_load_and_entered_beyond_the_dead_band(cpu: float, memory: float, level: str):
    assert priority(cpu, memory) == level


@pytest.mark.parametrize(("load", "level"), [(84, "CRITICAL"), (83.9, "HIGH"), (69, "HIGH"), (68.9, "NORMAL")])
def test_a_level_is_left_only_when_undercut_by_the_dead_band(load: float, level: str):
    assert priority(load, 0, previous="CRITICAL") == level


def test_a_load_that_swings_at_the_edge_does_not_flap():
    seen, level = [], None
    for load in (69.5, 70.5, 69.5, 71.5, 69.5, 70.5, 68.5, 70.5):
        level = priority(load, 0, previous=level)
        seen.append(level)
    assert seen == ["NORMAL"] * 3 + ["HIGH"] * 3 + ["NORMAL"] * 2


def test_without_dead_band_the_threshold_itself_decides():
    assert priority(65, 71, dead_band=0) == "HIGH"
    assert priority(50, 0, PriorityThresholds(high=40, critical=45)) == "CRITICAL"


@pytest.mark.parametrize("bad", [-1, 101, float("nan")])
def test_what_is_no_percentage_is_refused(bad: float):
    with pytest.raises(UsageError, match="percent"):
        severity(bad, 50)
    with pytest.raises(UsageError, match="percent"):
        priority(50, bad)
