"""Bring rows from a source into a table."""

from __future__ import annotations

from intendant.actions.base import TableAction

__all__ = ["Ingest"]


class Ingest(TableAction):
    verb = "ingest"
    form = ("ingest <resource:resource> [(latest|oldest):order <count:int> [by <by:column>] | first <count:int>]"
            " [new rows by <cursor:column>] [where <where:expr>] [columns <columns:columns>]"
            " [(append|replace):mode | upsert on <keys:key>] [into <target:table>]")
    agent = "ingestion"
    summary = "Bring rows of a source's resource into a table (staging.<resource> when none is named)."
    example = "ingest sales_api.orders latest 10000 by created_at into staging.orders"
