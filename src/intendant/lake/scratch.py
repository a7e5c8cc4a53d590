"""A lake over another, for trying: what is written here is seen here alone, and the one below stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from intendant.engines.duckdb import DuckDB
from intendant.errors import LakeError, UnknownName, did_you_mean
from intendant.lake.lake import Lake, Mode
from intendant.lake.positions import Move
from intendant.lake.schema import unify_columns
from intendant.lake.stage import Stage
from intendant.lake.store import Dropped
from intendant.types import Column, Json, Snapshot, Stamp

__all__ = ["Scratch"]


class Scratch(Lake):
    """Reads come from `under` until a table is written here; files lie under `root`, which the caller removes.

    `unknown` says of a table (in small letters) why its rows can't be told; its columns are known as far as may be.
    """

    def __init__(self, root: Path, under: Lake, engine: DuckDB) -> None:
        super().__init__(root, engine)
        self.under = under
        self.own: dict[str, Snapshot | None] = {}
        self.unknown: dict[str, str] = {}
        self._documents: dict[str, dict[str, Json]] = {}

    @property
    def readable(self) -> tuple[Path, ...]:
        return (*super().readable, *self.under.readable)

    # what there is

    def names(self) -> list[str]:
        below = [t for t in self.under.names() if t.lower() not in self.own]
        return sorted([*below, *(s.table for s in self.own.values() if s is not None)])

    def exists(self, table: str) -> bool:
        key = table.lower()
        return self.own[key] is not None if key in self.own else self.under.exists(table)

    def spelled(self, table: str) -> str:
        return self.snapshot(table).table

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        key = table.lower()
        if key not in self.own:
            return self.under.snapshot(table, version)
        own = self.own[key]
        if own is None:
            raise UnknownName(
                f"There is no table {table!r}", where=table, hint=did_you_mean(table, self.names(), "table")
            )
        return own if version in (None, own.version) else self.under.snapshot(table, version)

    def newest_whole(self, table: str) -> Snapshot | None:
        return self.own.get(table.lower()) or self.under.newest_whole(table)

    def history(self, table: str) -> list[Snapshot]:
        own = self.own.get(table.lower())
        below = self.under.history(table) if self.under.exists(table) else []
        return [replace(own, files=()), *below] if own else below

    def published(self, table: str, stamp: Stamp) -> Snapshot | None:
        return None

    def dropped(self) -> list[Dropped]:
        return self.under.dropped()

    def settings(self, table: str) -> dict[str, Json]:
        key = table.lower()
        return dict(self._documents[key]) if key in self._documents else self.under.settings(table)

    # writing, here alone

    def set_settings(self, table: str, settings: Mapping[str, Json], stamp: Stamp) -> None:
        self._documents[table.lower()] = dict(settings)

    def publish(
        self,
        stage: Stage,
        mode: Mode,
        keys: Sequence[str] = (),
        *,
        partition_by: Sequence[str] = (),
        sort_by: Sequence[str] = (),
        operation: str = "",
        move: Move | None = None,
        follows: int | None = None,
    ) -> Snapshot:
        """The staged rows as the table's next version, by `replace` or `append`. Raises LakeError for an upsert."""
        if mode == "upsert":
            raise LakeError("an upsert can't be tried", where=stage.table, hint="Only what is loaded is upserted.")
        new = stage.snapshot()
        before = self.snapshot(stage.table) if self.exists(stage.table) else None
        if before is not None and mode == "append":
            new = replace(
                new,
                files=(*before.files, *new.files),
                rows=before.rows + new.rows,
                bytes=before.bytes + new.bytes,
                columns=unify_columns([before.columns, new.columns]),
            )
        return self.put(replace(new, version=before.version + 1 if before else 0, operation=operation or mode))

    def put(self, snapshot: Snapshot) -> Snapshot:
        """The table as it is from now on."""
        self.own[snapshot.table.lower()] = snapshot
        self.unknown.pop(snapshot.table.lower(), None)
        return snapshot

    def guess(self, table: str, columns: Sequence[Column], why: str) -> None:
        """The table's columns from now on, its rows not known."""
        version = self.snapshot(table).version + 1 if self.exists(table) else 0
        self.own[table.lower()] = Snapshot(table, version, "", 0, 0, tuple(columns))
        self.unknown[table.lower()] = why

    def take_away(self, table: str) -> None:
        """No such table from now on."""
        self.own[table.lower()] = None
        self.unknown.pop(table.lower(), None)
