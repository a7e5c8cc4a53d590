"""Loads of what is new: when there is nothing to do, and a commit that also says how far a stream was read."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.actions import _topic
from intendant.actions.base import Context, Staged
from intendant.errors import Conflict
from intendant.lake import Lake, Stage
from intendant.lake.positions import Move
from intendant.run import setaside
from intendant.types import Json, Snapshot, Step

__all__ = ["idle", "published", "unchanged"]


def idle(lake: Lake, staged: Staged) -> bool:
    """Whether a load without a row leaves its table as it is, or not made at all, and nothing has to be noted."""
    if staged.mode == "replace":
        return False
    move = staged.facts.get("move")
    if lake.exists(staged.table):
        return move is None or (move["start"] == move["end"] and not staged.facts.get("aside"))
    return bool(move and move["alone"])


def unchanged(lake: Lake, table: str, aside: int) -> dict[str, Json]:
    """The output of a load that found nothing for its table."""
    version = lake.snapshot(table).version
    return {"table": table, "version": version, "rows_written": 0, "rows_quarantined": aside}


def published(stage: Stage, staged: Staged, step: Step, context: Context) -> Snapshot:
    """Publishes the stage, with the position that its rows reach; a stage without rows only moves the position.

    Letters go to the source's topic for them first, if it has one. Raises LakeError, Conflict, DiskFull, SourceError.
    """
    lake = context.lake
    read = staged.facts.get("inputs", {}).get(staged.table)
    if staged.mode == "replace" and read is not None and lake.exists(staged.table):
        now = lake.snapshot(staged.table).version
        if now != read:
            raise Conflict(
                f"{staged.table!r} became version {now} while version {read} was worked on",
                where=staged.table,
                hint="Nothing was published. Run it again on the newer version.",
            )
    move = _move(staged.facts)
    if move is not None and staged.facts.get("aside"):
        _topic.forwarded(step, setaside.held(stage, staged.facts), context)
    if move is not None and not stage.rows and staged.mode != "replace" and lake.exists(staged.table):
        done = lake.advance(staged.table, move, stage.stamp)
        stage.discard()
        return done
    return lake.publish(
        stage,
        staged.mode,
        staged.keys,
        partition_by=staged.partition_by,
        sort_by=staged.sort_by,
        operation=step.verb,
        move=move,
        follows=read if staged.mode == "replace" and read is not None and lake.exists(staged.table) else None,
    )


def _move(facts: Mapping[str, Json]) -> Move | None:
    move = facts.get("move")
    return Move(move["resource"], move["start"], move["end"], move["alone"]) if move else None
