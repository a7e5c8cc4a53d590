"""Remove a table."""

from __future__ import annotations

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.operators._compile import Typing
from intendant.types import Json, Step

__all__ = ["Drop"]


class Drop(Effect):
    verb = "drop"
    form = "drop <table:table> [with (versions):versions]"
    agent = "storage"
    summary = "Remove a table. It needs an approval; it can be brought back for `trash_days`, `with versions` never."
    example = "drop order_archive"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        return Step(self.verb, dict(step.args, table=catalog.table(step.args["table"], place(step)).name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        table = step.args["table"]
        for_good = " with all its versions, for good" if step.get("versions") else ""
        return Footprint(writes=(table,), needs_approval=f"it removes the table {table!r}{for_good}")

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        return catalog.without_table(step.args["table"])

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        if context.lake.exists(step.args["table"]):
            context.lake.drop(step.args["table"], context.stamp)
        for_good = {"versions": True} if step.get("versions") else {}
        return {"events": [["table.dropped", {"table": step.args["table"], **for_good}]]}
