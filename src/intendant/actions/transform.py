"""Change a table, or make one from it."""

from __future__ import annotations

from intendant.actions.base import TableAction

__all__ = ["Transform"]


class Transform(TableAction):
    verb = "transform"
    form = "transform <table:table> <operators:operators> [into <target:table>]"
    agent = "transformation"
    summary = "Apply operators in order; in place, or into another table."
    example = "transform staging.orders filter status = 'paid' derive total_revenue = price * quantity into orders"
