"""Do something again and again."""

from __future__ import annotations

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.errors import UnknownName, did_you_mean
from intendant.language.schedule import cron_of
from intendant.operators._compile import Typing
from intendant.types import Json, Step

__all__ = ["Schedule"]


class Schedule(Effect):
    verb = "schedule"
    form = "schedule ( refresh of <table:table> | run of <pipeline:name> ) <when:when>"
    agent = "storage"
    summary = "Refresh a table (repeat the steps that made it) or run a pipeline on a schedule."
    example = "schedule refresh of sales_mart daily at 00:00"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        if step.get("pipeline"):
            if step.args["pipeline"] not in catalog.pipelines:
                raise UnknownName(
                    f"there is no pipeline {step.args['pipeline']!r}",
                    where=place(step),
                    hint=did_you_mean(step.args["pipeline"], catalog.pipelines, "pipeline"),
                )
            return step
        return Step(self.verb, dict(step.args, table=catalog.table(step.args["table"], place(step)).name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        return Footprint()

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        target = step.get("table") or step.args["pipeline"]
        fact = {
            "target": target,
            "kind": "table" if step.get("table") else "pipeline",
            "when": step.args["when"],
            "cron": cron_of(step.args["when"]),
            "timezone": "UTC",
        }
        return {"events": [["schedule.set", fact]]}
