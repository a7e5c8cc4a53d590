"""Writes a query's rows to one file: under another name first, then renamed, so that never half a file is seen."""

from __future__ import annotations

import secrets
from pathlib import Path

import duckdb

from intendant.errors import DiskFull, EngineError, UsageError, did_you_mean
from intendant.sinks.spelling import spelled

__all__ = ["FORMATS", "export"]

FORMATS = {
    ".csv": "FORMAT csv, HEADER true",
    ".tsv": "FORMAT csv, HEADER true, DELIMITER '\t'",
    ".json": "FORMAT json, ARRAY true",
    ".jsonl": "FORMAT json, ARRAY false",
    ".ndjson": "FORMAT json, ARRAY false",
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
}
PACKED = {".gz": "gzip", ".zst": "zstd"}


def export(con: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Writes the rows of the query `sql` to `path` and returns how many; the suffix tells the format.

    CSV holds nested values as JSON text; JSON holds NaN and infinities as texts. Folders are made; an older file is
    replaced at once or not at all. Raises UsageError for a suffix that is no format, DiskFull, EngineError.
    """
    options = _options(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    target = str(draft).replace("'", "''")
    try:
        sql = spelled(con, sql, options.split(",")[0].removeprefix("FORMAT "))
        row = con.execute(f"COPY ({sql}) TO '{target}' ({options})").fetchone()
        draft.replace(path)
    except duckdb.Error as error:
        text = str(error).partition("\n")[0][:200]
        if "No space left" in text:
            raise DiskFull(f"No space left to write {path.name!r}", where=str(path.parent),
                           hint="Free some space and run it again.") from error
        raise EngineError(f"{path.name!r} could not be written: {text}", where=str(path.parent)) from error
    finally:
        draft.unlink(missing_ok=True)
    return int(row[0]) if row else 0


def _options(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    packed = PACKED.get(suffixes[-1], "") if suffixes else ""
    suffix = (suffixes[-2] if len(suffixes) > 1 else "") if packed else (suffixes[-1] if suffixes else "")
    if suffix not in FORMATS or (packed and suffix == ".parquet"):
        raise UsageError(f"{path.name!r} has no suffix that tells a format", where=str(path.parent),
                         hint=did_you_mean(suffix, FORMATS, "format"))
    return FORMATS[suffix] + (f", COMPRESSION {packed}" if packed else "")
