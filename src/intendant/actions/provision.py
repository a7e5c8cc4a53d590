"""Make a store: a columnar table of its own with a layout."""

from __future__ import annotations

from intendant.actions.base import TableAction

__all__ = ["Provision"]


class Provision(TableAction):
    verb = "provision"
    form = "provision <target:table> from <table:table> [partition by <partition:layout>] [sort by <sort:columns>]"
    agent = "storage"
    summary = "Make a new columnar table from another, with partitions and a sort order."
    example = "provision sales_mart from orders partition by month(created_at) sort by cust_id"
