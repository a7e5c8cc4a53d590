"""A stage: rows written to disk in their final form, not yet part of any version, waiting for the gate's verdict."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.engines.base import Tables, Worker, Written, quoted
from intendant.engines.duckdb import DuckDB
from intendant.errors import LakeError
from intendant.lake.disk import space_guard
from intendant.lake.files import Layout, write
from intendant.lake.manifest import write_manifest
from intendant.lake.parts import taken
from intendant.lake.schema import NULL, WIDE, storable, unify_columns
from intendant.types import Column, Json, Snapshot, Stamp

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


__all__ = ["Stage"]


class Stage:
    """Rows for one table from one step; made by `Lake.stage`, ended by `Lake.publish` or `discard`."""

    def __init__(self, table: str, stamp: Stamp, folder: Path, engine: DuckDB,
                 make: Callable[[str, Stamp], Stage]) -> None:
        self.table, self.stamp, self.folder = table, stamp, folder
        self._engine, self._make = engine, make
        self._writer = DuckDB(threads=1)
        self.files: list[Written] = []
        self.columns: tuple[Column, ...] = ()
        self.mark = ""
        """What no other stage has, of the same step neither."""
        self._parts = 0

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def add(self, batch: pa.Table) -> None:
        """Appends an Arrow table as a Parquet file; its schema may differ from the earlier ones. Raises DiskFull."""
        import pyarrow as pa  # slow to import, and reading commands need none

        table = _named(batch)
        nulls = frozenset(field.name for field in table.schema if pa.types.is_null(field.type))
        with self._writer.session() as con:  # one thread writes a batch as fast as two, for half the work
            con.register("batch", table)
            self._write(con, "FROM batch", nulls=nulls)

    def add_sql(self, engine: DuckDB, sql: str, tables: Tables, params: Sequence[Json] = ()) -> None:
        """Appends a query's rows, which the engine writes straight to Parquet. Raises EngineError, DiskFull."""
        engine.writing(lambda con: self._write(con, sql, params), sql, tables, params)

    def add_work(self, worker: Worker, sql: str, tables: Tables) -> None:
        """Appends a query's rows, which the worker computes and writes; the files are taken as they are.

        Raises EngineError, Damaged, DiskFull.
        """
        prefix = f"{self._parts:06}"
        self._parts += 1
        work = self.folder / f"{prefix}-work"
        try:
            with space_guard(str(self.folder)):
                parts = worker.parts(sql, tables, work.absolute(), _choices)
                self.files += taken(parts, self.folder, prefix)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self.columns = unify_columns([self.columns, parts.columns])

    def _write(self, con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Json] = (),
               nulls: frozenset[str] = frozenset()) -> None:
        names = {c.name.casefold(): c.name for c in self.columns}
        prefix = f"{self._parts:06}"
        self._parts += 1
        try:
            with space_guard(str(self.folder)):
                files, columns = write(con, sql, self.folder, prefix, params=params, names=names, nulls=nulls)
        except BaseException:
            for leftover in self.folder.rglob(f"{prefix}-*"):
                leftover.unlink(missing_ok=True)
            raise
        self.files += sorted(files, key=lambda file: _sequence(file.path))
        self.columns = unify_columns([self.columns, columns])

    def save(self) -> None:
        """Notes what the stage holds beside its files, so that `Lake.reopen` finds it after a crash."""
        write_manifest(self.folder, self.table, self.files, self.columns, self.mark)

    def rewrite(self, engine: DuckDB, sql: str, tables: Tables) -> None:
        """Replaces the staged rows by a query's (over them). Raises EngineError, leaving this stage as it was."""
        new = Stage(self.table, self.stamp, self.folder / f"again-{self._parts}", self._engine, self._make)
        try:
            new.add_sql(engine, sql, tables)
        except BaseException:
            shutil.rmtree(new.folder, ignore_errors=True)
            raise
        self._parts += 1
        old, self.files, self.columns = self.files, new.files, new.columns
        self.save()
        for file in old:
            file.path.unlink(missing_ok=True)

    def snapshot(self) -> Snapshot:
        """What would be published, as a snapshot with version -1: all files under one unified schema."""
        columns = tuple(Column(c.name, "VARCHAR" if c.type == NULL else c.type) for c in self.columns)
        return Snapshot(self.table, -1, datetime.now(UTC).isoformat(), self.rows, sum(f.bytes for f in self.files),
                        columns, tuple(str(f.path) for f in self.files), "stage", self.stamp.run, self.stamp.step)

    def split(self, engine: DuckDB, where_sql: str, into: str | None = None) -> Stage:
        """Moves the rows for which `where_sql` is true to a stage of `into` (quarantine.TABLE by default).

        `where_sql` is an SQL predicate over this table's columns. Raises EngineError, leaving this stage as it was.
        """
        snapshot = self.snapshot()
        bad = self._make(into or quarantine_of(self.table), self.stamp)
        good = Stage(self.table, self.stamp, self.folder / "good", self._engine, self._make)
        name = quoted("staged")
        tables = {"staged": Snapshot("staged", -1, "", 0, 0, snapshot.columns, snapshot.files)}
        try:
            bad.add_sql(engine, f"SELECT * FROM {name} WHERE ({where_sql}\n)", tables)
            if bad.rows:
                good.add_sql(engine, f"SELECT * FROM {name} WHERE ({where_sql}\n) IS NOT TRUE", tables)
        except BaseException:
            bad.discard()
            shutil.rmtree(good.folder, ignore_errors=True)
            raise
        if bad.rows:
            self._replace(good.files)
        return bad

    def _replace(self, files: Sequence[Written]) -> None:
        for old in self.files:
            old.path.unlink(missing_ok=True)
        self.files = list(files)

    def conform(self, columns: Sequence[Column], layout: Layout) -> None:
        """Rewrites what isn't yet exactly of `columns` and `layout`, and gathers crumbs into fewer files."""
        wanted = {c.name: c.type for c in columns}
        fits = [all(wanted.get(c.name) == c.type for c in file.columns) for file in self.files]
        crumbs = len(self.files) > MANY and self.rows / len(self.files) < CRUMB_ROWS
        if layout or crumbs:
            self.files = self._written(self.files, columns, layout, "laid")
        else:
            self.files = [new for file, ok in zip(list(self.files), fits, strict=True)
                          for new in ([file] if ok else self._written([file], columns, layout, file.path.stem))]

    def _written(self, files: Sequence[Written], columns: Sequence[Column], layout: Layout,
                 prefix: str) -> list[Written]:
        snapshot = Snapshot(self.table, -1, "", 0, 0, tuple(columns), tuple(str(f.path) for f in files))
        sql, into = self._engine.scan(snapshot), self.folder / "fit"
        with space_guard(str(self.folder)):
            if layout:
                with self._engine.session() as con:
                    new, _ = write(con, sql, into, f"fit-{prefix}", layout=layout)
            else:
                new, _ = self._engine.writing(lambda con: write(con, sql, into, f"fit-{prefix}"), sql, {})
        for old in files:
            old.path.unlink(missing_ok=True)
        return sorted(new, key=lambda file: (str(file.path.parent), _sequence(file.path)))

    def linked(self) -> Stage:
        """A second stage of the same files, to be rewritten and moved into the table; this one stays as it is.

        Whatever interrupts a publish, the rows that were audited are still here for the next attempt.
        """
        work = Stage(self.table, self.stamp, self.folder.with_name(f"{self.folder.name}.work"), self._engine, self._make)
        shutil.rmtree(work.folder, ignore_errors=True)
        work.folder.mkdir(parents=True)
        work.columns, work._parts = self.columns, self._parts
        for file in self.files:
            path = work.folder / file.path.relative_to(self.folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(file.path, path)
            work.files.append(replace(file, path=path))
        return work

    def discard(self) -> None:
        """Removes the staged files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.files, self.columns = [], ()


def _choices(kind: str) -> tuple[str, ...]:
    """What a column of DuckDB's type `kind` may be stored as, the narrowest first."""
    return ("BIGINT", "DECIMAL(38,0)") if kind in WIDE else (storable(kind),)


MANY = 32
CRUMB_ROWS = 20_000


def quarantine_of(table: str) -> str:
    """Where the rows set aside of `table` are kept."""
    return table if table.startswith("quarantine.") else f"quarantine.{table}"


def _sequence(path: Path) -> tuple[str, int]:
    head, _, number = path.stem.rpartition("-")
    return head, int(number) if number.isdigit() else 0


def _named(batch: pa.Table) -> pa.Table:
    """The table with a usable, unique name (up to case) for each column, and types that DuckDB knows."""
    import pyarrow as pa

    taken: set[str] = set()
    names = []
    for i, name in enumerate(batch.column_names):
        if "\x00" in name:
            raise LakeError(f"The column name {name!r} holds a zero byte", where=name, hint="Rename the column.")
        chosen, n = name or f"column_{i + 1}", 1
        while chosen.casefold() in taken:
            chosen, n = f"{name}_{n}", n + 1
        taken.add(chosen.casefold())
        names.append(chosen)
    table = batch.rename_columns(names)
    for i, field in enumerate(table.schema):
        plain = (pa.string() if pa.types.is_decimal256(field.type) else
                 pa.float32() if pa.types.is_float16(field.type) else None)
        if plain:
            table = table.set_column(i, field.name, table.column(i).cast(plain))
    return table
