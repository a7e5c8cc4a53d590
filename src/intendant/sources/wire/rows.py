"""Rows from JSON text: DuckDB reads whole groups of pages; only a page it refuses is taken apart row by row.

Rows whose form is known are read in one strict pass; what doesn't fit it is read again, with types found anew. No value
is lost or bent: a column takes the narrowest type that holds all its values, mixed columns stay text, and a row that
can't be read is handed to `reject` with its reason.
"""

from __future__ import annotations

import io
import math
import os
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intendant.errors import SourceDamaged
from intendant.sources.wire.columns import engine, settle
from intendant.sources.wire.form import EXAMPLES, LOSSLESS, Form, Known, Unfit, columns_of
from intendant.sources.wire.kinds import Kind, Kinds, kinds_within
from intendant.sources.wire.leaves import is_list, mapped
from intendant.sources.wire.salvage import DEEPEST, fault, salvage, too_deep

__all__ = ["JsonRows"]

Reject = Callable[[str, str], None]
"""Told of a row that was set aside: reason, raw text."""

MOST_POISON = 0.10
FILE_BYTES = 4 << 20
KEYLESS = "an object without a key"
SUSPECTS = (b"NaN", b"Infinity", b"\\u0000")
SHAPE = (f"format='array', maximum_object_size=268435456, maximum_depth={DEEPEST}, map_inference_threshold=-1, "
         "records=true, sample_size=-1, dateformat='no %d', timestampformat='no %d'")
"""No text is taken for a moment: the engine would drop its offset, and read 01-02-2024 as it likes."""
DETECT = f"SELECT * FROM read_json(?, {SHAPE}, maximum_sample_files=2147483647)"
STRICT = f"SELECT * FROM read_json(?, {SHAPE}, maximum_sample_files=1)".replace("268435456", "16777216")
"""Types come from the first file alone; a key that it lacks, one that comes twice and a huge row are errors."""
TYPE = re.compile(r'"(?:[^"]|"")*"|\b(?:UUID|TIME|JSON|DATE|TIMESTAMP(?:_\w+)?|(?:TIME|TIMESTAMP) WITH TIME ZONE)\b'
                  r"(?=[,)\[]|$)")
LONG = r"(^|[\[{:,])\s*-?[0-9]{16,}\s*($|[\]},])"


