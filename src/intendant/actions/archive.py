"""Move old rows out of a table into cold storage."""

from __future__ import annotations

from intendant.actions.base import TableAction

__all__ = ["Archive"]


class Archive(TableAction):
    verb = "archive"
    form = "archive <table:table> ( older than <age:duration> by <column:column> | where <where:expr> )"
    agent = "storage"
    summary = "Move rows out of a table into compressed files with a manifest; they can be brought back."
    example = "archive orders older than 365 days by created_at"
