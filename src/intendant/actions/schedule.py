"""Do something again and again."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Schedule"]


class Schedule(Effect):
    verb = "schedule"
    form = "schedule ( refresh of <table:table> | run of <pipeline:name> ) <when:when>"
    agent = "storage"
    summary = "Refresh a table (repeat the steps that made it) or run a pipeline on a schedule."
    example = "schedule refresh of sales_mart daily at 00:00"
