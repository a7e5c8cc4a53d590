"""Make queries faster or a table smaller: propose, apply, measure, and revert when it didn't help."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Optimize"]


class Optimize(Effect):
    verb = "optimize"
    form = "optimize ( query <query:name> | <table:table> ) [for (latency|storage):goal] [by <columns:columns>]"
    agent = "optimization"
    summary = "Choose a layout from the queries that ran, apply it, measure it, and revert it when it didn't help."
    example = "optimize query daily_revenue for latency"
