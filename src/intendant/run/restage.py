"""A stage that is gone before its publish: the worker that filled it is dead, and its disk was its own.

Nothing that wasn't audited is published, so the step is done anew from its beginning: rows are read again (from the cursor that is
committed), staged and audited. What a person accepted holds for the new rows only if the audit finds the same in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from intendant.catalog import Catalog
from intendant.errors import Damaged
from intendant.lake import Lake
from intendant.lake.stage import quarantine_of
from intendant.language import print_step
from intendant.run.journal import in_text
from intendant.types import Event, Json, Stamp

if TYPE_CHECKING:
    from intendant.run.loop import Facts, Part

__all__ = ["LOST", "StageLost", "again", "as_before", "asked_about", "granted", "still_accepted", "unless_lost"]

LOST = "stage.lost"
MOST = 5
"""Times that one step is staged anew in one part of a run."""


class StageLost(Damaged):
    """The staged rows of a step are gone, and none of them was published."""


def unless_lost(do: Callable[[], Facts]) -> Facts:
    """A phase's facts, or the event that its stage is gone."""
    try:
        return do()
    except StageLost as e:
        return {"event": LOST, "why": e.message}


def again(part: Part, i: int) -> Facts:
    """Stages a step anew, and says so. Raises Damaged when that keeps being in vain."""
    step, n = part.steps[i], part.staged_again[i]
    if n > MOST:
        raise Damaged(
            f"the staged rows were gone {n} times",
            where=print_step(step),
            hint="Nothing was published. Look at the disk of `.intendant`, and run it again.",
        )
    lake, table = part.loop.lake, part.writes(i)[0]
    lake.stage(quarantine_of(table), Stamp(part.run_id, str(i))).discard()  # what an audit of earlier rows had set aside here
    taken = taken_back(lake, table, Stamp(part.run_id, aside_step(part, i, n - 1)))
    fact = {
        "step": print_step(step),
        "why": "the staged rows were on another machine or are gone",
        "quarantine_taken_back": taken,
    }
    part.tell(f"{i}.restaged{suffix(part, i)}", "step.restaged", fact)
    return part.stage(i)


def suffix(part: Part, i: int, n: int | None = None) -> str:
    """What is put behind the keys of facts about a step that was staged anew."""
    n = part.staged_again.get(i, 0) if n is None else n
    return f".again.{part.part}.{n}" if n else ""


def aside_step(part: Part, i: int, n: int | None = None) -> str:
    """The stamp's step of a quarantine: rows set aside of another stage are other rows."""
    return f"{i}{suffix(part, i, n)}"


def taken_back(lake: Lake, table: str, stamp: Stamp) -> int:
    """Takes the rows back that the lost stage had set aside: they come again with the new one. How many they were.

    Rows that others have set aside since then are left, and so are those before them.
    """
    name = f"quarantine.{table}"
    made = lake.published(name, stamp) if lake.exists(name) else None
    if made is None or lake.snapshot(name).version != made.version:
        return 0
    rows = made.rows - (lake.snapshot(name, made.version - 1).rows if made.version else 0)
    back = Stamp(stamp.run, f"{stamp.step}.taken_back")
    if made.version:
        lake.restore(name, made.version - 1, back)
    else:
        lake.drop(name, back)
    return rows


def as_before(part: Part, i: int, catalog: Catalog) -> Catalog:
    """The catalog with the columns that the step's table had before this step published it, if a crash came right behind that."""
    lake, stamp = part.loop.lake, Stamp(part.run_id, str(i))
    for table in part.writes(i):
        try:
            done = lake.published(table, stamp) if lake.exists(table) else None
        except Damaged:
            continue  # the step itself says so, or mends it
        if done is not None and done.version:
            was = next((s for s in lake.history(table) if s.version == done.version - 1), None)
            catalog = catalog.with_table(done.table, was.columns) if was is not None else catalog
    return catalog


def asked_about(part: Part, i: int) -> Event | None:
    """The last review that was asked for of a step."""
    asked = part.journal.events(part.run_id, kinds=["approval.requested"])
    return next((e for e in reversed(asked) if e.data.get("step") == i), None)


def granted(part: Part, asked: Event) -> bool:
    """Whether a person said yes to it."""
    said = part.journal.events(part.run_id, kinds=["approval.granted"])
    return any(e.data.get("request") == asked.seq for e in said)


def still_accepted(part: Part, i: int, findings: list[dict[str, Json]]) -> bool:
    """Whether a person's yes holds for what an audit found: on the stage it was said of, or the same on one made anew."""
    if part.journal.get(part.run_id, f"{i}.approved") is None:
        return False
    asked = asked_about(part, i)
    if not part.staged_again.get(i) or asked is None:
        return True
    said = {"findings": asked.data.get("audited", {}).get("findings", [])}
    return granted(part, asked) and in_text(said) == in_text({"findings": findings})
