"""The transformation agent: what a change of tables means for those that are made from them."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.agents.base import Agent, Decision
from intendant.catalog import Catalog
from intendant.types import Json

__all__ = ["TransformationAgent"]


class TransformationAgent(Agent):
    role = "transformation"

    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """Tables made from one that just changed are stale; say which."""
        if event != "table.published":
            return Decision()
        changed = facts.get("table")
        stale = [
            t.name
            for t in catalog.tables.values()
            if changed and f" {changed} " in f" {t.settings.get('made_by', '')} " and t.name != changed
        ]
        return Decision(why=f"{', '.join(stale)} may be stale" if stale else "")
