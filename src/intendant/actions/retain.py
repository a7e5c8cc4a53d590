"""Say how much of a table's past is kept. What is older goes once the run has succeeded, and after each later one."""

from __future__ import annotations

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.checks.rules.freshness import SECONDS
from intendant.errors import LanguageError
from intendant.operators._compile import Typing
from intendant.types import Json, Step

__all__ = ["KEPT", "Retain"]

KEPT = ("snapshots", "retention_days")


class Retain(Effect):
    verb = "retain"
    form = "retain <table:table> ( versions <count:int> | for <age:duration> )"
    agent = "storage"
    summary = "Keep the last versions of a table, or versions of so many days; older ones go after each run that writes it."
    example = "retain orders for 30 days"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        if step.get("count") == 0 or str(step.get("age", "")).startswith("0 "):
            raise LanguageError("the current version is always kept", where=place(step), hint="Use 1 or more.")
        return Step(self.verb, dict(step.args, table=catalog.table(step.args["table"], place(step)).name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        table = step.args["table"]
        return Footprint(writes=(table,), needs_approval=f"it removes older versions of {table!r} for good")

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        table, settings = step.args["table"], dict(context.lake.settings(step.args["table"]))
        count, days = step.get("count"), None
        if step.get("age"):
            n, unit = step.args["age"].split()
            days = int(n) * SECONDS[unit.rstrip("s")] / 86400
        was = {k: settings.get(k) for k in KEPT}
        settings["snapshots"] = count if count is not None else settings.get("snapshots")
        settings["retention_days"] = days if days is not None else settings.get("retention_days")
        context.lake.set_settings(table, settings, context.stamp)
        return {"events": [["retention.set", {"table": table, "versions": count, "days": days, "was": was}]]}
