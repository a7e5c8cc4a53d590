"""Remove a table."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Drop"]


class Drop(Effect):
    verb = "drop"
    form = "drop <table:table>"
    agent = "storage"
    summary = "Remove a table. It needs an approval, and can be brought back until it is vacuumed."
    example = "drop order_archive"
