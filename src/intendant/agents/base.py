"""What an agent is: it decides, from an event and the catalog, what should follow; it never acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from intendant.catalog import Catalog
from intendant.types import Json

__all__ = ["Agent", "Decision"]


@dataclass(frozen=True)
class Decision:
    """`intents` are proposed to people (they need a yes); `facts` (kind, data) take effect at once and are undone at will."""

    intents: tuple[str, ...] = ()
    facts: tuple[tuple[str, Mapping[str, Json]], ...] = ()
    why: str = ""


class Agent(ABC):
    """One layer's agent. `decide` is pure."""

    role: ClassVar[str]

    @abstractmethod
    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """What should follow an event."""
