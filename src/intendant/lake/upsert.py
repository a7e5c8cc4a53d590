"""Upsert by copy on write: only the files that hold a matching key are rewritten, without the matched rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from intendant.engines.base import Tables, quoted
from intendant.errors import LakeError
from intendant.lake.files import Layout, write
from intendant.lake.log import State
from intendant.types import Column, Snapshot

if TYPE_CHECKING:
    from intendant.engines.duckdb import DuckDB
    from intendant.lake.stage import Stage

__all__ = ["check_keys", "merged"]


def check_keys(engine: DuckDB, stage: Stage, columns: Sequence[Column], keys: Sequence[str],
               base: State | None) -> None:
    """Raises LakeError unless the keys exist, are never NULL in the stage, and are unique there."""
    staged = {c.name.casefold() for c in stage.columns}
    before = {c.name.casefold() for c in base.columns} if base else staged
    missing = [k for k in keys if k.casefold() not in staged or k.casefold() not in before]
    if not keys or missing:
        raise LakeError(f"There is no key column {', '.join(missing) or '(none given)'} to upsert on",
                        where=stage.table, hint="There is: " + ", ".join(c.name for c in columns) + ".")
    if not stage.files:
        return
    listed = ", ".join(map(quoted, keys))
    nulls = " OR ".join(f"{quoted(k)} IS NULL" for k in keys)
    sql = (f"SELECT count(*), count(*) FILTER (WHERE {nulls}), (SELECT count(*) FROM (SELECT DISTINCT {listed}"
           " FROM staged)) FROM staged")
    rows, empty, distinct = engine.rows(sql, {"staged": _typed(stage, columns)})[1][0]
    if empty:
        raise LakeError(f"{empty} rows have no {' and '.join(keys)} to upsert on", where=stage.table,
                        hint=f"Add `drop missing {', '.join(keys)}` or a check that sets them aside.", rows=empty)
    if distinct != rows:
        raise LakeError(f"{rows - distinct} rows repeat a key ({', '.join(keys)})", where=stage.table,
                        hint=f"Add `drop duplicates by {', '.join(keys)} keeping newest by ...`.",
                        rows=rows - distinct)


def _typed(stage: Stage, columns: Sequence[Column]) -> Snapshot:
    return Snapshot("staged", -1, "", 0, 0, tuple(columns), tuple(str(f.path) for f in stage.files))


def _touched(engine: DuckDB, columns: Sequence[Column], keys: Sequence[str], paths: Sequence[str],
             tables: Tables) -> set[str]:
    listed = ", ".join(map(quoted, keys))
    found = set()
    with engine.session(tables) as con, engine.holding(paths):
        con.execute(f"CREATE TEMP TABLE staged_keys AS SELECT {listed} FROM staged")
        for path in paths:
            scan = engine.scan(Snapshot("old", -1, "", 0, 0, tuple(columns), (path,)))
            hit = con.execute(f"SELECT 1 FROM ({scan}) SEMI JOIN staged_keys USING ({listed}) LIMIT 1").fetchall()
            if hit:
                found.add(path)
    return found


def merged(engine: DuckDB, stage: Stage, columns: Sequence[Column], keys: Sequence[str], paths: Sequence[str], *,
           rewrite_all: bool, layout: Layout | None = None) -> set[str]:
    """Puts the surviving rows of rewritten files before the staged ones; the paths that stay as they are.

    With `keys` a survivor is a row whose key isn't staged; `rewrite_all` rewrites every file, as new types need.
    """
    tables = {"staged": _typed(stage, columns)}
    matching = bool(keys and stage.files)
    if rewrite_all:
        touched = set(paths)
    else:
        touched = _touched(engine, columns, keys, paths, tables) if matching else set()
    if touched:
        old = Snapshot("old", -1, "", 0, 0, tuple(columns), tuple(p for p in paths if p in touched))
        survivors = "SELECT * FROM old" + (f" ANTI JOIN staged USING ({', '.join(map(quoted, keys))})"
                                           if matching else "")
        with engine.session({**tables, "old": old}) as con:
            files, _ = write(con, survivors, stage.folder / "kept", "kept", layout=layout)
        stage.files = [*sorted(files, key=lambda f: (str(f.path.parent), f.path.stem)), *stage.files]
    return set(paths) - touched
