"""Tables with versions: stage, look, publish; and every way back (restore, undrop).

A publish is one Delta commit stamped with run and step, made under the table's lock; the same stamp again does
nothing. Files and log entry are in the store, durably and in this order, before a publish is reported.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from intendant.engines.base import Written
from intendant.engines.duckdb import DuckDB
from intendant.errors import Conflict, Damaged, LakeError, StorageRefused, StorageUnreachable, UnknownName, did_you_mean
from intendant.lake.disk import locked, space_guard, touched, tree_size
from intendant.lake.documents import Documents
from intendant.lake.files import Layout
from intendant.lake.local import Local
from intendant.lake.log import File, Log, State
from intendant.lake.manifest import read_manifest, read_mark
from intendant.lake.names import lock_name
from intendant.lake.positions import Move, moved, positions_in
from intendant.lake.schema import NULL, unify_columns
from intendant.lake.stage import Stage
from intendant.lake.store import Dropped, Store
from intendant.lake.sweep import Sweep
from intendant.lake.upsert import check_keys, merged
from intendant.types import Column, Json, Snapshot, Stamp

__all__ = ["Dropped", "Lake"]

Mode = Literal["replace", "append", "upsert"]
FRESH = itertools.count()


class Lake(Documents):
    """The tables under `root` (WORKSPACE/.intendant/lake), or in another `store`. Making one contacts and creates nothing."""

    def __init__(self, root: Path, engine: DuckDB | None = None, store: Store | None = None) -> None:
        self.root = root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would read the disk
        self.store: Store = store if store is not None else Local(root)
        self._engine = engine or DuckDB(temp=root / "tmp")
        if store is not None:
            self._engine.holders.append(store.held)
        self._logs: dict[str, Log] = {}
        Documents.__init__(self)

    @property
    def readable(self) -> tuple[Path, ...]:
        """The folders below which the files of snapshots lie."""
        return self.store.readable

    # what there is

    def names(self) -> list[str]:
        """All tables, sorted: "orders", "staging.orders", "quarantine.orders"."""
        return sorted(self.store.tables())

    def exists(self, table: str) -> bool:
        return self._alive(self._log(table))

    def spelled(self, table: str) -> str:
        """The table's name as it was made: `ORDERS` -> `orders`. Raises UnknownName."""
        return self.store.named(self._known(table).home)

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        """The table at `version` (None: now), its files checked to be there and whole.

        Raises UnknownName, LakeError (no such version), Damaged.
        """
        with self.store.look():
            log = self._known(table)
            self._check_version(log, table, version)
            state = log.state(version)
            if state is None:
                raise log.empty()
            self._check_files(log, state, table)
            return self._snapshot(log.home, state)

    def newest_whole(self, table: str) -> Snapshot | None:
        """The newest version that can be read, None when there is none: what a damaged table can be restored to."""
        for version in range(self._log(table).latest() or 0, -1, -1):
            try:
                return self.snapshot(table, version)
            except (StorageRefused, StorageUnreachable):
                raise
            except LakeError:
                continue
        return None

    def history(self, table: str) -> list[Snapshot]:
        """Every version that can be restored, newest first, without `files`. Raises UnknownName, Damaged."""
        with self.store.look():
            log = self._known(table)
            floor = Sweep(self.store, log.home).floor()
            return [replace(self._snapshot(log.home, s), files=()) for s in log.states() if s.version >= floor][::-1]

    def published(self, table: str, stamp: Stamp) -> Snapshot | None:
        """The version that this step of this run made, None when there is none yet."""
        with self.store.look():
            log = self._log(table)
            return self._done(log, stamp) if self._alive(log) else None

    def _done(self, log: Log, stamp: Stamp) -> Snapshot | None:
        version = log.version_of(stamp)
        state = None if version is None else log.state(version)
        return None if state is None else self._snapshot(log.home, state)

    def size(self) -> int:
        """Bytes of everything in the lake, trash and stages too."""
        return self.store.size()

    def check(self) -> str:
        """Where the tables are and how that is, for people. Raises StorageUnreachable, StorageRefused."""
        return self.store.check()

    # writing

    def stage(self, table: str, stamp: Stamp) -> Stage:
        """An empty stage; what an earlier attempt of the same step left is removed."""
        folder = self.store.stages(table) / _short(stamp)
        shutil.rmtree(folder, ignore_errors=True)
        stage = Stage(table, stamp, folder, self._engine, self.stage)
        stage.mark = uuid.uuid4().hex
        stage._parts = next(FRESH) % 90 * 10_000  # the engine remembers files by name: an earlier attempt's must not come again
        return stage

    def reopen(self, table: str, stamp: Stamp) -> Stage | None:
        """The saved stage of a step, as it was before a crash; None when there is none or it isn't whole."""
        folder = self.store.stages(table) / _short(stamp)
        held = read_manifest(folder, table)
        if held is None:
            return None
        stage = Stage(table, stamp, folder, self._engine, self.stage)
        stage.files, stage.columns = held
        stage.mark = read_mark(folder)
        stage._parts = 1000
        return stage

    def publish(self, stage: Stage, mode: Mode, keys: Sequence[str] = (), *, partition_by: Sequence[str] = (),
                sort_by: Sequence[str] = (), operation: str = "", move: Move | None = None,
                follows: int | None = None) -> Snapshot:
        """Makes the staged rows visible in one commit: as the whole table, behind its rows, or by key.

        Without `partition_by` and `sort_by` the table's settings hold. `upsert` replaces the rows with equal `keys`.
        `move` says from where to where a stream was read for these rows; rows that were made of the table's own version
        `follows` become the next version or, when there is another by then, Conflict. Raises LakeError (no columns, keys not unique
        or NULL), Conflict, DiskFull; the table is then unchanged.
        """
        layout = Layout(tuple(partition_by), tuple(sort_by))
        with self._locked(stage.table), space_guard(str(stage.folder)):
            done = self._tried(lambda: self._published(stage, mode, keys, layout, operation or mode, move, follows))
            stage.discard()
            return done

    def _tried(self, act: Callable[[], Snapshot]) -> Snapshot:
        """What `act` makes of the table as it is, worked out anew when a writer on another machine was first."""
        for pause in PAUSES:
            try:
                return act()
            except Conflict as error:
                if not error.facts.get("overtaken"):
                    raise
                time.sleep(random.uniform(0, pause))
        return act()

    def _published(self, stage: Stage, mode: Mode, keys: Sequence[str], layout: Layout, operation: str,
                   move: Move | None, follows: int | None) -> Snapshot:
        with self.store.look():
            log = self._log(stage.table)
            base = log.state()
            if base and (done := self._done(log, stage.stamp)):
                self.store.appear(stage.table, log.home)
                return done
            if follows is not None and (base is None or base.version != follows):
                raise Conflict(f"{stage.table!r} was changed while version {follows} was worked on", where=stage.table,
                               hint="Nothing was published. Run it again on the newer version.")
            layout = self._layout(log.home, layout)
            reached = moved(stage.table, base.configuration if base else {}, move, mode, operation)
            work, rows = stage.linked(), stage.rows
            try:
                columns, kept = self._planned(work, log, base, mode, keys, layout)
                return self._commit(work, log, base, columns, kept, layout, operation, rows, reached)
            finally:
                work.discard()

    def _planned(self, stage: Stage, log: Log, base: State | None, mode: Mode, keys: Sequence[str],
                 layout: Layout) -> tuple[tuple[Column, ...], list[File]]:
        """The table's columns after the publish and the files that stay; the stage then holds all the others."""
        if not stage.columns:
            raise LakeError(f"There are no columns to publish in {stage.table!r}", where=stage.table,
                            hint="Check that the source gave at least one record.")
        columns = _final_columns(stage, base, mode)
        if mode == "upsert":
            check_keys(self._engine, stage, columns, keys, base)
        kept = list(base.files.values()) if base and mode != "replace" else []
        retyped = base is not None and mode != "replace" and _types(base.columns) - _types(columns)
        if base and kept and (mode == "upsert" or retyped):
            self._check_files(log, base, stage.table)
            paths = self._paths(log.home, kept)
            stay = merged(self._engine, stage, columns, keys if mode == "upsert" else (), paths,
                          rewrite_all=bool(retyped))
            kept = [file for file, path in zip(kept, paths, strict=True) if path in stay]
        stage.conform(columns, layout)
        return columns, kept

    def _commit(self, stage: Stage, log: Log, base: State | None, columns: Sequence[Column], kept: Sequence[File],
                layout: Layout, operation: str, rows_written: int, reached: Mapping[str, str], *,
                data_change: bool = True) -> Snapshot:
        if base is None:
            log = self._log_at(self.store.make(stage.table), stage.table)
        new = self._moved_in(stage, log.home, base.version + 1 if base else 0)
        try:
            version = log.write(base, columns, [*kept, *new], stamp=stage.stamp, operation=operation,
                                configuration=_configuration(layout) | dict(reached), rows_written=rows_written,
                                data_change=data_change)
        except Conflict:
            self.store.clear(log.home, [f.path for f in new])
            raise
        self.store.appear(stage.table, log.home)
        stage.discard()
        return self.snapshot(stage.table, version)

    def _moved_in(self, stage: Stage, home: str, version: int) -> list[File]:
        """Takes the stage's files into the table's home, durably; they still belong to no version."""
        if not stage.files:
            return []
        target = f"v{version:08}-{uuid.uuid4().hex[:12]}"
        paths = [file.path.relative_to(stage.folder).as_posix() for file in stage.files]
        self.store.take(stage.folder, {p: f.bytes for p, f in zip(paths, stage.files, strict=True)}, f"{home}/{target}")
        return [_log_file(f, f"{target}/{p}") for p, f in zip(paths, stage.files, strict=True)]

    def positions(self, table: str) -> dict[str, Json]:
        """How far streams were read for the table's rows, by resource; {} when there is no table. Raises Damaged."""
        state = self._log(table).state() if self.exists(table) else None
        return positions_in(state.configuration) if state else {}

    def advance(self, table: str, move: Move, stamp: Stamp) -> Snapshot:
        """A version with the same rows, for a stream that was read further without a row for the table.

        Raises UnknownName, Conflict.
        """
        with self._locked(table):
            log = self._known(table)
            if done := self.published(table, stamp):
                return done
            base = log.state()
            assert base is not None
            reached = moved(table, base.configuration, move, "append", "advance")
            number = log.write(base, base.columns, list(base.files.values()), stamp=stamp, operation="advance",
                               configuration={**base.configuration, **reached}, rows_written=0, data_change=False)
            return self.snapshot(table, number)

    def restore(self, table: str, version: int, stamp: Stamp) -> Snapshot:
        """Makes a new version equal to `version`; also the way out of a damaged newer version.

        Raises UnknownName, LakeError (no such version), Damaged (that version is damaged too), Conflict.
        """
        with self._locked(table):
            log = self._known(table)
            with suppress(Damaged):
                done = self.published(table, stamp)
                if done:
                    return done
            self._check_version(log, table, version)
            target = log.state(version)
            assert target is not None
            self._check_files(log, target, table)
            base = self._readable_base(log)
            number = log.write(base, target.columns, list(target.files.values()), stamp=stamp,
                               operation=f"restore to version {version}", configuration=target.configuration,
                               rows_written=sum(f.rows for f in target.files.values()))
            return self.snapshot(table, number)

    def _readable_base(self, log: Log) -> State | None:
        try:
            return log.state()
        except Damaged as error:
            first = error.facts.get("version")
            assert isinstance(first, int)
            log.set_aside(first)
            return log.state()

    def compact(self, table: str, stamp: Stamp) -> Snapshot:
        """Rewrites the table into few large files in its settings' layout; the rows stay the same. Without a layout the files
        that are large already stay. Raises Conflict, DiskFull; the table is then unchanged.
        """
        with self._locked(table):
            done = self.published(table, stamp)
            if done:
                return done
            snapshot, log = self.snapshot(table), self._known(table)
            stage = self.stage(table, stamp)
            stage.columns = snapshot.columns
            layout = self._layout(log.home, Layout())
            base = log.state()
            reached = moved(table, base.configuration if base else {}, None, "append", "compact")
            if base is None or base.version != snapshot.version:
                raise Conflict(f"Another writer changed {table!r} first", where=table, hint="Run it again.")
            large = [] if layout else [f for f in base.files.values() if f.bytes >= LARGE]
            small = self._paths(log.home, [f for f in base.files.values() if f not in large])
            try:
                with space_guard(table):
                    merged(self._engine, stage, snapshot.columns, (), small, rewrite_all=True, layout=layout)
                    if sum(f.rows for f in stage.files) + sum(f.rows for f in large) != snapshot.rows:
                        raise Damaged(f"Rewriting {table!r} gave another number of rows", where=table,
                                      hint="Restore an earlier version.")
                    return self._commit(stage, log, base, snapshot.columns, large, layout, "compact", 0, reached,
                                        data_change=False)
            finally:
                stage.discard()

    # dropping and cleaning

    def drop(self, table: str, stamp: Stamp) -> None:
        """Moves the table to the trash, whole; `undrop` brings it back. Raises UnknownName."""
        with self._locked(table):
            if self.store.bin.holds(table, stamp):
                return
            log = self._known(table)
            self.store.bin.take(log.home, self.store.named(log.home), stamp)

    def dropped(self) -> list[Dropped]:
        """What is in the trash, newest first."""
        return self.store.bin.items()

    def undrop(self, table: str, stamp: Stamp, *, dropped_by: Stamp | None = None) -> Snapshot:
        """Brings back the newest dropped table of that name, or the one that `dropped_by` dropped.

        Raises UnknownName, LakeError when one is there again.
        """
        with self._locked(table):
            self.store.bin.give_back(table, stamp, self.store.home(table), self.exists(table), dropped_by)
            return self.snapshot(table)

    def empty_trash(self, older_than_days: float, dropped_by: Stamp | None = None) -> int:
        """Deletes for good what was dropped longer ago (by that step alone); the bytes freed."""
        return self.store.bin.empty(older_than_days, dropped_by)

    def vacuum(self, table: str, keep_versions: int | None, keep_days: float | None) -> int:
        """Deletes the files that only older versions need; the bytes freed.

        Kept are the newest `keep_versions` versions and all states of the last `keep_days` days, whichever is more;
        both None keeps every version and removes only what interrupted writes left.
        """
        with self._locked(table):
            log = self._known(table)
            return Sweep(self.store, log.home).vacuum(log, keep_versions, keep_days)

    def collect(self, stamps_alive: Iterable[Stamp], idle_seconds: float = 0.0) -> int:
        """Removes the stages of steps that are no longer alive (and weren't written for so long), and orphaned files; the
        bytes freed."""
        alive = {_short(stamp) for stamp in stamps_alive}
        return sum(self._collect_one(table, alive, time.time() - idle_seconds) for table in self.store.left())

    def _collect_one(self, table: str, alive: set[str], before: float) -> int:
        with self._locked(table):
            freed = 0
            for folder in self.store.stages(table).glob("*"):
                if folder.name.removesuffix(".work") not in alive and touched(folder) <= before:
                    freed += tree_size(folder)
                    shutil.rmtree(folder, ignore_errors=True)
            if self._alive(log := self._log(table)):
                with suppress(Damaged):
                    freed += Sweep(self.store, log.home).vacuum(log, None, None)
            return freed

    # inside

    def _log(self, table: str) -> Log:
        return self._log_at(self.store.home(table), table)

    def _log_at(self, home: str, table: str) -> Log:
        return self._logs.setdefault(home, Log(self.store, home, table))

    def _alive(self, log: Log) -> bool:
        return self.store.alive(log.table, log.home, log.exists)

    def _known(self, table: str) -> Log:
        log = self._log(table)
        if not self._alive(log):
            raise UnknownName(f"There is no table {table!r}", where=table,
                              hint=did_you_mean(table, self.names(), "table"))
        return log

    @contextmanager
    def _locked(self, table: str) -> Iterator[None]:
        with locked(self.root / "locks" / lock_name(table)):
            self.store.refresh()
            yield

    def _layout(self, home: str, wanted: Layout) -> Layout:
        settings = self.settings_at(home)[0]
        return Layout(tuple(wanted.partition_by or settings.get("partition_by") or ()),
                      tuple(wanted.sort_by or settings.get("sort_by") or ()))

    def _paths(self, home: str, files: Iterable[File]) -> tuple[str, ...]:
        return self.store.local(home, {file.path: file.bytes for file in files})

    def _snapshot(self, home: str, state: State) -> Snapshot:
        ours = state.commit.info.get("intendant") or {}
        files = state.files.values()
        return Snapshot(self.store.named(home), state.version, state.commit.at, sum(f.rows for f in files),
                        sum(f.bytes for f in files), state.columns, self._paths(home, files),
                        ours.get("operation", str(state.commit.info.get("operation") or "")), ours.get("run", ""),
                        ours.get("step", ""), tuple(json.loads(state.configuration.get(PARTITIONS, "[]"))))

    def _check_version(self, log: Log, table: str, version: int | None) -> None:
        if version is None:
            return
        latest, floor = log.latest() or 0, Sweep(self.store, log.home).floor()
        if not floor <= version <= latest:
            raise LakeError(f"{table!r} has no version {version}", where=table,
                            hint=f"There are the versions {floor} to {latest}.")

    def _check_files(self, log: Log, state: State, table: str) -> None:
        broken = self._broken(log, state)
        if broken:
            floor = Sweep(self.store, log.home).floor()
            whole = max((s.version for s in log.states(state.version)
                         if s.version >= floor and not self._broken(log, s)), default=None)
            mend = (f"Restore {table!r} to version {whole}" if whole is not None
                    else "No whole version is left: restore the folder from a copy, or load the table again")
            lost = state.files[broken].rows
            raise Damaged(f"A data file of {table!r} version {state.version} is missing or cut short ({lost} rows)",
                          where=self.store.shown(f"{log.home}/{broken}"), hint=f"{mend}.", table=table, rows=lost)

    def _broken(self, log: Log, state: State) -> str | None:
        return self.store.lacking(log.home, {path: file.bytes for path, file in state.files.items()})