class JsonRows:
    """Parses texts of JSON arrays in a temporary folder of its own; `close` removes it.

    `known` is the form of rows read so far, `kinds` the kinds of values; readers of one collection share them. `alone`
    is false for a reader beside others, which takes one core only.
    """

    def __init__(self, known: Known | None = None, alone: bool = True, kinds: Kinds | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="intendant-pages-")
        self._con = engine()
        self._con.execute("SET enable_external_file_cache = false")  # a file's content changes under its name
        self._known, self._kinds = known or Known(), kinds or Kinds()
        self._within: Mapping[str, Collection[Kind]] = {}
        self._poisoned = False
        if not alone:
            self._con.execute("SET threads = 1")

    def close(self) -> None:
        self._con.close()
        self._folder.cleanup()

    def table(self, arrays: Sequence[bytes], reject: Reject, where: str) -> pa.Table:
        """The rows of all arrays, in order, as one table.

        Raises SourceDamaged when more than a tenth of an array's rows can't be read.
        """
        return self._noted(self._table(arrays, reject, where))

    def messages(self, texts: Sequence[bytes], reject: Reject, where: str) -> pa.Table:
        """One row per text; a text that is not one JSON object is rejected, however many are."""
        table, bad = self.objects(texts)
        for i, reason in bad:
            reject(reason, texts[i][:500].decode("utf-8", "backslashreplace"))
        return table

    def objects(self, texts: Sequence[bytes]) -> tuple[pa.Table, list[tuple[int, str]]]:
        """One row per text that is a JSON object, in order, and of the others which they are and why not."""
        table, bad = self._objects(texts)
        return self._noted(table), bad

    def _noted(self, table: pa.Table) -> pa.Table:
        self._kinds.note(table, self._within)
        return table

    def _table(self, arrays: Sequence[bytes], reject: Reject, where: str) -> pa.Table:
        some = [array for array in arrays if not _empty(array)]
        if not some:
            return pa.table({})
        quick = self._quick(some)
        if quick is not None:
            return quick
        clean = [self._suspected(array, reject, where) for array in some]
        clean = [array for array in clean if not _empty(array)]
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
        if clean and _keyless(clean):
            raise SourceDamaged(f"Each row of a page is {KEYLESS}", where=where, hint="Look at what the source sends.")
        return self._parse(clean) if clean else pa.table({})

    def _objects(self, texts: Sequence[bytes]) -> tuple[pa.Table, list[tuple[int, str]]]:
        if not texts:
            return pa.table({}), []
        tried = not self._poisoned  # where the texts before had bad ones among them, these are looked for first
        table = self._one_each(texts) if tried else None
        if table is not None:
            return table, []
        bad = {i: reason for i in _suspects(texts, self._con) if (reason := fault(texts[i]))}
        self._poisoned = bool(bad)
        good = [text for i, text in enumerate(texts) if i not in bad]
        table = self._one_each(good) if good and (bad or not tried) else None
        if table is None:  # what is wrong can't be told from outside
            bad = {i: reason for i, text in enumerate(texts) if (reason := fault(text))}
            good = [text for i, text in enumerate(texts) if i not in bad]
            if _keyless(good):
                good, bad = [], {i: bad.get(i, KEYLESS) for i in range(len(texts))}
            table = self._parse(_arrays(good)) if good else pa.table({})
        return table, sorted(bad.items())

    def _one_each(self, texts: Sequence[bytes]) -> pa.Table | None:
        """A row for each of the texts; None when not every one of them is an object."""
        arrays = _arrays(texts)
        quick = self._quick(arrays)
        if quick is not None and quick.num_rows == len(texts):
            return quick
        if any(mark in array for array in arrays for mark in SUSPECTS) or any(map(too_deep, arrays)):
            return None
        try:
            table = self._parse(arrays)
        except duckdb.Error:
            return None
        return table if table.num_rows == len(texts) and _sound(table) else None

    def _quick(self, arrays: Sequence[bytes]) -> pa.Table | None:
        """The rows in one pass, when all have the known form; None when types have to be found anew."""
        form = self._known.form
        if form is None:
            return None
        files = self._write([form.example, *arrays])
        try:
            raw = self._con.execute(STRICT, [files]).to_arrow_table().slice(EXAMPLES)
            if Form.of(raw.schema) != form or _has_empty_row(raw):
                raise Unfit
            table = settle(columns_of(raw, self._con), self._con)
        except (duckdb.Error, Unfit):
            self._known.missed()
            return None
        self._known.met()
        self._within = {}
        return table

    def _suspected(self, array: bytes, reject: Reject, where: str) -> bytes:
        if any(mark in array for mark in SUSPECTS) or too_deep(array):
            return _salvaged(array, reject, where)
        return array

    def _parse(self, arrays: Sequence[bytes]) -> pa.Table:
        return self._read(self._write(arrays))

    def _write(self, arrays: Sequence[bytes]) -> list[str]:
        """Files of arrays, over those of the group before; the first array has one of its own: it may be an example."""
        files: list[str] = []
        left = [memoryview(array.strip())[1:-1] for array in arrays]
        while left:
            count, size = 0, 0
            while count < len(left) and size < FILE_BYTES and (files or count < 1):
                size, count = size + len(left[count]), count + 1
            files.append(self._overwritten(len(files), left[:count]))
            left = left[count:]
        return files

    def _overwritten(self, number: int, arrays: Sequence[memoryview]) -> str:
        """A file written over itself, which costs a fifteenth of a new one: its pages are there already."""
        path = f"{self._folder.name}/{number:06d}.json"
        with io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            for part in (b"[", b",\n".join(arrays), b"]"):
                _put(out, part)
            out.truncate()
        return path

    def _read(self, files: list[str]) -> pa.Table:
        found = self._con.execute(f"DESCRIBE {DETECT}", [files]).fetchall()
        types = {name: _plain(type_) for name, type_ in ((row[0], row[1]) for row in found)}
        self._within = {}
        if _renamed(list(types)):
            return settle(self._con.execute(DETECT, [files]).to_arrow_table(), self._con)
        table = self._typed(files, types)
        wide = [name for name in _lossy(table) if self._has_long_integers(files, name)]
        if wide:
            table = self._typed(files, {**types, **{name: types[name].replace("DOUBLE", "VARCHAR") for name in wide}})
        several = kinds_within(self._con, files, [row[0] for row in found if row[1] == "JSON"])
        self._within = {**dict.fromkeys(wide, ("number", "exact")), **several}
        self._known.learn(Form.of(table.schema))
        return settle(_narrowed(table), self._con)

    def _typed(self, files: list[str], types: dict[str, str]) -> pa.Table:
        columns = "{" + ", ".join(f"{_quoted(name)}: {_quoted(type_)}" for name, type_ in types.items()) + "}"
        sql = f"SELECT * FROM read_json(?, columns={columns}, format='array', maximum_object_size=268435456)"
        return self._con.execute(sql, [files]).to_arrow_table()

    def _has_long_integers(self, files: list[str], name: str) -> bool:
        sql = (f"SELECT count(*) FROM read_json(?, columns={{{_quoted(name)}: 'VARCHAR'}}, format='array', "
               f"maximum_object_size=268435456) AS t(v) WHERE regexp_matches(v, {_quoted(LONG)})")
        row = self._con.execute(sql, [files]).fetchone()
        return bool(row and row[0])


