"""Nested values as JSON text that keeps every digit: numbers stay numbers, and what JSON has no word for is spelled out.

NaN and infinities become the texts "NaN", "Infinity" and "-Infinity", bytes become "\\\\x00ff", as PostgreSQL's own
`to_jsonb` writes them; moments become ISO 8601.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from intendant.types import Json

__all__ = ["json_texts"]

Writer = Callable[[Json], str]


def json_texts(column: pa.ChunkedArray) -> pa.Array:
    """One JSON text for each value of a struct, list or map column; NULL stays NULL."""
    write = _writer(column.type)
    return pa.array([None if value is None else write(value) for value in column.to_pylist()], pa.string())


def _writer(type_: pa.DataType) -> Writer:
    if pa.types.is_struct(type_):
        return _struct([type_.field(i) for i in range(type_.num_fields)])
    if pa.types.is_map(type_):
        return _map(_some(_writer(type_.key_type)), _some(_writer(type_.item_type)))
    if pa.types.is_nested(type_):
        inner = _some(_writer(type_.value_type))
        return lambda value: "[" + ", ".join(map(inner, value)) + "]"
    if pa.types.is_floating(type_):
        return _single if pa.types.is_float32(type_) else _double
    for check, write in PLAIN:
        if check(type_):
            return write
    return lambda value: json.dumps(value, default=str, ensure_ascii=False)


def _some(write: Writer) -> Writer:
    return lambda value: "null" if value is None else write(value)


def _struct(fields: list[pa.Field]) -> Writer:
    parts = [(field.name, json.dumps(field.name, ensure_ascii=False), _some(_writer(field.type))) for field in fields]
    return lambda value: "{" + ", ".join(f"{shown}: {write(value[name])}" for name, shown, write in parts) + "}"


def _map(key: Writer, item: Writer) -> Writer:
    def named(text: str) -> str:
        return text if text.startswith('"') else f'"{text}"'

    return lambda value: "{" + ", ".join(f"{named(key(k))}: {item(v)}" for k, v in value) + "}"


def _double(value: Json) -> str:
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def _single(value: Json) -> str:
    return str(np.float32(value)) if math.isfinite(value) else _double(value)


def _moment(value: Json) -> str:
    return f'"{value.isoformat()}"'


def _bytes(value: Json) -> str:
    return json.dumps("\\x" + value.hex())


PLAIN: tuple[tuple[Callable[[pa.DataType], bool], Writer], ...] = (
    (pa.types.is_decimal, lambda value: format(value, "f")),
    (pa.types.is_temporal, lambda value: _moment(value) if hasattr(value, "isoformat") else json.dumps(str(value))),
    (pa.types.is_binary, _bytes),
    (pa.types.is_large_binary, _bytes),
)
