"""The form of rows: which keys they have and how those nest; rows of a known form are read in one strict pass.

The engine's type detection over every row costs four times what the reading does, and a reading with fixed types bends
what doesn't fit (1.5 becomes 2, "5" becomes 5). So every leaf is read as the JSON text that it is, which bends nothing,
and becomes a column by what its values are: the same types as detection finds, or None, and detection has to look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intendant.sources.wire.leaves import is_list, mapped
from intendant.types import Json

__all__ = ["EXAMPLES", "LOSSLESS", "Form", "Known", "Unfit", "columns_of"]

EXAMPLES = 2
"""Rows of an example file: a number and a text in every leaf, so that the engine takes each leaf for JSON."""
LOSSLESS = 2.0**53
"""From here on a double holds no longer every integer."""
QUOTE, BACKSLASH = ord('"'), ord("\\")
FRACTION = np.isin(np.arange(256), np.frombuffer(b".eE", np.uint8))
MOST_MISSES = 3


class Unfit(Exception):
    """The values of a leaf are of several kinds, or beyond what a column holds: detection has to look."""


@dataclass(frozen=True)
class Form:
    """A leaf, or the keys of an object, or the form of a list's elements."""

    keys: Mapping[str, Form] = field(default_factory=dict)
    element: Form | None = None

    @classmethod
    def of(cls, type_: pa.DataType | pa.Schema) -> Form:
        """The form of an Arrow schema or type."""
        if isinstance(type_, pa.Schema):
            return cls({f.name: cls.of(f.type) for f in type_})
        if pa.types.is_struct(type_):
            return cls({f.name: cls.of(f.type) for f in type_.fields})
        return cls(element=cls.of(type_.value_type)) if is_list(type_) else cls()

    def with_keys_of(self, other: Form) -> Form:
        """This form with what `other` has more; where they differ, `other`'s."""
        if self.keys and other.keys:
            both = {key: mine.with_keys_of(other.keys.get(key, mine)) for key, mine in self.keys.items()}
            return Form({**both, **{key: new for key, new in other.keys.items() if key not in both}})
        if self.element and other.element:
            return Form(element=self.element.with_keys_of(other.element))
        return other if other.keys or other.element else self if self.keys or self.element else other

    @property
    def example(self) -> bytes:
        """A JSON array of `EXAMPLES` rows of this form."""
        return json.dumps([self._filled(1), self._filled("x")]).encode()

    def _filled(self, leaf: Json) -> Json:
        if self.keys:
            return {key: form._filled(leaf) for key, form in self.keys.items()}
        return [self.element._filled(leaf)] if self.element else leaf


class Known:
    """The form of a collection's rows so far; forgotten for good where rows keep missing it."""

    def __init__(self) -> None:
        self._form: Form | None = None
        self._misses = 0

    @property
    def form(self) -> Form | None:
        return self._form if self._misses < MOST_MISSES else None

    def learn(self, form: Form) -> None:
        self._form = self._form.with_keys_of(form) if self._form else form

    def met(self) -> None:
        self._misses = 0

    def missed(self) -> None:
        self._misses += 1


def columns_of(raw: pa.Table, con: duckdb.DuckDBPyConnection) -> pa.Table:
    """`raw`, whose leaves are JSON texts, with columns of the narrowest types that hold all values. Raises Unfit."""
    columns = [mapped(_whole(column), lambda leaf: _typed(leaf, con)) for column in raw.columns]
    return pa.table(columns, names=raw.column_names)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _typed(leaf: pa.Array, con: duckdb.DuckDBPyConnection) -> pa.Array:
    if isinstance(leaf.type, pa.BaseExtensionType):
        leaf = leaf.cast(leaf.type.storage_type)
    offsets, data = _bytes(leaf)
    starts = offsets[:-1][np.diff(offsets) > 0]
    firsts = data[starts]
    texts = int(np.count_nonzero(firsts == QUOTE))
    if not len(firsts):
        return pa.nulls(len(leaf), pa.string())
    if texts == len(firsts):
        return _unquoted(leaf, data[offsets[0]:offsets[-1]], con)
    if texts or bool(np.any((firsts == ord("[")) | (firsts == ord("{")))):
        raise Unfit
    return _scalar(leaf, chr(firsts[0]), data[offsets[0]:offsets[-1]])


def _bytes(leaf: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The offsets of a text array's values and the bytes that they point into."""
    _, offsets, data = leaf.buffers()
    wide = np.int64 if pa.types.is_large_string(leaf.type) else np.int32
    whole = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return np.frombuffer(offsets, wide)[leaf.offset:leaf.offset + len(leaf) + 1], whole


def _unquoted(leaf: pa.Array, data: np.ndarray, con: duckdb.DuckDBPyConnection) -> pa.Array:
    """JSON texts as the texts they stand for; without a backslash that is what is between the quotes."""
    if not np.any(data == BACKSLASH):
        return pc.binary_slice(leaf.cast(pa.binary()), 1, -1).cast(pa.string())
    if pc.any(pc.match_substring(leaf, "\\u0000")).as_py():
        raise Unfit
    con.register("leaf", pa.table({"v": leaf}))
    try:
        return _whole(con.execute("SELECT v ->> '$' AS v FROM leaf").to_arrow_table()["v"])
    finally:
        con.unregister("leaf")


def _scalar(leaf: pa.Array, first: str, data: np.ndarray) -> pa.Array:
    """Truth values, integers or doubles."""
    try:
        if first in "tf":
            return _truths(leaf)
        if not FRACTION[data].any():
            return leaf.cast(pa.int64())
        doubles = leaf.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise Unfit from error
    if pc.any(pc.is_nan(doubles)).as_py() or not pc.max(pc.abs(doubles)).as_py() < LOSSLESS:
        raise Unfit
    return doubles


def _truths(leaf: pa.Array) -> pa.Array:
    truths = leaf.cast(pa.bool_())
    if not pc.all(pc.is_in(leaf, pa.array(["true", "false", None]))).as_py():
        raise Unfit
    return truths
