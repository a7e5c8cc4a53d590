"""Whether a scheduled refresh has anything to do: what its table is made of, held against what that was last time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from intendant.actions import actions
from intendant.errors import IntendantError
from intendant.language import parse
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["RUNNING", "idle", "marks"]

SAME, RUNNING = "nothing that it is made of has changed", "its run before this one hasn't ended"


def idle(app: Intendant, schedule: Mapping[str, Json], run_id: str) -> str:
    """Why a due refresh need not run, or "". A pipeline is always run: it knows by itself what is due."""
    if schedule["kind"] != "table":
        return ""
    if running(app, str(schedule["plan"]), run_id):
        return RUNNING
    now = marks(app, schedule)
    return SAME if now is not None and now == last(app, schedule) else ""


def marks(app: Intendant, schedule: Mapping[str, Json]) -> dict[str, Json] | None:
    """{"table orders": version, "source drops": mark} of all that the plan reads and makes; None where that can't be told
    without reading it (a source that isn't files of this machine), or where a table is gone.
    """
    plan = str(schedule["plan"])
    if not plan:
        return None
    out: dict[str, Json] = {"plan": plan}
    made: set[str] = set()
    try:
        catalog = app.catalog()
        for step in parse(plan).steps:
            if step.verb == "ingest":
                source = str(step.args["resource"]).partition(".")[0]
                seen = app.knowledge.files_of(source)
                if seen is None:
                    return None
                out[f"source {source}"] = hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]
            footprint = actions()[step.verb].footprint(step, catalog)
            for table in footprint.reads if step.verb != "ingest" else ():
                if table.lower() not in made:
                    out[f"table {table.lower()}"] = app.lake.snapshot(table).version
            made |= {t.lower() for t in footprint.writes}
        for table in sorted({*made, str(schedule["target"]).lower()}):
            out[f"table {table}"] = app.lake.snapshot(table).version
    except IntendantError:  # the run itself will say what is wrong
        return None
    return out


def last(app: Intendant, schedule: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """What the marks were after the last refresh that succeeded."""
    for e in app.journal.events(kinds=["schedule.fired"], newest=True, limit=1000):
        if e.data["target"] == schedule["target"]:
            return e.data.get("marks")
    return None


def running(app: Intendant, plan: str, but: str) -> bool:
    """Whether a scheduled run of this plan is on its way."""
    for e in app.journal.events(kinds=["intent.received"], newest=True, limit=200):
        if e.data["by"] == "schedule" and e.data["text"] == plan and e.run != but:
            return not app.journal.events(e.run, kinds=["run.finished"])
    return False
