"""The five agents. They decide; the loop in `run` acts."""

from __future__ import annotations

from intendant.agents.base import Agent, Decision
from intendant.agents.ingestion import IngestionAgent
from intendant.agents.optimization import InfrastructureOptimizationAgent
from intendant.agents.quality import DataQualityAgent
from intendant.agents.storage import StorageAgent
from intendant.agents.transformation import TransformationAgent

__all__ = ["Agent", "DataQualityAgent", "Decision", "IngestionAgent", "InfrastructureOptimizationAgent", "StorageAgent",
           "TransformationAgent", "deciders"]

AGENTS = (IngestionAgent, DataQualityAgent, TransformationAgent, StorageAgent, InfrastructureOptimizationAgent)


def deciders() -> dict[str, Agent]:
    """Every agent by its role."""
    return {cls.role: cls() for cls in AGENTS}
