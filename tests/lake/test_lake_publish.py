"""A reader sees whole loads or nothing; every publish happens once; every version can be read and restored."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_shapes import BOTH, Load, Rows

from intendant.engines.duckdb import DuckDB
from intendant.errors import LakeError, UnknownName
from intendant.lake import Lake
from intendant.lake.remote import Remote
from intendant.types import Column, Stamp


def delta_rows(lake: Lake, table: str, version: int | None = None) -> list[dict[str, object]]:
    """The table as the deltalake library reads it."""
    found: list[dict[str, object]] = pa.RecordBatchReader.from_stream(delta(lake, table, version).scan()).read_all().to_pylist()
    return found


def delta(lake: Lake, table: str, version: int | None = None) -> DeltaTable:
    if isinstance(lake.store, Remote):
        access = lake.store.bucket.access
        options = {"AWS_ENDPOINT_URL": f"http://{access.host}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": access.region,
                   "AWS_ACCESS_KEY_ID": access.access_key, "AWS_SECRET_ACCESS_KEY": access.secret_key}
        return DeltaTable(lake.store.shown(f"main/{table}"), version=version, storage_options=options)
    return DeltaTable(lake.root / "main" / table, version=version)


@BOTH
def test_staged_rows_are_seen_by_nobody_until_they_are_published(lake: Lake, load: Load, rows: Rows) -> None:
    load("orders", {"a": [1]}, step="1")
    stage = lake.stage("orders", Stamp("run", "2"))
    stage.add(pa.table({"a": [2]}))
    assert stage.snapshot().rows == 1
    assert rows("orders") == [(1,)]
    lake.publish(stage, "append")
    assert rows("orders") == [(1,), (2,)]


@BOTH
@pytest.mark.parametrize("mode", ["replace", "append", "upsert"])
def test_publishing_again_with_the_same_stamp_changes_nothing(mode: str, lake: Lake, load: Load, rows: Rows) -> None:
    load("orders", {"a": [1], "b": ["x"]}, step="1")
    first = load("orders", {"a": [1], "b": ["y"]}, mode, step="2", keys=("a",))
    load("orders", {"a": [9], "b": ["z"]}, "append", step="3")
    before = rows("orders")
    again = load("orders", {"a": [1], "b": ["other"]}, mode, step="2", keys=("a",))
    assert (again.version, rows("orders")) == (first.version, before)
    assert len(lake.history("orders")) == 3
    assert lake.published("orders", Stamp("run", "2")) == first
    assert lake.published("orders", Stamp("run", "nope")) is None


@BOTH
def test_the_history_tells_who_made_each_version(lake: Lake, load: Load) -> None:
    load("orders", {"a": [1]}, step="1", operation="ingest")
    load("orders", {"a": [2]}, "append", step="2")
    newest, oldest = lake.history("orders")
    assert (newest.version, newest.operation, newest.rows, newest.run, newest.step) == (1, "append", 2, "run", "2")
    assert (oldest.version, oldest.operation, oldest.rows, oldest.files) == (0, "ingest", 1, ())


@BOTH
def test_the_delta_library_reads_every_version_alike(lake: Lake, load: Load, rows: Rows) -> None:
    load("orders", {"a": [1, 2], "b": ["x", None]}, step="1")
    load("orders", {"a": [3], "c": [1.5]}, "append", step="2")
    load("orders", {"a": [2], "b": ["new"]}, "upsert", step="3", keys=("a",))
    lake.restore("orders", 1, Stamp("run", "4"))
    for version in range(4):
        theirs = sorted((tuple(r.values()) for r in delta_rows(lake, "orders", version)), key=repr)
        assert theirs == sorted(rows("orders", version), key=repr)
    assert delta(lake, "orders").transaction_version('["run", "3"]') == 2


@BOTH
def test_files_carry_exact_statistics(lake: Lake, load: Load) -> None:
    load("orders", {"a": [3, 1, None], "b": ["x", "z", "y"], "c": [1.0, float("nan"), 2.0]}, step="1")
    actions = pa.table(delta(lake, "orders").get_add_actions(flatten=True)).to_pylist()[0]
    assert (actions["num_records"], actions["null_count.a"], actions["min.a"], actions["max.a"]) == (3, 1, 1, 3)
    assert (actions["min.b"], actions["max.b"]) == ("x", "z")
    assert actions.get("min.c") is None


@BOTH
def test_a_new_column_is_null_in_older_rows(load: Load, rows: Rows) -> None:
    load("orders", {"a": [1]}, step="1")
    load("orders", {"a": [2], "b": ["x"]}, "append", step="2")
    assert rows("orders") == [(1, None), (2, "x")]


@pytest.mark.parametrize(("old", "new", "kind", "seen"), [
    (pa.array([1], pa.int32()), pa.array([2**40]), "BIGINT", [(1,), (2**40,)]),
    (pa.array([1]), pa.array([1.5]), "DOUBLE", [(1.0,), (1.5,)]),
    (pa.array([1]), pa.array(["x"]), "VARCHAR", [("1",), ("x",)]),
    (pa.array([True]), pa.array([5]), "VARCHAR", [("5",), ("true",)]),
    (pa.nulls(1), pa.array([5]), "VARCHAR", [("5",), (None,)]),
    (pa.array([5]), pa.nulls(1), "BIGINT", [(5,), (None,)]),
    (pa.array([{"x": 1}]), pa.array([{"y": "b"}]), "STRUCT(x BIGINT, y VARCHAR)",
     [({"x": 1, "y": None},), ({"x": None, "y": "b"},)]),
])
def test_an_append_widens_a_column_without_losing_a_value(
        old: pa.Array, new: pa.Array, kind: str, seen: list[tuple[object]], lake: Lake, load: Load, rows: Rows) -> None:
    load("t", {"v": old}, step="1")
    assert load("t", {"v": new}, "append", step="2").columns == (Column("v", kind),)
    assert sorted(rows("t"), key=repr) == sorted(seen, key=repr)
    assert len(delta_rows(lake, "t")) == 2


@BOTH
def test_batches_of_different_schemas_make_one_table(lake: Lake, engine: DuckDB, rows: Rows) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    for batch in ({"a": [1]}, {"A": [2.5], "b": pa.nulls(1)}, {"b": [7], "c": ["x"]}):
        stage.add(pa.table(batch))
    assert engine.rows("SELECT * FROM s ORDER BY a", {"s": stage.snapshot()})[1] == [
        (1.0, None, None), (2.5, None, None), (None, 7, "x")]
    snapshot = lake.publish(stage, "replace")
    assert snapshot.columns == (Column("a", "DOUBLE"), Column("b", "BIGINT"), Column("c", "VARCHAR"))
    assert len(delta_rows(lake, "t")) == 3


@BOTH
def test_an_upsert_replaces_equal_keys_and_keeps_the_rest(load: Load, rows: Rows) -> None:
    load("t", {"k": [1, 2, None], "v": ["a", "b", "c"]}, step="1")
    load("t", {"K": [2, 3], "v": ["B", "D"], "w": [1, 2]}, "upsert", step="2", keys=("k",))
    assert rows("t") == [(1, "a", None), (2, "B", 1), (3, "D", 2), (None, "c", None)]


@BOTH
def test_an_upsert_touches_only_the_files_with_its_keys(lake: Lake, load: Load) -> None:
    first = load("t", {"k": [1, 2], "v": [0, 0]}, step="1")
    second = load("t", {"k": [3, 4], "v": [0, 0]}, "append", step="2")
    third = load("t", {"k": [4], "v": [9]}, "upsert", step="3", keys=("k",))
    assert set(first.files) <= set(third.files)
    assert not (set(second.files) - set(first.files)) & set(third.files)


@pytest.mark.parametrize(("data", "keys", "mend"), [
    ({"k": [1, 1], "v": [1, 2]}, ("k",), "drop duplicates by k"),
    ({"k": [1, None], "v": [1, 2]}, ("k",), "drop missing k"),
    ({"v": [1]}, ("k",), "There is: k, v"),
    ({"k": [1], "v": [1]}, (), "There is: k, v"),
])
def test_an_upsert_without_a_unique_key_is_refused_with_the_mend(
        data: dict[str, object], keys: tuple[str, ...], mend: str, load: Load, rows: Rows) -> None:
    load("t", {"k": [1], "v": [0]}, step="1")
    with pytest.raises(LakeError, match=mend):
        load("t", data, "upsert", step="2", keys=keys)
    assert rows("t") == [(1, 0)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads=st.lists(st.tuples(st.sampled_from(["replace", "append", "upsert"]),
                                st.dictionaries(st.integers(0, 5), st.integers(0, 99), max_size=4)), min_size=1,
                      max_size=5))
def test_any_sequence_of_publishes_does_what_a_list_does(
        loads: list[tuple[str, dict[int, int]]], lake: Lake, load: Load, rows: Rows) -> None:
    table = f"t{len(lake.names())}"
    expected: list[tuple[int, int]] = []
    for i, (mode, data) in enumerate(loads):
        load(table, {"k": pa.array(data.keys(), pa.int64()), "v": pa.array(data.values(), pa.int64())}, mode,
             step=str(i), keys=("k",))
        kept = {"replace": [], "append": expected, "upsert": [r for r in expected if r[0] not in data]}[mode]
        expected = [*kept, *data.items()]
        assert rows(table) == sorted(expected)


@BOTH
def test_an_empty_load_keeps_its_columns(lake: Lake, load: Load, rows: Rows) -> None:
    snapshot = load("t", {"a": pa.array([], pa.int32()), "b": pa.array([], pa.string())}, step="1")
    assert snapshot.columns == (Column("a", "INTEGER"), Column("b", "VARCHAR"))
    assert rows("t") == []
    assert delta_rows(lake, "t") == []
    with pytest.raises(LakeError, match="no columns"):
        lake.publish(lake.stage("u", Stamp("r", "1")), "replace")


@BOTH
def test_a_restore_is_a_new_version_equal_to_the_old(lake: Lake, load: Load, rows: Rows) -> None:
    load("t", {"a": [1]}, step="1")
    load("t", {"a": ["x"], "b": [2]}, step="2")
    restored = lake.restore("t", 0, Stamp("r", "3"))
    assert (restored.version, restored.columns, rows("t")) == (2, (Column("a", "BIGINT"),), [(1,)])
    assert lake.restore("t", 0, Stamp("r", "3")).version == 2
    assert rows("t", 1) == [("x", 2)]


@BOTH
def test_bad_rows_move_to_quarantine_and_unknown_ones_stay(lake: Lake, engine: DuckDB, rows: Rows) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    stage.add(pa.table({"a": [1, -1, None]}))
    bad = stage.split(engine, "a < 0")
    lake.publish(bad, "append")
    lake.publish(stage, "replace")
    assert rows("t") == [(1,), (None,)]
    assert rows("quarantine.t") == [(-1,)]


def test_a_failed_split_leaves_the_stage_whole(lake: Lake, engine: DuckDB) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    stage.add(pa.table({"a": ["1", "x"]}))
    with pytest.raises(Exception, match="Could not convert"):
        stage.split(engine, "a::INT > 0")
    assert lake.publish(stage, "replace").rows == 2


@BOTH
def test_partitions_lie_in_folders_and_rows_sorted(lake: Lake, load: Load, engine: DuckDB) -> None:
    data = {"i": list(range(60)), "r": ["a", "b/c", None] * 20,
            "at": pa.array([f"2024-0{1 + i % 2}-01" for i in range(60)]).cast(pa.timestamp("us"))}
    snapshot = load("t", data, step="1", partition_by=("r", "month(at)"), sort_by=("i desc",))
    assert snapshot.partition_by == ("r", "month(at)")
    assert len(snapshot.files) == 6
    for file in snapshot.files:
        values = [v for v, in engine.rows(f"SELECT i FROM read_parquet('{file}')", {})[1]]
        assert values == sorted(values, reverse=True)
    assert len(delta_rows(lake, "t")) == 60


@BOTH
def test_settings_decide_the_layout_of_later_loads(lake: Lake, load: Load) -> None:
    load("t", {"r": ["a", "b"]}, step="1")
    lake.set_settings("t", {"partition_by": ["r"]}, Stamp("r", "s"))
    assert lake.settings("T") == {"partition_by": ["r"]}
    assert len(load("t", {"r": ["c", "d"]}, "append", step="2").files) == 3
    with pytest.raises(LakeError, match="no column 'nope'"):
        load("t", {"r": ["c"]}, step="3", partition_by=("nope",))


def test_the_order_of_a_query_is_the_order_of_the_table(lake: Lake, engine: DuckDB) -> None:
    stage = lake.stage("t", Stamp("r", "1"))
    stage.add_sql(engine, "SELECT range AS i FROM range(300000) WHERE range >= ? ORDER BY range DESC", {}, [1])
    snapshot = lake.publish(stage, "replace")
    assert [i for (i,) in engine.rows("SELECT i FROM t", {"t": snapshot})[1]] == list(range(299_999, 0, -1))


def test_a_moved_folder_still_works(lake: Lake, load: Load, engine: DuckDB, tmp_path: Path) -> None:
    load("t", {"a": [1]}, step="1")
    lake.set_settings("t", {"x": 1}, Stamp("r", "s"))
    lake.root.rename(tmp_path / "else where [x]")
    moved = Lake(tmp_path / "else where [x]", engine)
    assert engine.rows("SELECT * FROM t", {"t": moved.snapshot("t")})[1] == [(1,)]
    assert moved.settings("t") == {"x": 1}


@BOTH
def test_an_unknown_table_or_version_says_what_there_is(lake: Lake, load: Load) -> None:
    load("orders", {"a": [1]}, step="1")
    with pytest.raises(UnknownName, match="Did you mean 'orders'"):
        lake.snapshot("ordres")
    with pytest.raises(LakeError, match="versions 0 to 0"):
        lake.snapshot("orders", 7)
