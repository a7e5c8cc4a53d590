"""Bring back an earlier version of a table."""

from __future__ import annotations

from contextlib import suppress

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.errors import Damaged, LakeError
from intendant.operators._compile import Typing
from intendant.types import Json, Step

__all__ = ["Restore"]


class Restore(Effect):
    verb = "restore"
    form = "restore <table:table> to ( version <version:int> | (previous):back version )"
    agent = "storage"
    summary = "Make an earlier version current again, as a new version; a dropped table comes back too."
    example = "restore orders to version 12"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        name = str(step.args["table"])
        if name in catalog.dropped and not catalog.has(name):
            return step
        return Step(self.verb, dict(step.args, table=catalog.table(name, place(step)).name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        return Footprint(writes=(step.args["table"],))

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        name = step.args["table"]
        return catalog if catalog.has(name) else catalog.with_table(name, ())

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        name, lake, stamp = step.args["table"], context.lake, context.stamp
        done = None
        if lake.exists(name):
            with suppress(Damaged):  # restoring is the way out of it
                done = lake.published(name, stamp)
        if done is None and not lake.exists(name):
            done = lake.undrop(name, stamp)
            if not step.get("version"):
                return {"outputs": [_output(name, done.version, done.rows)]}
            done = None
        if done is None:
            version = step.get("version")
            done = lake.restore(name, self.previous(name, context) if version is None else version, stamp)
        return {"outputs": [_output(name, done.version, done.rows)]}

    def previous(self, name: str, context: Context) -> int:
        try:
            versions = [s.version for s in context.lake.history(name)]
        except Damaged:
            whole = context.lake.newest_whole(name)
            versions = [-1, whole.version] if whole else []
        if len(versions) < 2:
            raise LakeError(
                f"table {name!r} has no earlier version", hint=f"`intendant history {name}` shows what there is."
            )
        return versions[1]


def _output(table: str, version: int, rows: int) -> dict[str, Json]:
    return {"table": table, "version": version, "rows_written": rows, "rows_quarantined": 0}
