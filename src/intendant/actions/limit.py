"""Hold back how fast a source is read."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Limit"]


class Limit(Effect):
    verb = "limit"
    form = "limit <resource:resource> to <rate:rate>"
    agent = "ingestion"
    summary = "Read a source or a resource no faster than this."
    example = "limit sales_api to 50 requests per second"
