"""Rows from JSON text: DuckDB reads whole groups of pages; only a page it refuses is taken apart row by row.

No value is lost or bent: a column takes the narrowest type that holds all its values, mixed columns stay text, and a
row that can't be read is handed to `reject` with its reason.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intendant.errors import SourceDamaged
from intendant.sources.wire.columns import engine, settle
from intendant.sources.wire.salvage import DEEPEST, fault, salvage, too_deep

__all__ = ["JsonRows"]

Reject = Callable[[str, str], None]
"""Told of a row that was set aside: reason, raw text."""

MOST_POISON = 0.10
FILE_BYTES = 1 << 20
SUSPECTS = (b"NaN", b"Infinity", b"\\u0000")
READ = (f"format='array', maximum_object_size=268435456, maximum_depth={DEEPEST}, map_inference_threshold=-1, "
        "sample_size=-1, maximum_sample_files=2147483647")
TYPE = re.compile(r'"(?:[^"]|"")*"|\b(?:UUID|TIME|JSON)\b(?=[,)\[]|$)')
LOSSLESS = 2.0**53


class JsonRows:
    """Parses texts of JSON arrays in a temporary folder of its own; `close` removes it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="intendant-pages-")
        self._con = engine()

    def close(self) -> None:
        self._con.close()
        self._folder.cleanup()

    def table(self, arrays: Sequence[bytes], reject: Reject, where: str) -> pa.Table:
        """The rows of all arrays, in order, as one table.

        Raises SourceDamaged when more than a tenth of an array's rows can't be read.
        """
        clean = [self._suspected(array, reject, where) for array in arrays]
        clean = [array for array in clean if array[1:-1].strip()]
        if not clean:
            return pa.table({})
        try:
            table = self._parse(clean)
        except duckdb.Error:
            table = None
        if table is not None and _sound(table):
            return table
        clean = [_salvaged(array, reject, where) for array in clean]
        clean = [array for array in clean if array != b"[]"]
        return self._parse(clean) if clean else pa.table({})

    def messages(self, texts: Sequence[bytes], reject: Reject, where: str) -> pa.Table:
        """One row per text; a text that is not one JSON object is rejected, however many are."""
        array = b"[" + b",".join(texts) + b"]"
        if not any(mark in array for mark in SUSPECTS) and not too_deep(array):
            try:
                table = self._parse([array])
            except duckdb.Error:
                table = None
            if table is not None and table.num_rows == len(texts) and _sound(table):
                return table
        good: list[bytes] = []
        for text in texts:
            reason = fault(text)
            if reason:
                reject(reason, text[:500].decode("utf-8", "backslashreplace"))
            else:
                good.append(text)
        return self._parse([b"[" + b",".join(good) + b"]"]) if good else pa.table({})

    def _suspected(self, array: bytes, reject: Reject, where: str) -> bytes:
        if any(mark in array for mark in SUSPECTS) or too_deep(array):
            return _salvaged(array, reject, where)
        return array

    def _parse(self, arrays: Sequence[bytes]) -> pa.Table:
        files = self._write(arrays)
        try:
            return self._read(files)
        finally:
            for file in files:
                Path(file).unlink()

    def _write(self, arrays: Sequence[bytes]) -> list[str]:
        files: list[str] = []
        group: list[bytes] = []
        size = 0
        for index, array in enumerate(arrays):
            group.append(array.strip()[1:-1])
            size += len(array)
            if size >= FILE_BYTES or index == len(arrays) - 1:
                path = Path(self._folder.name) / f"{len(files):06d}.json"
                path.write_bytes(b"[" + b",\n".join(group) + b"]")
                files.append(str(path))
                group, size = [], 0
        return files

    def _read(self, files: list[str]) -> pa.Table:
        found = self._con.execute(f"DESCRIBE SELECT * FROM read_json(?, records=true, {READ})", [files]).fetchall()
        if _renamed([row[0] for row in found]):
            read = self._con.execute(f"SELECT * FROM read_json(?, records=true, {READ})", [files])
            return settle(read.to_arrow_table(), self._con)
        types = {name: _plain(type_) for name, type_ in ((row[0], row[1]) for row in found)}
        table = self._typed(files, types)
        wide = [name for name in _lossy(table) if self._has_long_integers(files, name)]
        if wide:
            table = self._typed(files, {**types, **dict.fromkeys(wide, "VARCHAR")})
        return settle(table, self._con)

    def _typed(self, files: list[str], types: dict[str, str]) -> pa.Table:
        columns = "{" + ", ".join(f"{_quoted(name)}: {_quoted(type_)}" for name, type_ in types.items()) + "}"
        sql = f"SELECT * FROM read_json(?, columns={columns}, format='array', maximum_object_size=268435456)"
        return self._con.execute(sql, [files]).to_arrow_table()

    def _has_long_integers(self, files: list[str], name: str) -> bool:
        sql = (f"SELECT count(*) FROM read_json(?, columns={{{_quoted(name)}: 'VARCHAR'}}, format='array', "
               "maximum_object_size=268435456) AS t(v) WHERE regexp_full_match(v, '-?[0-9]{16,}')")
        row = self._con.execute(sql, [files]).fetchone()
        return bool(row and row[0])


def _salvaged(array: bytes, reject: Reject, where: str) -> bytes:
    good, bad = salvage(array)
    for reason, raw in bad:
        reject(reason, raw)
    if len(bad) > MOST_POISON * (len(good) + len(bad)):
        raise SourceDamaged(
            f"{len(bad)} of {len(good) + len(bad)} rows of a page can't be read: {bad[0][0]}", where=where,
            hint="The source sends broken JSON; ask its owner to mend it.")
    return b"[" + b",".join(good) + b"]"


def _sound(table: pa.Table) -> bool:
    """No number overflowed, and no element of the list was something else than an object."""
    return all(_finite(column) for column in table.columns) and not _has_empty_row(table)


def _finite(column: pa.ChunkedArray) -> bool:
    type_ = column.type
    if pa.types.is_floating(type_):
        return bool(pc.all(pc.is_finite(column), skip_nulls=True).as_py() is not False)
    if pa.types.is_struct(type_):
        return all(_finite(pc.struct_field(column, [i])) for i in range(type_.num_fields))
    if pa.types.is_list(type_):
        return _finite(pa.chunked_array([c.flatten() for c in column.chunks], type_.value_type))
    return True


def _has_empty_row(table: pa.Table) -> bool:
    empty = None
    for column in table.columns:
        if not column.null_count:
            return False
        nulls = column.is_null()
        empty = nulls if empty is None else pc.and_(empty, nulls)
    return empty is not None and bool(pc.any(empty).as_py())


def _renamed(names: list[str]) -> bool:
    """Whether the engine may have renamed columns: two keys that differ in case, or an empty key."""
    stems = {name.lower() for name in names}
    return any(((m := re.fullmatch(r"(.*)_\d+", name)) and m[1].lower() in stems) or re.fullmatch(r"C\d+", name)
               for name in names)


def _plain(type_: str) -> str:
    """The type with those that change a text's spelling, or that a lake has no type for, as VARCHAR."""
    return TYPE.sub(lambda m: m[0] if m[0].startswith('"') else "VARCHAR", type_)


def _lossy(table: pa.Table) -> list[str]:
    """Columns of doubles with values beyond the integers that a double holds exactly."""
    out = []
    for field in table.schema:
        if pa.types.is_floating(field.type):
            bounds = pc.min_max(table[field.name])
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            if low is not None and LOSSLESS <= max(abs(low), abs(high)) < math.inf:
                out.append(field.name)
    return out


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
