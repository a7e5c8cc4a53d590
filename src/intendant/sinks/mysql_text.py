"""Arrow tables as INSERT statements of MySQL: values spelled column by column, quotes and backslashes doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from intendant.errors import SourceRefused
from intendant.sinks.json_text import json_texts

__all__ = ["flat", "stage_type", "statements", "table_type"]

BATCH_BYTES = 2 << 20
SCALE = 30
TEXT = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
TYPES: tuple[tuple[Callable[[pa.DataType], bool], str, str], ...] = (
    (pa.types.is_boolean, "bool", "tinyint(1)"), (pa.types.is_int8, "whole", "tinyint(4)"),
    (pa.types.is_uint8, "whole", "tinyint(3) unsigned"),
    (pa.types.is_int16, "whole", "smallint(6)"), (pa.types.is_uint16, "whole", "smallint(5) unsigned"),
    (pa.types.is_int32, "whole", "int(11)"), (pa.types.is_uint32, "whole", "int(10) unsigned"),
    (pa.types.is_int64, "whole", "bigint(20)"), (pa.types.is_uint64, "whole", "bigint(20) unsigned"),
    (pa.types.is_float16, "float", "float"), (pa.types.is_float32, "float", "float"), (pa.types.is_float64, "float", "double"),
    (pa.types.is_date, "date", "date"), (pa.types.is_timestamp, "moment", "datetime(6)"), (pa.types.is_time, "time", "time(6)"),
    (pa.types.is_binary, "binary", "longblob"), (pa.types.is_large_binary, "binary", "longblob"), (pa.types.is_nested, "json", TEXT),
)
"""Kinds of values and the types they are staged as, spelled as MariaDB's catalog spells them, so that they can be compared."""
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
DAY = 86_400_000_000


def stage_type(type_: pa.DataType) -> tuple[str, str]:
    """The kind of values of an Arrow type, and the MySQL type that holds them all."""
    if pa.types.is_decimal(type_):
        return ("decimal", f"decimal({type_.precision},{type_.scale})") if 0 <= type_.scale <= SCALE else ("text", TEXT)
    return next(((kind, name) for check, kind, name in TYPES if check(type_)), ("text", TEXT))


def table_type(type_: pa.DataType) -> str:
    """The type of a column in a table that is made; a moment with a zone is a TIMESTAMP, which comes back as one."""
    if pa.types.is_timestamp(type_) and type_.tz:
        return "timestamp(6)"
    return "json" if pa.types.is_nested(type_) else stage_type(type_)[1]


def flat(table: pa.Table, where: str) -> pa.Table:
    """Every column as the SQL texts of its values. Raises SourceRefused for a value that MySQL has no word for."""
    return pa.table([_texts(_plain(column), name, where) for name, column in zip(table.column_names, table.columns, strict=True)],
                    names=table.column_names)


def statements(texts: pa.Table, before: str, most: int) -> Iterator[str]:
    """The rows as statements of bounded size; a row that is larger goes alone."""
    if not texts.num_rows:
        return
    rows = pc.binary_join_element_wise(*texts.columns, pa.scalar(",", pa.large_string())).to_pylist()
    limit, size, some = min(BATCH_BYTES, most // 4), 0, list[str]()
    for row in rows:
        if some and size + len(row) > limit:
            yield before + "(" + "),(".join(some) + ")"
            some, size = [], 0
        some.append(row)
        size += len(row) + 3
    yield before + "(" + "),(".join(some) + ")"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pa.chunked_array([json_texts(column)]) if pa.types.is_nested(column.type) else column


def _texts(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    type_ = column.type
    if pa.types.is_null(type_):
        texts = column.cast(pa.string())
    elif pa.types.is_boolean(type_):
        texts = column.cast(pa.int8()).cast(pa.string())
    elif pa.types.is_floating(type_):
        if not pc.all(pc.is_finite(column)).as_py() and column.null_count < len(column):
            raise _unspoken(name, where, "NaN and infinities")
        texts = column.cast(pa.string())
    elif pa.types.is_integer(type_):
        texts = column.cast(pa.string())
    elif pa.types.is_decimal(type_):
        texts = _quoted(column.cast(pa.string())) if not 0 <= type_.scale <= SCALE else pa.chunked_array(
            [[None if v is None else format(v, "f") for v in column.to_pylist()]], pa.string())
    elif pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        texts = pa.chunked_array([[None if v is None else f"x'{v.hex()}'" for v in column.to_pylist()]], pa.string())
    elif pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        texts = _moments(column, name, where)
    elif pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        texts = _quoted(column)
    elif pa.types.is_time(type_):
        texts = _quoted(column.cast(pa.string()))
    else:
        texts = _quoted(pa.chunked_array([[None if v is None else str(v) for v in column.to_pylist()]], pa.string()))
    return pc.fill_null(texts.cast(pa.large_string()), "NULL")


def _moments(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    if pa.types.is_date(column.type):
        column = column.cast(pa.date32())
        ends, first, last = pc.min_max(column.cast(pa.int32())).as_py(), FIRST_DAY, LAST_DAY
    else:
        column = column.cast(pa.timestamp("us", column.type.tz))
        ends, first, last = pc.min_max(column.cast(pa.int64())).as_py(), FIRST_DAY * DAY, (LAST_DAY + 1) * DAY - 1
    if ends["min"] is not None and not first <= ends["min"] <= ends["max"] <= last:
        raise _unspoken(name, where, "moments before the year 1 or after 9999, infinity among them")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64()).cast(pa.timestamp("us"))
    return _quoted(column.cast(pa.string()))


def _quoted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.replace_substring(pc.replace_substring(column.cast(pa.large_string()), "\\", "\\\\"), "'", "''")
    quote = pa.scalar("'", pa.large_string())
    return pc.binary_join_element_wise(quote, texts, quote, pa.scalar("", pa.large_string()))


def _unspoken(name: str, where: str, what: str) -> SourceRefused:
    return SourceRefused(f"The column {name!r} has {what}, for which MySQL has no word", where=where,
                         hint="Nothing was written. Filter or replace them before they are delivered.")
