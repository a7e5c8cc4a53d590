"""Records of a Python program as Arrow tables: dicts by the way of JSON rows where JSON has words for them, tables as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.rows import JsonRows, Reject

__all__ = ["Records"]

CHUNK = 10_000
TABLE_ROWS = 100_000
SHOWN = 500
NATIVE = (str, int, float, bool, bytes, dict, list, type(None))


class Records:
    """Collects dicts to tables of `CHUNK` rows, or of `enough` when that is fewer; `close` removes its temporary folder."""

    def __init__(self, kinds: Kinds, reject: Reject, where: str, enough: int | None = None) -> None:
        self._rows, self._reject, self._where = JsonRows(kinds=kinds), reject, where
        self._size = min(CHUNK, enough or CHUNK)

    def close(self) -> None:
        self._rows.close()

    def tables(self, items: Iterable[Any]) -> Iterator[pa.Table]:
        """Items are dicts, lists of dicts, or what Arrow can take as a table; others are rejected."""
        held: list[dict[str, Any]] = []
        for item in items:
            if isinstance(item, list | tuple):
                held += self._sound(item)
            elif isinstance(item, dict):
                held.append(item)
            elif (table := _arrow(item)) is not None:
                yield from self._flushed(held)
                held = []
                yield from (table.slice(at, TABLE_ROWS) for at in range(0, table.num_rows, TABLE_ROWS))
            else:
                self._reject(f"a record is a {type(item).__name__}, not an object", repr(item)[:SHOWN])
            while len(held) >= self._size:
                yield from self._flushed(held[:CHUNK])
                held = held[CHUNK:]
        yield from self._flushed(held)

    def _sound(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        for row in rows:
            if not isinstance(row, dict):
                self._reject(f"a record is a {type(row).__name__}, not an object", repr(row)[:SHOWN])
        return [row for row in rows if isinstance(row, dict)]

    def _flushed(self, rows: list[dict[str, Any]]) -> Iterator[pa.Table]:
        if not rows:
            return
        try:
            text = json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")
        except TypeError:
            table = _typed(rows)
        else:
            table = self._rows.table([text], self._reject, self._where)
        if table.num_rows:
            yield table


def _arrow(item: Any) -> pa.Table | None:
    if isinstance(item, pa.Table):
        return item
    if isinstance(item, pa.RecordBatch):
        return pa.Table.from_batches([item])
    if type(item).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(item, preserve_index=False)
    return pa.table(item) if hasattr(item, "__arrow_c_stream__") else None


def _typed(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows with values that JSON has no word for: each column in the type that all its values have, else as text."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return pa.table({name: _column([_plain(row.get(name)) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([None if v is None else v if isinstance(v, str) else json.dumps(v, default=str) for v in values], pa.string())
    return array.cast(pa.string()) if pa.types.is_decimal256(array.type) else array


def _plain(value: Any) -> Any:
    """A value that Arrow knows: moments with a zone in UTC, times and lengths of time as text, all others by their text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(v) for v in value]
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta) or not (isinstance(value, NATIVE) or type(value).__module__ in ("datetime", "decimal")):
        return value if hasattr(value, "isoformat") else str(value)
    return value
