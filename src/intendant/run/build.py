"""Pipelines run: one of them, what of them is due, side by side where nothing is shared, and one over a range of days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from intendant.errors import IntendantError, UnknownName, UsageError
from intendant.run.changes import Preview, plan_diff
from intendant.run.pipelines import (
    Pipeline,
    declared,
    due,
    filled,
    found_file,
    last_of,
    last_run,
    named,
    needs,
    one,
    opened,
    ordered,
    pipeline,
    read,
)
from intendant.run.prepare import prepare
from intendant.types import Json, Result

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["JOBS", "backfill", "build", "periods", "run"]

JOBS = 2
"""Pipelines that a build runs at the same time."""
MOST_PERIODS = 1_000
Row = dict[str, Json]


def run(
    app: Intendant, name: str, given: Mapping[str, str] | None = None, *, approve: bool = False, by: str = "api",
    run_id: str = "", dry_run: bool = False,
) -> Result:  # fmt: skip
    """Runs one pipeline, or says what it would change and how its plan differs from the last one that succeeded.

    Raises UnknownName; other errors come as a Result.
    """
    try:
        p = one(app, name, given)
    except UnknownName:
        raise
    except IntendantError as e:
        return Result("failed", error=e.as_dict())
    result = app.do(p.text, approve=approve, by=named(by, name), run_id=run_id, dry_run=dry_run)
    result = replace(result, error=in_file(result.error, name)) if result.error else result
    if result.changes is None:
        return result
    return replace(result, changes={**result.changes, "plan": against_last(app, p, result.plan)})


def against_last(app: Intendant, p: Pipeline, plan: str) -> dict[str, Json] | None:
    """{"last_run", "new", "gone"}: the lines of the plan against those of its last run; None when it never succeeded."""
    last = last_of(app, p)
    return {"last_run": last[0], **plan_diff(last[1], plan)} if last else None


def build(
    app: Intendant, wanted: Sequence[str] = (), given: Mapping[str, str] | None = None, *, every: bool = False,
    dry_run: bool = False, approve: bool = False, by: str = "api", jobs: int = JOBS,
) -> list[dict[str, Json]]:  # fmt: skip
    """Runs what is due, in order: {"pipeline", "status", "why", "run_id", ...} each. `every` runs also what isn't due,
    `dry_run` only says, with the `changes` of each. What needs a pipeline that failed is skipped.

    Up to `jobs` run at the same time, never two of which one may change a table that the other one uses. Raises what `opened`
    and `ordered` raise, UsageError for less than one job.
    """
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}", hint="It is 1 or more.")
    found = opened(app, given)
    plan = ordered(found, wanted)
    writer = {t: p.name for p in found.values() for t in p.writes}
    rows: dict[str, Row] = {}

    def looked(p: Pipeline) -> Row:
        """The row of a pipeline whose turn it is, before it runs: fresh, due or skipped."""
        before = needs(p, writer)
        state = {b: rows[b]["status"] for b in before if b in rows}
        broken = next((b for b, s in state.items() if s not in ("succeeded", "fresh", "due")), "")
        moved = next((b for b, s in state.items() if s in ("succeeded", "due")), "")
        why = due(app, p) or (f"{moved} runs before it" if moved else "") or ("all were asked for" if every else "")
        if broken:
            return {"pipeline": p.name, "status": "skipped", "why": f"{broken} did not succeed", "after": before}
        return {"pipeline": p.name, "status": "due" if why else "fresh", "why": why, "after": before}

    if dry_run:
        foreseen(app, plan, looked, rows)
    else:
        at_once(plan, looked, lambda p: job(app, p, approve, by), rows, jobs, writer)
    return [rows[p.name] for p in plan]


def at_once(
    plan: Sequence[Pipeline], looked: Callable[[Pipeline], Row], job: Callable[[Pipeline], Callable[[], Row]],
    rows: dict[str, Row], jobs: int, writer: Mapping[str, str],
) -> None:  # fmt: skip
    """Fills `rows`: each pipeline once those that it needs have ended and none runs that it meets."""
    waiting, running = list(plan), dict[Future[Row], tuple[Pipeline, Row]]()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="intendant-build")
    names = {p.name for p in plan}
    try:
        while waiting or running:
            for p in list(waiting):
                ready = all(b in rows for b in needs(p, writer) if b in names)
                if len(running) >= jobs or not ready or any(p.meets(r) for r, _ in running.values()):
                    continue
                waiting.remove(p)
                row = looked(p)
                if row["status"] == "due":
                    running[pool.submit(job(p))] = p, row
                else:
                    rows[p.name] = row
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                p, row = running.pop(future)
                rows[p.name] = row | future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def job(app: Intendant, p: Pipeline, approve: bool, by: str) -> Callable[[], Row]:
    """What a thread of a build does: runs the pipeline, and gives what its row says of it."""
    assert app.owner  # made here, before there are threads

    def do() -> Row:
        try:
            return outcome(app.do(p.text, approve=approve, by=named(by, p.name)), p.name)
        except UsageError as e:
            return {"status": "failed", "error": e.as_dict()}

    return do


def foreseen(app: Intendant, plan: Sequence[Pipeline], looked: Callable[[Pipeline], Row], rows: dict[str, Row]) -> None:
    """Fills `rows` with what would run, each over what those before it would leave, and what it would change."""
    with Preview(app) as preview:
        for p in plan:
            row = rows[p.name] = looked(p)
            if row["status"] != "due":
                continue
            try:
                prepared = prepare(p.text, p.plan, preview.knowledge, preview.typing, 1.0)
            except IntendantError as e:
                row["error"] = in_file(e.as_dict(), p.name)
                continue
            row["changes"] = {**preview.of(prepared), "plan": against_last(app, p, prepared.rendered)}


def outcome(result: Result, name: str) -> dict[str, Json]:
    row: dict[str, Json] = {"status": result.status, "run_id": result.run_id}
    if result.error:
        row["error"] = in_file(result.error, name)
    return row


def in_file(error: Mapping[str, str], name: str) -> dict[str, str]:
    """The error with the pipeline's file before the line."""
    where = error.get("where", "")
    return {**error, "where": f"{name}.intent, {where}"} if where.startswith("line ") else dict(error)


