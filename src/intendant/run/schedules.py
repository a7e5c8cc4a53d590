"""Schedules: what is due, and firing it once, however many clocks look."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from croniter import croniter

from intendant.errors import IntendantError
from intendant.run import refresh
from intendant.run.journal import Journal
from intendant.run.lineage import recipe
from intendant.run.storage_keeping import Keeper
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


def fire_due(app: Intendant, now: datetime) -> list[Result]:
    """Runs each schedule whose last due time has no run yet: once, whoever looks and however often.

    The run's id is made of schedule and due time, so two clocks start one run. Of several due times that were missed
    while nobody looked, the last is made up for.
    """
    out = []
    for s in schedules(app.journal, now):
        due = croniter(s["cron"], now.astimezone(ZoneInfo(s["timezone"])), ret_type=datetime).get_prev()
        key = f"{s['target']} {due.isoformat()}"
        if due <= datetime.fromisoformat(s["since"]) or app.journal.get("schedules", key) is not None:
            continue
        with claimed(app, key) as mine:
            if not mine or app.journal.get("schedules", key) is not None:
                continue
            run_id = f"{due.astimezone(UTC):%y%m%d-%H%M%S}-s{hashlib.sha256(key.encode()).hexdigest()[:7]}"
            idle = refresh.idle(app, s, run_id)
            result = Result("succeeded", intent=str(s["plan"]), reason=idle) if idle else fire(app, s, run_id)
            fact = {"target": s["target"], "due": due.isoformat(), "run_id": result.run_id, "status": result.status}
            fact |= {"note": idle} if idle else {}
            done = result.status == "succeeded" and idle != refresh.RUNNING
            if done and (marks := refresh.marks(app, s)) is not None:
                fact["marks"] = marks
            app.journal.append("schedules", key, "schedule.fired", fact)
            out.append(result)
    return out


@contextmanager
def claimed(app: Intendant, key: str) -> Iterator[bool]:
    """Whether this worker fires a due time: the only one at it, or the next one when the one at it died."""
    if app.team is None:
        yield True
        return
    part = f"schedule {key}"
    mine = app.team.claim(part)
    try:
        yield mine
    finally:
        if mine:
            app.team.done(part)


def fire(app: Intendant, schedule: dict[str, Json], run_id: str) -> Result:
    """Runs one schedule's plan.

    Who set the schedule of a table approved that the steps that make it run again; a pipeline's other steps still wait.
    """
    try:
        if schedule["kind"] == "pipeline":
            result = app.run(schedule["target"], by="schedule", run_id=run_id)
        else:
            result = app.do(str(schedule["plan"]) or refill(app, schedule["target"]), by="schedule", run_id=run_id)
        error = result.error if result.status == "failed" and not result.run_id else None
    except IntendantError as e:
        result, error = Result("failed", intent=str(schedule["plan"]), error=e.as_dict()), e.as_dict()
    if error:
        fact = {"target": schedule["target"], "error": dict(error)}
        app.journal.append("schedules", f"failed {schedule['target']} {time.time_ns()}", "schedule.failed", fact)
    return result


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
    """Fires schedules as they fall due until `stopped`; and finishes queued runs of other processes.

    Another process may own the execution meanwhile; this one takes over when that ends. With the state in PostgreSQL every
    such process takes its share. A fault that time may mend (a full disk, a database that is away) is said and tried again.
    """
    said, keeper = "", Keeper()
    app.owner.serve()
    while not stopped():
        try:
            broken = app.owner.broken
            if app.owner.acquire():
                fire_due(app, datetime.now(UTC))
                keeper.look(app)
            if broken is not None:
                raise broken
            said = ""
        except IntendantError as e:
            if str(e) != said:
                said = str(e)
                print(json.dumps({"error": e.as_dict()}, ensure_ascii=False), file=sys.stderr, flush=True)
        time.sleep(every)
