"""Bring back an earlier version of a table."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Restore"]


class Restore(Effect):
    verb = "restore"
    form = "restore <table:table> to ( version <version:int> | (previous):back version )"
    agent = "storage"
    summary = "Make an earlier version current again, as a new version; a dropped table comes back too."
    example = "restore orders to version 12"