PAUSES = (0.05, 0.2, 0.8)
"""Seconds at most before a publish is worked out anew because another writer was first; after the last it is a Conflict."""
LARGE = 64_000_000
"""Bytes from which on a file is left as it is when a table is compacted."""
PARTITIONS = "intendant.partition_by"


def _short(stamp: Stamp) -> str:
    return hashlib.sha256(json.dumps([stamp.run, stamp.step]).encode()).hexdigest()[:20]


def _configuration(layout: Layout) -> dict[str, str]:
    base = {"delta.enableExpiredLogCleanup": "false"}
    return base | ({PARTITIONS: json.dumps(layout.partition_by)} if layout.partition_by else {})


def _types(columns: Iterable[Column]) -> set[tuple[str, str]]:
    return {(c.name, c.type) for c in columns}


def _final_columns(stage: Stage, base: State | None, mode: Mode) -> tuple[Column, ...]:
    """The union by name for append and upsert; for replace the staged ones. Untyped columns keep their old type."""
    before = base.columns if base else ()
    if mode != "replace":
        united = unify_columns([before, stage.columns])
    else:
        old = {c.name.casefold(): c.type for c in before}
        united = tuple(Column(c.name, old.get(c.name.casefold(), NULL) if c.type == NULL else c.type)
                       for c in stage.columns)
    return tuple(Column(c.name, "VARCHAR" if c.type == NULL else c.type) for c in united)


def _log_file(file: Written, path: str) -> File:
    return File(path, file.bytes, file.rows, json.dumps(file.stats, ensure_ascii=False, allow_nan=False))
