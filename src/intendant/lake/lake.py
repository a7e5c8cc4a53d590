"""Tables with versions: stage, look, publish; and every way back (restore, undrop).

A publish is one Delta commit stamped with run and step, made under the table's lock; the same stamp again does
nothing. Files and log entry are on the disk, durably, before a publish is reported.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from intendant.engines.base import Written
from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged, LakeError, UnknownName, did_you_mean
from intendant.lake.disk import locked, space_guard, sync_file, sync_folder, tree_size, write_json
from intendant.lake.files import Layout
from intendant.lake.log import File, Log, State
from intendant.lake.manifest import read_manifest
from intendant.lake.names import SCHEMA_FOLDERS, find_folder, lock_name, table_name
from intendant.lake.schema import NULL, unify_columns
from intendant.lake.stage import Stage
from intendant.lake.sweep import Sweep
from intendant.lake.trash import Dropped, Trash
from intendant.lake.upsert import check_keys, merged
from intendant.types import Column, Json, Snapshot, Stamp

__all__ = ["Dropped", "Lake"]

Mode = Literal["replace", "append", "upsert"]
STAGES = "_stage"
SETTINGS = "_settings.json"


class Lake:
    """The tables under `root` (WORKSPACE/.intendant/lake). Making one contacts and creates nothing."""

    def __init__(self, root: Path, engine: DuckDB | None = None) -> None:
        self.root = root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would read the disk
        self._engine = engine or DuckDB(temp=root / "tmp")
        self._logs: dict[Path, Log] = {}
        self._trash = Trash(root)

    # what there is

    def names(self) -> list[str]:
        """All tables, sorted: "orders", "staging.orders", "quarantine.orders"."""
        found = []
        for schema in SCHEMA_FOLDERS:
            with suppress(FileNotFoundError):
                found += [table_name(schema, f.name) for f in (self.root / schema).iterdir()
                          if Log(f, f.name).exists()]
        return sorted(found)

    def exists(self, table: str) -> bool:
        return self._log(table).exists()

    def spelled(self, table: str) -> str:
        """The table's name as it was made: `ORDERS` -> `orders`. Raises UnknownName."""
        self._known(table)
        return self._spelled(table)

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        """The table at `version` (None: now), its files checked to be there and whole.

        Raises UnknownName, LakeError (no such version), Damaged.
        """
        log = self._known(table)
        self._check_version(log, table, version)
        state = log.state(version)
        assert state is not None
        self._check_files(log, state, table)
        return self._snapshot(table, state)

    def newest_whole(self, table: str) -> Snapshot | None:
        """The newest version that can be read, None when there is none: what a damaged table can be restored to."""
        for version in range(self._log(table).latest() or 0, -1, -1):
            with suppress(LakeError):
                return self.snapshot(table, version)
        return None

    def history(self, table: str) -> list[Snapshot]:
        """Every version that can be restored, newest first, without `files`. Raises UnknownName, Damaged."""
        log = self._known(table)
        floor = self._sweep(table).floor()
        return [replace(self._snapshot(table, s), files=()) for s in log.states() if s.version >= floor][::-1]

    def published(self, table: str, stamp: Stamp) -> Snapshot | None:
        """The version that this step of this run made, None when there is none yet."""
        log = self._log(table)
        version = log.version_of(stamp) if log.exists() else None
        if version is None:
            return None
        state = log.state(version)
        assert state is not None
        return self._snapshot(table, state)

    def size(self) -> int:
        """Bytes of everything in the lake, trash and stages too."""
        return tree_size(self.root)

    # writing

    def stage(self, table: str, stamp: Stamp) -> Stage:
        """An empty stage; what an earlier attempt of the same step left is removed."""
        folder = self._folder(table) / STAGES / _short(stamp)
        shutil.rmtree(folder, ignore_errors=True)
        return Stage(table, stamp, folder, self._engine, self.stage)

    def reopen(self, table: str, stamp: Stamp) -> Stage | None:
        """The saved stage of a step, as it was before a crash; None when there is none or it isn't whole."""
        folder = self._folder(table) / STAGES / _short(stamp)
        held = read_manifest(folder, table)
        if held is None:
            return None
        stage = Stage(table, stamp, folder, self._engine, self.stage)
        stage.files, stage.columns = held
        stage._parts = 1000
        return stage

    def publish(self, stage: Stage, mode: Mode, keys: Sequence[str] = (), *, partition_by: Sequence[str] = (),
                sort_by: Sequence[str] = (), operation: str = "") -> Snapshot:
        """Makes the staged rows visible in one commit: as the whole table, behind its rows, or by key.

        Without `partition_by` and `sort_by` the table's settings hold. `upsert` replaces the rows with equal `keys`.
        Raises LakeError (no columns, keys not unique or NULL), Conflict, DiskFull; the table is then unchanged.
        """
        with self._locked(stage.table):
            done = self.published(stage.table, stage.stamp)
            if done:
                stage.discard()
                return done
            log = self._log(stage.table)
            base = log.state() if log.exists() else None
            layout = self._layout(stage.table, partition_by, sort_by)
            rows = stage.rows
            with space_guard(str(stage.folder)):
                work = stage.linked()
                try:
                    columns, kept = self._planned(work, base, mode, keys, layout)
                    done = self._commit(work, base, columns, kept, layout, operation or mode, rows)
                finally:
                    work.discard()
                stage.discard()
                return done

    def _planned(self, stage: Stage, base: State | None, mode: Mode, keys: Sequence[str],
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
            self._check_files(self._log(stage.table), base, stage.table)
            paths = self._paths(stage.table, kept)
            stay = merged(self._engine, stage, columns, keys if mode == "upsert" else (), paths,
                          rewrite_all=bool(retyped))
            kept = [file for file, path in zip(kept, paths, strict=True) if path in stay]
        stage.conform(columns, layout)
        return columns, kept

    def _commit(self, stage: Stage, base: State | None, columns: Sequence[Column], kept: Sequence[File],
                layout: Layout, operation: str, rows_written: int, *, data_change: bool = True) -> Snapshot:
        folder, log = self._folder(stage.table), self._log(stage.table)
        new = self._moved_in(stage, folder, base.version + 1 if base else 0)
        version = log.write(base, columns, [*kept, *new], stamp=stage.stamp, operation=operation,
                            configuration=_configuration(layout), rows_written=rows_written, data_change=data_change)
        stage.discard()
        return self.snapshot(stage.table, version)

    def _moved_in(self, stage: Stage, folder: Path, version: int) -> list[File]:
        """Takes the stage's files into the table's folder, durably; they still belong to no version."""
        if not stage.files:
            folder.mkdir(parents=True, exist_ok=True)
            return []
        for base, _, names in os.walk(stage.folder):
            for name in names:
                sync_file(Path(base, name))
            sync_folder(Path(base))
        target = folder / f"v{version:08}-{uuid.uuid4().hex[:12]}"
        stage.folder.rename(target)
        sync_folder(folder)
        return [_log_file(file, target.name / file.path.relative_to(stage.folder)) for file in stage.files]

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
        """Rewrites the table into few large files in its settings' layout; the rows stay the same."""
        with self._locked(table):
            done = self.published(table, stamp)
            if done:
                return done
            snapshot, log = self.snapshot(table), self._known(table)
            stage = self.stage(table, stamp)
            stage.columns = snapshot.columns
            layout = self._layout(table, (), ())
            with space_guard(table):
                merged(self._engine, stage, snapshot.columns, (), snapshot.files, rewrite_all=True, layout=layout)
                if sum(f.rows for f in stage.files) != snapshot.rows:
                    raise Damaged(f"Rewriting {table!r} gave another number of rows", where=table,
                                  hint="Restore an earlier version.")
                return self._commit(stage, log.state(), snapshot.columns, (), layout, "compact", 0,
                                    data_change=False)

    # dropping and cleaning

    def drop(self, table: str, stamp: Stamp) -> None:
        """Moves the table to the trash, whole; `undrop` brings it back. Raises UnknownName."""
        with self._locked(table):
            if self._trash.holds(table, stamp):
                return
            name = self.spelled(table)
            self._trash.take(self._folder(table), name, stamp)

    def dropped(self) -> list[Dropped]:
        """What is in the trash, newest first."""
        return self._trash.items()

    def undrop(self, table: str, stamp: Stamp, *, dropped_by: Stamp | None = None) -> Snapshot:
        """Brings back the newest dropped table of that name, or the one that `dropped_by` dropped.

        Raises UnknownName, LakeError when one is there again.
        """
        with self._locked(table):
            self._trash.give_back(table, stamp, self._folder(table), self.exists(table), dropped_by)
            return self.snapshot(table)

    def empty_trash(self, older_than_days: float) -> int:
        """Deletes for good what was dropped longer ago; the bytes freed."""
        return self._trash.empty(older_than_days)

    def vacuum(self, table: str, keep_versions: int | None, keep_days: float | None) -> int:
        """Deletes the files that only older versions need; the bytes freed.

        Kept are the newest `keep_versions` versions and all states of the last `keep_days` days, whichever is more;
        both None keeps every version and removes only what interrupted writes left.
        """
        with self._locked(table):
            return self._sweep(table).vacuum(self._known(table), keep_versions, keep_days)

    def collect(self, stamps_alive: Iterable[Stamp]) -> int:
        """Removes the stages of steps that are no longer alive, and orphaned files; the bytes freed."""
        alive = {_short(stamp) for stamp in stamps_alive}
        freed = 0
        for schema in SCHEMA_FOLDERS:
            with suppress(FileNotFoundError):
                for folder in sorted((self.root / schema).iterdir()):
                    freed += self._collect_one(table_name(schema, folder.name), alive)
        return freed

    def _collect_one(self, table: str, alive: set[str]) -> int:
        with self._locked(table):
            sweep, log = self._sweep(table), self._log(table)
            freed = sweep.stages(STAGES, alive)
            if log.exists():
                with suppress(Damaged):
                    freed += sweep.vacuum(log, None, None)
            return freed

    # settings

    def settings(self, table: str) -> dict[str, Json]:
        """The table's JSON document (partition_by, sort_by, rules ...); {} when there is none."""
        path = self._folder(table) / SETTINGS
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return dict(document["settings"])
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"The settings of {table!r} can't be read", where=str(path),
                          hint="Delete the file and provision the table again.") from error

    def set_settings(self, table: str, settings: Mapping[str, Json], stamp: Stamp) -> None:
        """Replaces the document, whole or not at all. Raises UnknownName, DiskFull."""
        with self._locked(table):
            self._known(table)
            write_json(self._folder(table) / SETTINGS,
                       {"settings": dict(settings), "run": stamp.run, "step": stamp.step})

    # inside

    def _folder(self, table: str) -> Path:
        return find_folder(self.root, table)

    def _spelled(self, table: str) -> str:
        folder = self._folder(table)
        return table_name(folder.parent.name, folder.name)

    def _log(self, table: str) -> Log:
        return self._logs.setdefault(folder := self._folder(table), Log(folder, table))

    def _known(self, table: str) -> Log:
        log = self._log(table)
        if not log.exists():
            raise UnknownName(f"There is no table {table!r}", where=table,
                              hint=did_you_mean(table, self.names(), "table"))
        return log

    def _sweep(self, table: str) -> Sweep:
        return Sweep(self._folder(table))

    @contextmanager
    def _locked(self, table: str) -> Iterator[None]:
        with locked(self.root / "locks" / lock_name(table)):
            yield

    def _layout(self, table: str, partition_by: Sequence[str], sort_by: Sequence[str]) -> Layout:
        settings = self.settings(table)
        return Layout(tuple(partition_by or settings.get("partition_by") or ()),
                      tuple(sort_by or settings.get("sort_by") or ()))

    def _paths(self, table: str, files: Iterable[File]) -> tuple[str, ...]:
        folder = self._folder(table).absolute()
        return tuple(str(folder / file.path) for file in files)

    def _snapshot(self, table: str, state: State) -> Snapshot:
        ours = state.commit.info.get("intendant") or {}
        files = state.files.values()
        return Snapshot(self._spelled(table), state.version, state.commit.at, sum(f.rows for f in files),
                        sum(f.bytes for f in files), state.columns, self._paths(table, files),
                        ours.get("operation", str(state.commit.info.get("operation") or "")), ours.get("run", ""),
                        ours.get("step", ""), tuple(json.loads(state.configuration.get(PARTITIONS, "[]"))))

    def _check_version(self, log: Log, table: str, version: int | None) -> None:
        latest = log.latest() or 0
        floor = self._sweep(table).floor()
        if version is not None and not floor <= version <= latest:
            raise LakeError(f"{table!r} has no version {version}", where=table,
                            hint=f"There are the versions {floor} to {latest}.")

    def _check_files(self, log: Log, state: State, table: str) -> None:
        broken = self._broken(table, state)
        if broken:
            whole = max((s.version for s in log.states(state.version)
                         if s.version >= self._sweep(table).floor() and not self._broken(table, s)), default=None)
            mend = (f"Restore {table!r} to version {whole}" if whole is not None
                    else "No whole version is left: restore the folder from a copy, or load the table again")
            lost = state.files[broken].rows
            raise Damaged(f"A data file of {table!r} version {state.version} is missing or cut short ({lost} rows)",
                          where=str(self._folder(table) / broken), hint=f"{mend}.", table=table, rows=lost)

    def _broken(self, table: str, state: State) -> str | None:
        folder = self._folder(table)
        for path, file in state.files.items():
            try:
                if (folder / path).stat().st_size != file.bytes:
                    return path
            except (FileNotFoundError, NotADirectoryError):
                return path
        return None


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


def _log_file(file: Written, path: Path) -> File:
    return File(path.as_posix(), file.bytes, file.rows, json.dumps(file.stats, ensure_ascii=False, allow_nan=False))
