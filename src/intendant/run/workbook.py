"""A workbook's sheet as a Parquet file that the engine reads; a file of another format is read as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from intendant.errors import SourceDamaged, UsageError
from intendant.sources.wire.excel import ENDINGS, Excel
from intendant.sources.wire.kinds import Kinds
from intendant.types import ReadRequest

__all__ = ["readable"]

SHOWN = 5


@contextmanager
def readable(path: Path, sheet: str | None = None) -> Iterator[Path]:
    """The file; of a workbook a Parquet copy of its sheet (the first that is shown when None), gone afterwards.

    Raises UsageError for a sheet of what is no workbook, SourceError; an error in a cell is one, since a load takes a
    file whole or not at all.
    """
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        if sheet is not None:
            raise UsageError(f"{path.name!r} has no sheets", hint=f"Leave --sheet out; sheets are in {', '.join(ENDINGS)}.")
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="intendant-sheet-") as folder:
        yield _copied(path, sheet, Path(folder) / "sheet.parquet")


def _copied(path: Path, sheet: str | None, into: Path) -> Path:
    rejected: list[str] = []
    tables = Excel(str(path), "load", sheet).tables(ReadRequest(path.stem), lambda reason, raw: rejected.append(reason), Kinds())
    writer: pq.ParquetWriter | None = None
    try:
        for table in tables:
            table = table.cast(_stored(table.schema))
            writer = writer or pq.ParquetWriter(into, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    if rejected:
        more = f" and {len(rejected) - SHOWN} rows more" if len(rejected) > SHOWN else ""
        raise SourceDamaged(f"Cells of {path.name!r} hold errors: {'; '.join(rejected[:SHOWN])}{more}", where=str(path),
                            hint="Mend the cells, or ingest it from a files source, which sets such rows aside.")
    if writer is None:
        raise SourceDamaged(f"{path.name!r} has no rows on that sheet", where=str(path), hint="Name another with --sheet.")
    return into


def _stored(schema: pa.Schema) -> pa.Schema:
    """A column without a value is stored as text."""
    return pa.schema([pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in schema])
