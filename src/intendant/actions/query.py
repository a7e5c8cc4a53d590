"""Answer a question; nothing changes."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Query"]


class Query(Effect):
    verb = "query"
    form = "query <table:table> [<operators:operators>]"
    agent = "transformation"
    summary = "Show rows after some operators; reads only."
    example = "query orders group by region: sum amount as revenue sort by revenue descending"
