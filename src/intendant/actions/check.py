"""Look at a table's quality: declared rules, or everything the detectors know."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Check"]


class Check(Effect):
    verb = "check"
    form = "check <table:table> [for <rules:rules>] [on failure (rollback|quarantine|review|warn):on_failure]"
    agent = "quality"
    summary = "Check a table against rules, which stay with it; without rules, look for whatever is wrong."
    example = "check staging.orders for not null order_id, amount between 0 and 100000 on failure quarantine"
