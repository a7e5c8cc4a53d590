"""Nested columns seen as their leaves: what is done to a leaf is written once, and the nesting is put back around it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["is_list", "mapped"]


def mapped(array: pa.Array, leaf: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """`array` with every leaf array below its structs and lists replaced by `leaf(array)`, of the same length."""
    if pa.types.is_struct(array.type) and array.type.num_fields:
        fields = [array.type.field(i).name for i in range(array.type.num_fields)]
        return pa.StructArray.from_arrays([mapped(child, leaf) for child in array.flatten()], fields,
                                          mask=array.is_null())
    if is_list(array.type):
        return _listed(array, mapped(array.flatten(), leaf))
    return leaf(array)


def is_list(type_: pa.DataType) -> bool:
    """Whether the type is a list whose elements have a type of their own."""
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))


def _listed(array: pa.Array, values: pa.Array) -> pa.Array:
    """`values`, as long as all lists of `array` together, cut as they are."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    ends = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    field = pa.field(array.type.value_field.name, values.type)
    large = len(values) >= 2**31
    offsets = pa.array(ends, pa.int64() if large else pa.int32())
    made = pa.LargeListArray if large else pa.ListArray
    type_ = pa.large_list(field) if large else pa.list_(field)
    return made.from_arrays(offsets, values, type=type_, mask=array.is_null())
