"""Strategy, severity and priority of a pipeline that is only described, and a table of all that were asked about."""

from __future__ import annotations

from intendant import AgenticDataOrchestrator

SALES = {
    "id": "sales_analytics",
    "source": {"type": "REST API", "volume": "10GB/day", "frequency": "real-time"},
    "quality_metrics": {"completeness": 87, "consistency": 92, "issues": 15},
    "infrastructure_metrics": {"cpu_usage": 78, "memory_usage": 82, "storage_used": 450, "storage_total": 1000,
                               "query_latency": 250},
}

if __name__ == "__main__":
    orchestrator = AgenticDataOrchestrator()
    advice = orchestrator.process_data_pipeline(SALES)
    print(advice["strategy"], advice["severity"], advice["priority"])
    for text in advice["recommendations"]:
        print("-", text)
    print(orchestrator.generate_summary_report().to_string(index=False))
