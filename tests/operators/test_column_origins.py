"""A new column comes from what it was computed of; what is only carried along comes from itself."""

from __future__ import annotations

import pyarrow as pa
import pytest
from any_rows import Bench

T = pa.table({"id": [1], "g": ["a"], "x": [1.5], "s": ["a,b"], "l": [[1]]})
CASES: dict[str, dict[str, tuple[str, ...]]] = {
    "explode l": {"l": ("t.l",), "g": ("t.g",)},
    "explode L as item": {"item": ("t.l",)},
    "split S by ',' as a, b": {"a": ("t.s",), "b": ("t.s",), "s": ("t.s",)},
    "pivot g in ('a', 'b'): sum x as total, count by id": {
        "id": ("t.id",), "a_total": ("t.x", "t.g"), "a_row_count": ("t.g",), "b_total": ("t.x", "t.g"),
        "b_row_count": ("t.g",),
    },
    "pivot g: avg X": {"a": ("t.x", "t.g")},
    "unpivot id, x as what, value": {"what": (), "value": ("t.id", "t.x"), "g": ("t.g",)},
    "rank by x descending per g as r": {"r": ("t.x", "t.g"), "x": ("t.x",)},
    "running sum x * id by s per g as r": {"r": ("t.x", "t.id", "t.s", "t.g")},
    "moving avg X over 2 rows by ID as m": {"m": ("t.x", "t.id")},
    "previous x by id as p": {"p": ("t.x", "t.id")},
    "share of x per g as part": {"part": ("t.x", "t.g")},
    "running sum id by id as X": {"x": ("t.id",)},
    "top 1 by x per g": {"id": ("t.id",), "x": ("t.x",)},
    "sample 1 rows": {"id": ("t.id",)},
    "semi join other on id": {"id": ("t.id",), "x": ("t.x",)},
    "drop rows where x > 1": {"id": ("t.id",)},
    "title s": {"s": ("t.s",)},
    "cast x to text or empty": {"x": ("t.x",)},
    "group by g: list x as xs, mode s": {"g": ("t.g",), "xs": ("t.x",), "mode_s": ("t.s",)},
    "derive y = X + ID rank by y as r": {"y": ("t.x", "t.id"), "r": ("t.x", "t.id")},
}  # fmt: skip


@pytest.mark.parametrize("said", CASES)
def test_each_column_comes_from_those_it_was_made_of(bench: Bench, said: str) -> None:
    bench.put("t", T)
    bench.put("other", pa.table({"id": [1], "x": [2.5]}))
    found = bench.origins(said)
    assert {name: found[name] for name in CASES[said]} == CASES[said]
    assert list(found) == [c.name for c in bench.columns(said)]
