"""A new column comes from what it was computed of; what is only carried along comes from itself."""

from __future__ import annotations

import pyarrow as pa
import pytest
from any_rows import Bench

from intendant.language import parse
from intendant.operators import operators

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
    "asof join other on id by x = x": {"id": ("t.id",), "x": ("t.x",), "z": ("other.z",)},
    "clip x between 0 and 1": {"x": ("t.x",)},
    "distinct g, s": {"g": ("t.g",), "s": ("t.s",)},
    "drop s": {"g": ("t.g",)},
    "drop duplicates by id keeping newest by x": {"id": ("t.id",)},
    "drop missing x": {"x": ("t.x",)},
    "fill x with median": {"x": ("t.x",), "g": ("t.g",)},
    "fill X with previous by id per g": {"x": ("t.x", "t.id", "t.g")},
    "fill x with ID * 2": {"x": ("t.x", "t.id")},
    "filter x > 1": {"x": ("t.x",)},
    "left join other on ID": {"id": ("t.id",), "x": ("t.x",), "other_x": ("other.x",), "z": ("other.z",)},
    "full join other on id": {"id": ("t.id", "other.id"), "g": ("t.g",), "other_x": ("other.x",)},
    "rename X to y": {"y": ("t.x",)},
    "select id, X": {"id": ("t.id",), "x": ("t.x",)},
    "sort by x": {"x": ("t.x",)},
    "union other": {"id": ("t.id", "other.id"), "x": ("t.x", "other.x"), "g": ("t.g",), "z": ("other.z",)},
    "rename x to X2, id to X union other": {"X2": ("t.x",), "X": ("t.id", "other.x"), "id": ("other.id",)},
    "select x, id transpose by id as figure": {"figure": ()},
    "select id, x derive x_1 = x derive x_2 = id drop x wide to long x as n": {"n": (), "x": ("t.x", "t.id")},
    "derive y = X + ID rank by y as r": {"y": ("t.x", "t.id"), "r": ("t.x", "t.id")},
}  # fmt: skip


@pytest.mark.parametrize("said", CASES)
def test_each_column_comes_from_those_it_was_made_of(bench: Bench, said: str) -> None:
    bench.put("t", T)
    bench.put("other", pa.table({"id": [1], "x": [2.5], "z": ["u"]}))
    found = bench.origins(said)
    assert {name: found[name] for name in CASES[said]} == CASES[said]
    assert list(found) == [c.name for c in bench.columns(said)]


def test_no_operator_is_left_out() -> None:
    used = {step.verb for said in CASES for step in parse(f"query t {said}").steps[0].args["operators"]}
    assert set(operators()) - used == set()
