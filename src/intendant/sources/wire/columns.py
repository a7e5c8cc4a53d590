"""Columns as they came to the types they mean: text that is all ISO dates or times becomes that, nothing is lost."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intendant.sources.wire.leaves import is_list, mapped

__all__ = ["engine", "settle", "utc"]

DATE = r"\d{4}-\d{2}-\d{2}"
TIME = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)"
ISO_DATE = f"^{DATE}$"
ISO_MOMENT = f"^{DATE}{TIME}{ZONE}$"
ISO_MIXED = f"^{DATE}({TIME}{ZONE}?)?$"


def engine() -> duckdb.DuckDBPyConnection:
    """A connection of one's own for typing columns, in UTC."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")
    return con


def settle(table: pa.Table, con: duckdb.DuckDBPyConnection) -> pa.Table:
    """`table` with ISO texts as DATE or TIMESTAMP (UTC), columns without a value as null, extension types as text."""
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if isinstance(field.type, pa.BaseExtensionType):
            column = column.cast(field.type.storage_type)
        if column.null_count == len(column) and (pa.types.is_string(column.type) or column.type != field.type):
            column = pa.nulls(len(column))
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = _moments(column, con)
        elif pa.types.is_struct(column.type) or is_list(column.type):
            column = pa.chunked_array([mapped(_whole(column), lambda leaf: _leaf(leaf, con))])
        if column.type != field.type:
            table = table.set_column(index, pa.field(field.name, column.type), column)
    return table


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _leaf(leaf: pa.Array, con: duckdb.DuckDBPyConnection) -> pa.Array:
    if isinstance(leaf.type, pa.BaseExtensionType):
        leaf = leaf.cast(leaf.type.storage_type)
    if not (pa.types.is_string(leaf.type) or pa.types.is_large_string(leaf.type)):
        return leaf
    return _whole(_moments(pa.chunked_array([leaf]), con))


def utc(moment: str) -> str:
    """SQL for the UTC TIMESTAMP of a TIMESTAMPTZ; a cast of text to TIMESTAMP would drop the text's offset unseen.

    The connection's TimeZone must be UTC, so that a text without an offset is taken as it stands.
    """
    return f"make_timestamp(epoch_us({moment}))"


def _moments(column: pa.ChunkedArray, con: duckdb.DuckDBPyConnection) -> pa.ChunkedArray:
    pattern, type_ = _kind(column)
    if not pattern or not pc.all(pc.match_substring_regex(column, pattern), skip_nulls=True).as_py():
        return column
    plain = _usual(column)
    if plain is not None:
        return plain
    texts = pa.table({"v": column})
    con.register("texts", texts)
    try:
        sql = "TRY_CAST(v AS DATE)" if type_ == "DATE" else utc("TRY_CAST(v AS TIMESTAMPTZ)")
        cast = con.execute(f"SELECT {sql} AS v FROM texts").to_arrow_table()["v"]
    finally:
        con.unregister("texts")
    return cast if cast.null_count == column.null_count else column


def _usual(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """ISO texts of one kind, all with a zone, all without one or all dates, as Arrow casts them: ten times as fast."""
    first = str(_first(column))
    kind = (pa.date32() if len(first) == len("2024-01-01") else
            pa.timestamp("us", "UTC") if re.match(ISO_MOMENT, first) else pa.timestamp("us"))
    try:
        cast = column.cast(kind)
    except pa.ArrowInvalid:
        return None
    return cast.cast(pa.timestamp("us")) if pa.types.is_timestamp(kind) else cast


def _kind(column: pa.ChunkedArray) -> tuple[str, str]:
    """The ISO pattern that the first value suggests, and its DuckDB type; ("", "") when it is no ISO text."""
    first = _first(column)
    if first is None or len(first) > 40:
        return "", ""
    if re.match(ISO_DATE, first):
        only_dates = pc.all(pc.match_substring_regex(column, ISO_DATE), skip_nulls=True).as_py()
        return (ISO_DATE, "DATE") if only_dates else (ISO_MIXED, "TIMESTAMP")
    if re.match(ISO_MIXED, first):
        return ISO_MIXED, "TIMESTAMP"
    return "", ""


def _first(column: pa.ChunkedArray) -> str | None:
    for chunk in column.chunks:
        if chunk.null_count < len(chunk):
            value: str = chunk.drop_null()[0].as_py()
            return value
    return None
