"""JSON files and JSON lines as tables of bounded size; broken rows are rejected, the others load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from intendant.errors import SourceDamaged
from intendant.sources.wire.envelope import learn, split
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.query import literal
from intendant.sources.wire.rows import JsonRows, Reject

__all__ = ["document_tables"]

BLOCK = 16 << 20
WHOLE = 64 << 20
LONGEST_LINE = 256 << 20


def document_tables(con: duckdb.DuckDBPyConnection, files: list[str], reject: Reject, where: str,
                    kinds: Kinds) -> Iterator[pa.Table]:
    """Rows of JSON documents or JSON lines, whichever each file holds; `kinds` learns what the columns hold.

    Raises SourceDamaged.
    """
    rows = JsonRows(kinds=kinds)
    try:
        for file in files:
            yield from _tables(con, rows, file, reject, f"{where} {Path(file).name}")
    finally:
        rows.close()


def _tables(con: duckdb.DuckDBPyConnection, rows: JsonRows, file: str, reject: Reject,
            where: str) -> Iterator[pa.Table]:
    try:
        with pa.input_stream(file, compression="detect") as stream:
            head = stream.read(WHOLE)
            if len(head) < WHOLE and not _is_lines(head):
                if head.strip():
                    shape = learn(head, Path(file).stem, None, where)
                    yield from _some(rows.table([split(head, shape, where).rows], reject, where))
                return
            if head.lstrip()[:1] == b"[":
                yield from _streamed(con, file)
                return
            for block in _blocks(head, stream):
                lines = [line for line in block.split(b"\n") if line.strip()]
                yield from _some(rows.messages(lines, reject, where))
    except OSError as error:
        raise SourceDamaged(f"The file can't be read: {error}", where=where) from error


def _is_lines(head: bytes) -> bool:
    text = head.strip()
    first, newline, rest = text.partition(b"\n")
    return text[:1] == b"{" and bool(newline) and first.rstrip()[-1:] == b"}" and rest.lstrip()[:1] != b"}"


def _blocks(head: bytes, stream: pa.NativeFile) -> Iterator[bytes]:
    """Whole lines, about `BLOCK` bytes at a time."""
    held = head
    while True:
        while len(held) > BLOCK and (end := held.rfind(b"\n", 0, BLOCK)) > 0:
            yield held[:end]
            held = held[end + 1:]
        more = stream.read(BLOCK)
        if not more:
            break
        held += more
        if len(held) > LONGEST_LINE:
            raise SourceDamaged(f"A line is longer than {LONGEST_LINE} bytes")
    if held.strip():
        yield held


def _streamed(con: duckdb.DuckDBPyConnection, file: str) -> Iterator[pa.Table]:
    """A list too large to hold: DuckDB streams it; one broken row refuses the file."""
    read = "read_json(?, format = 'array', sample_size = -1, records = true, map_inference_threshold = -1)"
    reader = con.execute(f"SELECT * FROM {read}", [literal(file)]).to_arrow_reader(100_000)
    yield from (pa.Table.from_batches([batch]) for batch in reader if batch.num_rows)


def _some(table: pa.Table) -> Iterator[pa.Table]:
    if table.num_rows:
        yield table
