"""The five agents. They decide; the loop in `run` acts."""

from __future__ import annotations

from intendant.agents.base import Agent, Decision
from intendant.agents.ingestion import DataIngestionAgent
from intendant.agents.optimization import InfrastructureOptimizationAgent
from intendant.agents.quality import DataQualityAgent
from intendant.agents.storage import StorageAgent
from intendant.agents.transformation import TransformationAgent

__all__ = [
    "Agent",
    "DataIngestionAgent",
    "DataQualityAgent",
    "Decision",
    "InfrastructureOptimizationAgent",
    "StorageAgent",
    "TransformationAgent",
    "deciders",
]

AGENTS = (DataIngestionAgent, DataQualityAgent, TransformationAgent, StorageAgent, InfrastructureOptimizationAgent)


def deciders() -> dict[str, Agent]:
    """Every agent by its role."""
    return {cls.role: cls() for cls in AGENTS}
