"""Say how much of a table's past is kept."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Retain"]


class Retain(Effect):
    verb = "retain"
    form = "retain <table:table> ( versions <count:int> | for <age:duration> )"
    agent = "storage"
    summary = "Keep the last versions of a table, or versions of so many days; older ones are vacuumed."
    example = "retain orders for 30 days"