def periods(start: date, end: date, every: str) -> list[tuple[date, date]]:
    """The days, weeks (from Monday) or months from `start` to before `end`, as (from, to). Raises UsageError."""
    if start >= end:
        raise UsageError(f"the range {start}..{end} is empty", hint="Its end is the first day that is left out.")
    out: list[tuple[date, date]] = []
    at = start
    while at < end:
        following = min(next_of(at, every), end)
        out.append((at, following))
        at = following
        if len(out) > MOST_PERIODS:
            raise UsageError(
                f"the range has more than {MOST_PERIODS:,} periods", hint="Take longer ones: --every month."
            )
    return out


def next_of(at: date, every: str) -> date:
    if every == "day":
        return at + timedelta(days=1)
    if every == "week":
        return at + timedelta(days=7 - at.weekday())
    if every == "month":
        return (at.replace(day=1) + timedelta(days=32)).replace(day=1)
    raise UsageError(f"--every is {every!r}", hint="Use day, week or month.")


def backfill(
    app: Intendant, name: str, spans: Iterable[tuple[date, date]], given: Mapping[str, str] | None = None, *,
    approve: bool = False, by: str = "api",
) -> Iterator[dict[str, Json]]:  # fmt: skip
    """Runs one pipeline for each period, `$from` and `$to` (left out itself) set; a period that this very text has run for
    is passed over, so that a backfill that was broken off goes on. Ends at the first that doesn't succeed.

    Raises UsageError for a pipeline without the parameters `from` and `to`.
    """
    path = found_file(app, name)
    text = read(path)
    lacking = {"from", "to"} - set(declared(text))
    if lacking:
        raise UsageError(
            f"{path.name} has no parameter {sorted(lacking)[0]!r}",
            hint="A backfill sets both: param from = date '2026-01-01' and param to = date '2026-01-02'.",
        )
    for start, end in spans:
        own = {**(given or {}), "from": start.isoformat(), "to": end.isoformat()}
        p = pipeline(name, filled(text, own, path.name), path)
        row: dict[str, Json] = {"pipeline": name, "from": start.isoformat(), "to": end.isoformat(), "status": "fresh"}
        if last_run(app, p) is None:
            row |= outcome(app.do(p.text, approve=approve, by=f"{by}, backfill of {name}"), name)
        yield row
        if row["status"] not in ("succeeded", "fresh"):
            return
