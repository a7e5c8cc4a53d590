"""DuckDB's errors in our words: a refused statement, a full disk, or a file that is damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from intendant.engines.base import Tables, text
from intendant.errors import Damaged, DiskFull, EngineError, IntendantError, did_you_mean
from intendant.types import Snapshot

__all__ = ["broken_file", "translated"]

NO_SPACE = ("no space left", "file too large", "disk quota exceeded", "max_temp_directory_size")
UNREAD = ("Failed to read file", "FAILED_READ_FILE")
"""How DuckDB and Spark begin to say that a file's pages can't be read."""
NO_TABLE = re.compile(r"Catalog Error: Table with name (.+?) does not exist")
OUR_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException,
           duckdb.OutOfRangeException, duckdb.ConstraintException, duckdb.TypeMismatchException,
           duckdb.PermissionException, duckdb.NotImplementedException)
HINTS: tuple[tuple[type[Exception], str], ...] = (
    (duckdb.ConversionException, "Cast with try_cast, or fix the values first."),
    (duckdb.OutOfRangeException, "Use a wider type, such as DOUBLE or DECIMAL(38,2)."),
    (duckdb.OutOfMemoryException, "Raise the engine's memory limit or give it more temporary space."),
    (duckdb.CatalogException, "Check the names of tables and functions."),
    (duckdb.BinderException, "Check the column names and types."),
    (duckdb.ParserException, "Check the statement's syntax."),
    (duckdb.InterruptException, "It was interrupted; run it again."),
)


def _readable(path: str) -> bool:
    sql = f"SELECT count(COLUMNS(*)) FROM read_parquet({text(path)}, hive_partitioning = false)"
    with duckdb.connect(":memory:") as con:
        try:
            con.execute(sql).fetchall()
        except duckdb.Error:
            return False
    return True


def broken_file(tables: Mapping[str, Snapshot], message: str) -> tuple[str, str] | None:
    """A table and a file of it that is missing or can't be read; those that the message names are tried first."""
    files = [(name, file) for name, snapshot in tables.items() for file in snapshot.files]
    files.sort(key=lambda pair: pair[1] not in message)
    torn = any(sign in message for sign in UNREAD)  # inside, behind a footer that is whole
    return next(((n, f) for n, f in files if (torn and f in message) or not Path(f).is_file() or not _readable(f)), None)


def _failure(error: duckdb.Error, tables: Tables) -> IntendantError:
    message = str(error)
    first = message.strip().partition("\n")[0]
    if any(sign in message.lower() for sign in NO_SPACE):
        return DiskFull("No space is left on the disk", where=first,
                        hint="Free some space, then run it again; the tables are unchanged.")
    broken = None if isinstance(error, (*OUR_SQL, duckdb.InterruptException)) else broken_file(tables, message)
    if broken:
        return Damaged(f"A data file of {broken[0]!r} is missing or broken", where=broken[1],
                       hint=f"See `intendant history {broken[0]}` and restore an earlier version.", table=broken[0])
    return EngineError(first.rstrip("!."), hint=_hint(error, message, tables))


def _hint(error: duckdb.Error, message: str, tables: Tables) -> str:
    missing = NO_TABLE.match(message)
    if missing:
        return did_you_mean(missing[1], tables, "table")
    suggestion = next((line for line in message.splitlines()[1:] if line.startswith("Did you mean")), "")
    return suggestion or next((mend for kind, mend in HINTS if isinstance(error, kind)), "")


@contextmanager
def translated(tables: Tables) -> Iterator[None]:
    """Turns DuckDB's errors inside into EngineError, DiskFull or Damaged (for a file of `tables`)."""
    try:
        yield
    except duckdb.Error as error:
        raise _failure(error, tables) from error
