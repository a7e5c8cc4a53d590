"""A described pipeline gets a strategy, a severity and a priority; one of this workspace is measured instead of believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from tests.actions.world import World, world

from intendant.errors import UsageError
from intendant.orchestrator import AgenticDataOrchestrator

SALES: dict[str, Any] = {
    "id": "sales",
    "source": {"type": "REST API", "volume": "10GB/day", "frequency": "real-time"},
    "quality_metrics": {"completeness": 87, "consistency": 90, "issues": 15},
    "infrastructure_metrics": {
        "cpu_usage": 78, "memory_usage": 82, "storage_used": 450, "storage_total": 500, "query_latency": 250,
    },
}  # fmt: skip
KEYS = {
    "id", "strategy", "severity", "priority", "ingestion", "quality", "optimization", "recommendations", "measured",
}  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("advice") / "w") as made:
        yield made


def changed(**parts: Any) -> dict[str, Any]:
    return {**SALES, **{k: {**SALES[k], **v} if isinstance(v, dict) else v for k, v in parts.items()}}


def test_a_described_pipeline_gets_strategy_severity_and_priority() -> None:
    out = AgenticDataOrchestrator().process_data_pipeline(SALES)
    assert set(out) == KEYS
    assert (out["id"], out["strategy"], out["severity"], out["priority"]) == ("sales", "streaming", "LOW", "HIGH")
    assert out["measured"] is False and out["quality"]["score"] == 88.5
    advice = " ".join(out["recommendations"])
    assert "CPU" in advice and "memory_limit" in advice and "Archive" in advice and "slowest" in advice


def test_a_value_within_the_dead_band_needs_no_action() -> None:
    quality, load = {"completeness": 95, "consistency": 88}, {"cpu_usage": 65, "memory_usage": 71}
    out = AgenticDataOrchestrator().process_data_pipeline(
        {**SALES, "id": "iot", "quality_metrics": quality, "infrastructure_metrics": load}
    )
    assert (out["severity"], out["priority"]) == ("LOW", "NORMAL")
    assert any("no immediate action" in r.lower() for r in out["recommendations"])


def test_the_summary_is_a_frame_with_a_row_for_each_pipeline() -> None:
    orchestrator = AgenticDataOrchestrator()
    assert len(orchestrator.generate_summary_report()) == 0
    for name, memory in (("a", 10), ("b", 99)):
        orchestrator.process_data_pipeline(changed(id=name, infrastructure_metrics={"memory_usage": memory}))
    with pytest.raises(UsageError):
        orchestrator.process_data_pipeline({})
    frame = orchestrator.generate_summary_report()
    assert isinstance(frame, pd.DataFrame) and list(frame["id"]) == ["a", "b"]
    assert list(frame["priority"]) == ["HIGH", "CRITICAL"] and list(frame["strategy"]) == ["streaming"] * 2


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "source"),
        ([], "a described pipeline is an object"),
        (changed(source="REST"), "source"),
        ({k: v for k, v in SALES.items() if k != "quality_metrics"}, "quality_metrics"),
        ({k: v for k, v in SALES.items() if k != "infrastructure_metrics"}, "infrastructure_metrics"),
        (changed(source={"volume": "a lot"}), "volume"),
        (changed(quality_metrics={"completeness": "87"}), "quality_metrics.completeness"),
        (changed(quality_metrics={"consistency": 101}), "consistency"),
        (changed(quality_metrics={"consistency": float("nan")}), "consistency"),
        (changed(infrastructure_metrics={"cpu_usage": None}), "infrastructure_metrics.cpu_usage"),
        (changed(infrastructure_metrics={"memory_usage": -1}), "memory"),
        (changed(infrastructure_metrics={"storage_used": "full"}), "infrastructure_metrics.storage_used"),
        (changed(infrastructure_metrics={"query_latency": [1]}), "infrastructure_metrics.query_latency"),
    ],
)
def test_a_wrong_description_is_an_error_with_the_field_s_name(config: Any, named: str) -> None:
    with pytest.raises(UsageError) as e:
        AgenticDataOrchestrator().process_data_pipeline(config)
    assert named in e.value.message and e.value.hint


def test_a_source_of_the_workspace_is_measured_and_not_believed(here: World) -> None:
    claimed = changed(source={"name": "drops.orders", "frequency": "daily"}, quality_metrics={"completeness": 0, "consistency": 0})
    out = AgenticDataOrchestrator(here.app).process_data_pipeline(claimed)
    assert out["measured"] is True and out["strategy"] == "batch"
    # 3 of 42 cells of drops/orders.csv are empty
    assert out["quality"]["completeness"] == pytest.approx(100 * 39 / 42, abs=0.1) and out["quality"]["consistency"] > 50
    assert 0 <= out["optimization"]["cpu_usage"] <= 100 and 0 < out["optimization"]["storage_share"] <= 100
    assert [t["name"] for t in here.app.tables()] == ["bad_orders", "customers", "orders"]


def test_thresholds_of_the_workspace_count(here: World) -> None:
    strict = here.root.parent / "strict"
    strict.mkdir()
    (strict / "intendant.toml").write_text("[thresholds]\nseverity_low = 99\npriority_critical = 80\n", encoding="utf-8")
    from intendant.app import Intendant

    with Intendant(strict) as app:
        out = app.advise(SALES)
    assert (out["severity"], out["priority"]) == ("MEDIUM", "CRITICAL")
