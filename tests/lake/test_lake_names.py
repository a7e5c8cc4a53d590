"""Any text is a table's or a column's name, and none leads out of the lake."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_shapes import Load, Rows

from intendant.errors import LakeError
from intendant.lake import Lake
from intendant.lake.names import decode, encode
from intendant.types import Stamp

NAMES = ["orders", "Sales 2024", "..", "../../etc/passwd", "/abs", "a.b.c", 'quo"te', "it's", "select", "CON", "für",
         "日本", "🙂", "a\nb", "%41", "~x", "_stage", "_delta_log", "staging.x y", "quarantine.staging.orders", "*[?]"]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_any_name_comes_back(name: str, lake: Lake, load: Load, rows: Rows) -> None:
    assert load(name, {"a": [1]}, step="1").table == name
    assert lake.names() == [name]
    assert rows(name) == [(1,)]
    assert {p.name for p in lake.root.iterdir()} <= {"main", "staging", "quarantine", "locks", "tmp"}


@given(st.text(min_size=1, max_size=12).filter(lambda s: s.isprintable()))
def test_an_encoded_name_is_safe_and_decodes(name: str) -> None:
    folder = encode(name)
    assert set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-%ABCDEF")
    assert decode(folder) == name


def test_case_is_ignored_as_in_sql(lake: Lake, load: Load, rows: Rows) -> None:
    load("Orders", {"a": [1]}, step="1")
    load("oRDERS", {"a": [2]}, "append", step="2")
    assert (lake.names(), rows("ORDERS")) == (["Orders"], [(1,), (2,)])


@pytest.mark.parametrize("name", ["", "x" * 201, "ü" * 40, "\ud800"])
def test_a_name_that_no_folder_can_have_is_refused(name: str, lake: Lake) -> None:
    with pytest.raises(LakeError):
        lake.stage(name, Stamp("r", "1"))


def test_columns_of_any_name_survive_every_kind_of_write(lake: Lake, load: Load, rows: Rows) -> None:
    names = ["a b", 'q"q', "x.y", "é", "select", "a,b;{}()=", "'", "file_row_number", "%", "filename", "k\n"]
    load("t", {name: [1] for name in names}, step="1")
    load("t", {name: [2] for name in names}, "append", step="2")
    snapshot = load("t", {name: [2] for name in names}, "upsert", step="3", keys=("a b", 'q"q'))
    assert [c.name for c in snapshot.columns] == names
    assert rows("t") == [(1,) * len(names), (2,) * len(names)]


def test_columns_that_differ_only_in_case_or_have_no_name_get_one(lake: Lake, load: Load) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    stage.add(pa.Table.from_arrays([pa.array([1])] * 3, names=["a", "A", ""]))
    assert [c.name for c in lake.publish(stage, "replace").columns] == ["a", "A_1", "column_3"]
