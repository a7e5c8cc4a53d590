"""The storage agent: where tables lie, how they are laid out, and what to do when room gets short."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.agents.base import Agent, Decision
from intendant.catalog import Catalog
from intendant.language.grammar import grammar
from intendant.language.to_sql import kind_of_type
from intendant.types import Json

__all__ = ["StorageAgent"]


class StorageAgent(Agent):
    role = "storage"

    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """Near its quota, offer to archive the oldest rows of the largest table that knows time."""
        if event != "storage.near_capacity":
            return Decision()
        for table in sorted(catalog.tables.values(), key=lambda t: -t.rows):
            times = [c.name for c in table.columns if kind_of_type(c.type) == "time"]
            if times and not table.name.startswith("quarantine."):
                kinds = grammar().kinds
                intent = f"archive {kinds['table'].write(table.name)} older than 365 days by {kinds['column'].write(times[0])}"
                return Decision(
                    intents=(intent,),
                    why=f"the lake holds {facts.get('share', 0):.0%} of its quota; or raise policy.quota_gb",
                )
        return Decision(why="the lake is near its quota: raise policy.quota_gb or drop what isn't needed")
