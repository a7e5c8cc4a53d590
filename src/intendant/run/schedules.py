"""Schedules: what is due, and firing it once, however many clocks look."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from croniter import croniter

from intendant.errors import IntendantError
from intendant.run.journal import Journal
from intendant.run.lineage import recipe
from intendant.types import Json, Result

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["fire_due", "run_forever", "schedules"]


def schedules(journal: Journal, now: datetime | None = None) -> list[dict[str, Json]]:
    """The schedules in force, the last one set for each target, with when each is next."""
    last = {}
    for e in journal.events(kinds=["schedule.set", "schedule.removed", "table.dropped"]):
        if e.kind == "schedule.set":
            last[e.data["target"]] = e
        else:
            last.pop(e.data.get("target", e.data.get("table")), None)
    out = []
    for target, e in last.items():
        zone = ZoneInfo(e.data["timezone"])
        following = croniter(e.data["cron"], (now or datetime.now(UTC)).astimezone(zone)).get_next(datetime)
        out.append(
            {
                "target": target,
                "kind": e.data["kind"],
                "plan": "\n".join(plan_of(journal, target, e.data["kind"])),
                "cron": e.data["cron"],
                "timezone": e.data["timezone"],
                "when": e.data["when"],
                "next": following.isoformat(),
                "since": e.at,
            }
        )
    return out


def plan_of(journal: Journal, target: str, kind: str) -> list[str]:
    """What a schedule runs: a pipeline by name, or the steps that made a table."""
    return [f"run {target}"] if kind == "pipeline" else recipe(journal, target)


def fire_due(app: Intendant, since: datetime, now: datetime) -> list[Result]:
    """Runs what became due in (since, now], each due time once (the journal's key sees to it)."""
    out = []
    for s in schedules(app.journal, since):
        zone = ZoneInfo(s["timezone"])
        due = croniter(s["cron"], since.astimezone(zone)).get_next(datetime)
        if due > now.astimezone(zone):
            continue
        key = f"{s['target']} {due.isoformat()}"
        before = app.journal.get("schedules", key)
        if before is not None:
            continue
        app.journal.append("schedules", key, "schedule.fired", {"target": s["target"], "due": due.isoformat()})
        out.append(fire(app, s))
    return out


def fire(app: Intendant, schedule: dict[str, Json]) -> Result:
    """Runs one schedule's plan. A person approved it by setting the schedule, for just these steps."""
    try:
        if schedule["kind"] == "pipeline":
            return app.run(schedule["target"], by="schedule")
        plan = str(schedule["plan"]) or refill(app, schedule["target"])
        return app.do(plan, by="schedule")
    except IntendantError as e:
        app.journal.append(
            "schedules",
            f"failed {schedule['target']} {time.time_ns()}",
            "schedule.failed",
            {"target": schedule["target"], "error": e.as_dict()},
        )
        return Result("failed", intent=str(schedule["plan"]), error=e.as_dict())


def refill(app: Intendant, table: str) -> str:
    """For a table that was loaded from a file: the resource of the same name, when there is just one."""
    from intendant.language.grammar import grammar

    name = table.rpartition(".")[2]
    found = [r.full for r in app.catalog().resources.values() if r.name.lower() == name.lower()]
    if len(found) != 1:
        return ""
    kinds = grammar().kinds
    return f"ingest {kinds['resource'].write(found[0])} into {kinds['table'].write(table)}"


def run_forever(app: Intendant, stopped: Callable[[], bool], every: float = 1.0) -> None:
    """Fires schedules as they fall due until `stopped`; and finishes queued runs of other processes."""
    since = datetime.now(UTC)
    while not stopped():
        now = datetime.now(UTC)
        if now > since:
            fire_due(app, since, now)
            since = now
        app.resume()
        time.sleep(every)
