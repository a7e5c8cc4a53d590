"""Write a table into a declared database."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Deliver"]


class Deliver(Effect):
    verb = "deliver"
    form = "deliver <table:table> [where <where:expr>] to <resource:resource> [(append|replace):mode | upsert on <keys:key>]"
    agent = "storage"
    summary = "Write a table into a table of a declared SQL source, in one transaction."
    example = "deliver revenue_by_region to crm.revenue upsert on region"
