"""A local file as a table's new version, without the model."""

from __future__ import annotations

import gzip
import os
import secrets
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from intendant.engines.base import quoted, text
from intendant.errors import (
    EngineError,
    IntendantError,
    SourceDamaged,
    TypeMismatch,
    UnknownName,
    UsageError,
    did_you_mean,
)
from intendant.run.gate import Gate
from intendant.run.storage_keeping import loaded
from intendant.run.workbook import readable
from intendant.sources.wire.excel import ENDINGS
from intendant.sources.wire.query import literal
from intendant.types import Json, Stamp

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["load", "read_sql"]

READERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    **dict.fromkeys(ENDINGS, "excel"),
}
PACKED = (".gz", ".zst")
HEAD_BYTES = 1 << 16
CSV_BUFFER = 8 << 20
"""Bytes that a thread reads at a time; the engine's own choice takes four times the memory and is no faster."""


OBJECT, LARGEST = 16 << 20, 1 << 30
"""Bytes of a JSON record: what nearly all stay below, and the most. The engine takes twice as much for each thread."""


def read_sql(
    path: Path, types: Mapping[str, str] | None = None, *, as_text: bool = False, record: int = LARGEST
) -> str:
    """The SELECT that reads a file; `types` fixes columns, `as_text` reads CSV cells as they stand, `record` is the most
    bytes of a JSON record.

    Raises UsageError for a missing file or an unknown ending.
    """
    if not path.is_file():
        raise UsageError(
            f"there is no file {str(path)!r}",
            hint="Check the path; a folder can't be loaded." if path.is_dir() else "Check the path.",
        )
    if not os.access(path, os.R_OK):
        raise UsageError(f"the file {str(path)!r} can't be read", hint="Look at its rights.")
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in PACKED]
    kind = READERS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise UsageError(f"{path.name!r} has no ending that says its format", hint=f"Use one of {', '.join(READERS)}.")
    if kind != "parquet" and is_empty(path):
        raise SourceDamaged(f"{path.name!r} is empty", where=str(path), hint="It must have a header or a row.")
    name = text(literal(str(path)))
    if kind == "parquet":
        casts = ", ".join(f"CAST({quoted(c)} AS {t}) AS {quoted(c)}" for c, t in (types or {}).items())
        return f"SELECT *{f' REPLACE ({casts})' if casts else ''} FROM read_parquet({name})"
    listed = "{" + ", ".join(f"{text(c)}: {text(t)}" for c, t in (types or {}).items()) + "}"
    if kind == "json":
        return f"SELECT * FROM read_json({name}{f', columns={listed}' if types else ''}, maximum_object_size={record})"
    options = ["header=true", "strict_mode=true", "null_padding=false", "comment=''", f"buffer_size={CSV_BUFFER}"]
    if as_text:
        options += ["all_varchar=true"]
    elif types:
        options += [f"types={listed}"]
    return f"SELECT * FROM read_csv({name}, {', '.join(options)})"


def load(
    app: Intendant, path: Path, table: str, types: Mapping[str, str] | None, sheet: str | None = None
) -> dict[str, Json]:
    """Publishes the file's rows as the table's new version: {"table", "version", "rows"}; `sheet` is of a workbook."""
    with readable(path.absolute(), sheet) as file:
        return _load(app, path.absolute(), file, table, types)


def _load(app: Intendant, path: Path, file: Path, table: str, types: Mapping[str, str] | None) -> dict[str, Json]:
    if not table.strip() or "\0" in table:
        raise UsageError(f"{table!r} is no table name", hint="Give it a name.")
    sql = read_sql(file, record=OBJECT)
    stamp = Stamp(f"load-{secrets.token_hex(6)}", "0")
    stage = app.lake.stage(table, stamp)
    try:
        fixed = checked_types(app, file, types) if types else None
        try:
            stage.add_sql(app.engine, read_sql(file, fixed, record=OBJECT) if fixed else sql, {})
        except EngineError as e:
            if "maximum_object_size" not in e.message:
                raise
            stage.add_sql(app.engine, read_sql(file, fixed), {})
        changes = Gate(app.workspace, app.lake, app.engine).load(stage)
    except EngineError as e:
        stage.discard()
        raise SourceDamaged(
            f"{path.name!r} can't be loaded: {e.message}",
            where=str(path),
            hint='Mend that line, or give the column\'s type with --types, e.g. \'{"amount": "VARCHAR"}\'.',
        ) from e
    except IntendantError:
        stage.discard()
        raise
    snapshot = app.lake.publish(stage, "replace", operation="load")
    settings = app.lake.settings(snapshot.table)
    app.lake.set_settings(snapshot.table, {**settings, "made_by": f"load {path.name}"}, stamp)
    fact = {
        "table": snapshot.table,
        "version": snapshot.version,
        "rows": snapshot.rows,
        "total_rows": snapshot.rows,
        "mode": "replace",
        "inputs": {},
        "file": str(path),
        "columns": {},
        "step": "",
        "intent": f"load {path.name} {table}",
        "bytes": snapshot.bytes,
    }
    app.journal.append(stamp.run, "0.published", "table.published", fact)
    if changes:
        changed = {"table": snapshot.table, "version": snapshot.version, "changes": changes}
        app.journal.append(stamp.run, "0.schema", "schema.changed", changed)
    loaded(app, snapshot.table, stamp.run)
    return {"table": snapshot.table, "version": snapshot.version, "rows": snapshot.rows}


def is_empty(path: Path) -> bool:
    """Whether a text file holds nothing but white space; what can't be unpacked here is left to the engine."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as f:
            return not f.read(HEAD_BYTES).strip() and not f.read(1)
    except (OSError, EOFError, zlib.error):
        return False


def checked_types(app: Intendant, path: Path, types: Mapping[str, str]) -> Mapping[str, str]:
    """The types to read with: JSON needs those of all columns, since it is read as the columns that are listed.

    Every named column is in the file, every type exists. Raises UnknownName, TypeMismatch, EngineError.
    """
    columns = app.engine.types(read_sql(path), {})
    found = [c.name for c in columns]
    for column, kind in types.items():
        if column not in found:
            raise UnknownName(f"{path.name!r} has no column {column!r}", hint=did_you_mean(column, found, "column"))
        try:
            [cast] = parse(f"CAST(NULL AS {kind})", dialect="duckdb")
            if not isinstance(cast, exp.Cast):  # one type and nothing else
                raise ValueError(kind)
            known = cast.to.sql("duckdb")
            app.engine.types(f"SELECT NULL::{known} AS {quoted(column)}", {})
        except (EngineError, SqlglotError, ValueError):
            raise TypeMismatch(
                f"{kind!r} is no SQL type (column {column!r})", hint="E.g. BIGINT, DOUBLE, VARCHAR, TIMESTAMP."
            ) from None
    is_json = not any(s.lower() in (".csv", ".tsv", ".txt") for s in path.suffixes)
    return {c.name: types.get(c.name, c.type) for c in columns} if is_json else types
