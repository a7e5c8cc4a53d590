"""What an agent is: it decides, from an event and the catalog, what should follow; it never acts.

Each can also speak (`generate_response`), to explain; what it decides never depends on what a model says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from intendant.catalog import Catalog
from intendant.model.agent import DEFAULT_MODEL, LightweightLLMAgent
from intendant.types import Json

__all__ = ["Agent", "Decision"]


@dataclass(frozen=True)
class Decision:
    """`intents` are proposed to people (they need a yes); `facts` (kind, data) take effect at once and are undone at will."""

    intents: tuple[str, ...] = ()
    facts: tuple[tuple[str, Mapping[str, Json]], ...] = ()
    why: str = ""


class Agent(LightweightLLMAgent, ABC):
    """One layer's agent. `decide` is pure."""

    role: ClassVar[str]

    def __init__(self, model_name: str = DEFAULT_MODEL) -> None:
        super().__init__(f"the {self.role} agent of a data pipeline system", model_name)

    @abstractmethod
    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """What should follow an event."""
