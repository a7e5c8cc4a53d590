"""Write a table to a file."""

from __future__ import annotations

from intendant.actions.base import Effect

__all__ = ["Export"]


class Export(Effect):
    verb = "export"
    form = "export <table:table> [where <where:expr>] to <path:text>"
    agent = "storage"
    summary = "Write a table to a CSV, JSON, JSON lines or Parquet file inside the workspace."
    example = "export revenue_by_region to 'out/revenue.parquet'"