def _arrays(texts: Sequence[bytes]) -> list[bytes]:
    """The texts as arrays of JSON, each about as large as a file that is read by one thread."""
    size = sum(map(len, texts))
    step = max(1, len(texts) * FILE_BYTES // max(size, 1))
    return [b"[" + b",".join(texts[i:i + step]) + b"]" for i in range(0, len(texts), step)]


def _suspects(texts: Sequence[bytes], con: duckdb.DuckDBPyConnection) -> list[int]:
    """The texts that don't look like one object each, or have in them what needs a closer look."""
    whole = b"\n".join(texts)
    marks, looks = [mark for mark in SUSPECTS if mark in whole], not _decodes(whole)
    odd = [i for i, text in enumerate(texts)
           if (looks and not _decodes(text)) or any(mark in text for mark in marks)] if looks or marks else []
    known = set(odd)
    rest = [i for i in range(len(texts)) if i not in known]
    asked = pa.table({"i": pa.array(rest, pa.int64()), "v": pa.array([texts[i] for i in rest], pa.binary()).cast(pa.string())})
    con.register("texts", asked)
    try:
        sql = "SELECT i FROM texts WHERE (CASE WHEN json_valid(v) THEN json_type(v) = 'OBJECT' END) IS NOT TRUE"
        odd += [row[0] for row in con.execute(sql).fetchall()]
    finally:
        con.unregister("texts")
    return sorted(odd)


def _decodes(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not too_deep(text)


def _keyless(objects: Sequence[bytes]) -> bool:
    """Whether good objects (or lists of them) have no key at all: nothing says which columns they are rows of."""
    return not any(b'"' in text for text in objects)


def _empty(array: bytes) -> bool:
    return not array[1:100].strip(b"] \t\r\n") and not array.strip()[1:-1].strip()


def _put(out: io.FileIO, data: bytes) -> None:
    """All of `data`: the system may take less at once."""
    left = memoryview(data)
    while left:
        left = left[out.write(left):]


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
    return all(bool(pc.all(pc.is_finite(doubles), skip_nulls=True).as_py() is not False) for doubles in _doubles(column))


def _doubles(column: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    """The leaves of a column that are doubles."""
    type_ = column.type
    if pa.types.is_struct(type_):
        return [leaf for i in range(type_.num_fields) for leaf in _doubles(pc.struct_field(column, [i]))]
    if is_list(type_):
        return _doubles(pa.chunked_array([c.flatten() for c in column.chunks], type_.value_type))
    return [column] if pa.types.is_floating(type_) else []


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
    """The type with those that change a text's spelling as VARCHAR; `settle` knows texts that are moments."""
    return TYPE.sub(lambda m: m[0] if m[0].startswith('"') else "VARCHAR", type_)


def _lossy(table: pa.Table) -> list[str]:
    """Columns with doubles beyond the integers that a double holds exactly."""
    return [name for name, column in zip(table.column_names, table.columns, strict=True)
            if any(_beyond(doubles) for doubles in _doubles(column))]


def _beyond(doubles: pa.ChunkedArray) -> bool:
    largest = pc.max(pc.abs(doubles)).as_py()
    return largest is not None and LOSSLESS <= largest < math.inf


def _narrowed(table: pa.Table) -> pa.Table:
    """The engine takes a column with a large and a negative integer for a wider type than it needs."""
    wide = [i for i, field in enumerate(table.schema) if re.search(r"uint64|decimal128\(38, 0\)", str(field.type))]
    for i in wide:
        column = mapped(pa.concat_arrays(table.column(i).chunks), _narrow)
        table = table.set_column(i, table.field(i).name, column)
    return table


def _narrow(leaf: pa.Array) -> pa.Array:
    if pa.types.is_uint64(leaf.type) or leaf.type == pa.decimal128(38, 0):
        try:
            return leaf.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    return leaf


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
