"""Bring back an earlier version of a table, or the rows that left it for the archive."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from intendant.actions._cold import chosen, place_of, work_of
from intendant.actions._comeback import fitted
from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.errors import Damaged, LakeError
from intendant.lake import cold
from intendant.operators._compile import Typing
from intendant.types import Json, Snapshot, Step

__all__ = ["Restore"]


class Restore(Effect):
    verb = "restore"
    form = "restore <table:table> ( to ( version <version:int> | (previous):back version ) | from (archive):cold [<archive:text>] )"
    agent = "storage"
    summary = "Make an earlier version current again, or bring archived rows back, as a new version; a dropped table comes back too."
    example = "restore orders to version 12"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        name = str(step.args["table"])
        if name in catalog.dropped and not catalog.has(name) and not step.get("cold"):
            return step
        return Step(self.verb, dict(step.args, table=catalog.table(name, place(step)).name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        return Footprint(writes=(step.args["table"],))

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        name = step.args["table"]
        return catalog if catalog.has(name) else catalog.with_table(name, ())

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        name, lake, stamp = step.args["table"], context.lake, context.stamp
        if step.get("cold"):
            return self.brought(step, context)
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
        number = int(done.operation.rpartition(" ")[2])
        fact = {"table": name, "version": done.version, "from_version": number}
        return {"outputs": [_output(name, done.version, done.rows)], "events": [["table.restored", fact]]}

    def brought(self, step: Step, context: Context) -> dict[str, Json]:
        """Adds an archive's rows to the table in one commit, each file held against the manifest first."""
        name, lake, stamp = step.args["table"], context.lake, context.stamp
        done = lake.published(name, stamp)
        wanted = done.operation.removeprefix(cold.RESTORED) if done else str(step.get("archive") or "")
        work = work_of(context)
        try:
            if done is None:
                work.mkdir(parents=True, exist_ok=True)
                done, wanted = self.added(name, wanted, step, work, context)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        fact = {"table": name, "version": done.version, "archive": wanted}
        return {
            "outputs": [_output(name, done.version, rows_of(context, wanted))],
            "events": [["archive.restored", fact]],
        }

    def added(self, name: str, wanted: str, step: Step, work: Path, context: Context) -> tuple[Snapshot, str]:
        found = chosen(context.lake, context.journal, name, wanted)
        archive, at = str(found["id"]), place_of(context.workspace)
        manifest = cold.Manifest.read(at, spelled_as(context, archive, name), archive, work)
        if manifest.digest != found["digest"]:
            raise Damaged(
                f"The manifest of the archive {archive!r} isn't the one that was written",
                where=at.named(manifest.key()),
                hint=cold.BACK,
            )
        with cold.fetched(manifest, at, work) as files:
            sql = fitted(cold.brought(manifest, files), manifest, name, step, context)
            stage = context.lake.stage(name, context.stamp)
            try:
                stage.add_sql(context.engine, sql, {})
                if stage.rows != manifest.rows:
                    raise Damaged(
                        f"The archive {archive!r} holds {stage.rows:,} rows instead of {manifest.rows:,}",
                        where=at.named(manifest.key("")),
                        hint=cold.BACK,
                    )
                return context.lake.publish(stage, "append", operation=f"{cold.RESTORED}{archive}"), archive
            finally:
                stage.discard()

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


def rows_of(context: Context, archive: str) -> int:
    return int(archived(context, archive).get("rows", 0))


def spelled_as(context: Context, archive: str, name: str) -> str:
    """The table's name as it was spelled when the archive was made: its folder is named after it."""
    return str(archived(context, archive).get("table", name))


def archived(context: Context, archive: str) -> dict[str, Json]:
    for e in context.journal.events(kinds=["table.published"]):
        if isinstance(said := e.data.get("archive"), dict) and said["id"] == archive:
            return {**said, "table": e.data["table"]}
    return {}


def _output(table: str, version: int, rows: int) -> dict[str, Json]:
    return {"table": table, "version": version, "rows_written": rows, "rows_quarantined": 0}
