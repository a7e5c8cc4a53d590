"""Intendant runs a team's data pipelines from short sentences.

from intendant import Intendant
app = Intendant.init("my_workspace")
print(app.do("query orders top 5 by amount").answer)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intendant.app import Intendant
    from intendant.orchestrator import (
        AgenticDataOrchestrator,
        DataIngestionAgent,
        DataQualityAgent,
        InfrastructureOptimizationAgent,
        LightweightLLMAgent,
        StorageAgent,
        TransformationAgent,
    )

__all__ = [
    "AgenticDataOrchestrator",
    "DataIngestionAgent",
    "DataQualityAgent",
    "InfrastructureOptimizationAgent",
    "Intendant",
    "LightweightLLMAgent",
    "StorageAgent",
    "TransformationAgent",
    "__version__",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "Intendant":
        from intendant.app import Intendant

        return Intendant
    if name in __all__:
        from intendant import orchestrator

        return getattr(orchestrator, name)
    raise AttributeError(f"module 'intendant' has no attribute {name!r}")
