"""A lake on object storage: what two machines do at once, what dies in the middle, and what the storage does wrong."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lake_shapes import REMOTE, SECRET, Load, Rows, impatient
from lake_workers import STEPS, opened, upload_and_die, upsert_many
from tests.servers.s3 import CUT, HALF, LOST, WRONG, Rule, Storage

from intendant.engines.duckdb import DuckDB
from intendant.errors import (
    Conflict,
    Damaged,
    LakeError,
    StorageRefused,
    StorageUnreachable,
    UnknownName,
    WorkspaceError,
)
from intendant.lake import Lake
from intendant.lake.open import remote_of
from intendant.lake.remote import Remote
from intendant.lake.store import Grace
from intendant.objects.bucket import PART
from intendant.types import Json, Stamp

SPAWN = multiprocessing.get_context("spawn")
pytestmark = REMOTE


def rows_of(lake: Lake, table: str) -> list[tuple[Json, ...]]:
    return lake._engine.rows("SELECT * FROM t ORDER BY ALL", {"t": lake.snapshot(table)})[1]


def keys(s3: Storage, place: dict[str, Json], part: str) -> list[str]:
    return [k for k in s3.keys(str(place["url"]).split("/")[2]) if part in k]


def change(s3: Storage, place: dict[str, Json], key: str, content: bytes | None) -> None:
    bucket = str(place["url"]).split("/")[2]
    if content is None:
        s3.client.delete_object(Bucket=bucket, Key=key)
    else:
        s3.client.put_object(Bucket=bucket, Key=key, Body=content)


def once(fault: tuple[int, str], method: str, part: str, times: int = 1) -> Rule:
    """The first requests with that method and that text in their path meet the fault."""
    left = [times]

    def rule(given: str, path: str) -> tuple[int, str] | None:
        if given != method or part not in path or not left[0]:
            return None
        left[0] -= 1
        return fault

    return rule


# several machines


def test_machines_that_upsert_one_table_lose_nothing_and_double_nothing(
    lake: Lake, rows: Rows, place: dict[str, Json], tmp_path: Path
) -> None:
    writers = [SPAWN.Process(target=upsert_many, args=(place, tmp_path / str(n), n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0, 0]
    assert [k for k, _ in rows("t")] == [0, 1, *range(100, 100 + STEPS), *range(110, 110 + STEPS)]
    assert len(lake.history("t")) == 2 * STEPS
    assert len({v for k, v in rows("t") if k < 2}) == 1


def test_a_version_that_another_machine_made_first_is_worked_out_anew(
    lake: Lake, load: Load, rows: Rows, place: dict[str, Json], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("t", {"k": [1, 2], "v": ["a", "a"]}, step="1")
    other, create = opened(place, tmp_path / "other"), lake.store.create

    def overtaken(key: str, content: str) -> None:
        monkeypatch.setattr(lake.store, "create", create)
        stage = other.stage("t", Stamp("other", "1"))
        stage.add(pa.table({"k": [2, 3], "v": ["b", "b"]}))
        other.publish(stage, "upsert", ("k",))
        create(key, content)

    monkeypatch.setattr(lake.store, "create", overtaken)
    assert load("t", {"k": [3, 4], "v": ["c", "c"]}, "upsert", step="2", keys=("k",)).version == 2
    assert rows("t") == [(1, "a"), (2, "b"), (3, "c"), (4, "c")]
    assert lake.collect([]) == 0


def test_one_step_on_two_machines_is_published_once(
    lake: Lake, load: Load, rows: Rows, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    other = opened(place, tmp_path / "other")
    stage = other.stage("t", Stamp("run", "1"))
    stage.add(pa.table({"k": [1]}))
    assert other.publish(stage, "append").version == 0
    assert rows("t") == [(1,)]


def test_a_name_that_two_machines_take_at_once_is_one_table(
    lake: Lake, rows: Rows, place: dict[str, Json], tmp_path: Path
) -> None:
    other = opened(place, tmp_path / "other")
    stages = [(one, one.stage("Orders", Stamp(name, "1"))) for one, name in ((lake, "a"), (other, "b"))]
    for n, (one, stage) in enumerate(stages):
        stage.add(pa.table({"k": [n]}))
        one.publish(stage, "append")
    assert (rows("orders"), lake.names()) == ([(0,), (1,)], ["Orders"])


def test_settings_that_another_machine_changed_meanwhile_are_not_overwritten(
    lake: Lake, load: Load, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    other = opened(place, tmp_path / "other")
    mine, theirs = lake.settings("t"), other.settings("t")
    other.set_settings("t", {**theirs, "rules": [1]}, Stamp("b", "1"))
    with pytest.raises(Conflict):
        lake.set_settings("t", {**mine, "sort_by": ["k"]}, Stamp("a", "1"))
    lake.set_settings("t", {**lake.settings("t"), "sort_by": ["k"]}, Stamp("a", "1"))
    assert other.settings("t") == {"rules": [1], "sort_by": ["k"]}


def test_a_dropped_name_gets_a_new_home_and_the_old_table_can_come_back(
    lake: Lake, load: Load, rows: Rows, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    lake.drop("t", Stamp("r", "d"))
    other = opened(place, tmp_path / "other")
    assert (other.names(), [d.table for d in other.dropped()]) == ([], ["t"])
    load("T", {"k": [2]}, step="2")
    assert (rows("t"), other.names()) == ([(2,)], ["T"])
    with pytest.raises(LakeError, match="There is a table"):
        other.undrop("t", Stamp("r", "u"))
    lake.drop("T", Stamp("r", "d2"))
    assert other.undrop("t", Stamp("r", "u"), dropped_by=Stamp("r", "d")).rows == 1
    assert (rows("t"), len(keys_of(lake))) == ([(1,)], 2)
    assert lake.empty_trash(0) > 0
    assert (rows("t"), lake.dropped(), len(keys_of(lake))) == ([(1,)], [], 1)
    lake.drop("t", Stamp("r", "d3"))
    load("t", {"k": [3]}, step="3")
    assert rows("t") == [(3,)]


def keys_of(lake: Lake) -> set[str]:
    store = lake.store
    assert isinstance(store, Remote)
    return {o.key.split("/")[3] for o in store.bucket.listed(f"{store.prefix}main/")}


# what dies in the middle


def test_a_machine_killed_between_upload_and_log_entry_publishes_nothing_and_goes_on(
    lake: Lake, load: Load, rows: Rows, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    died = SPAWN.Process(target=upload_and_die, args=(place, tmp_path / "died"))
    died.start()
    died.join()
    assert died.exitcode == -signal.SIGKILL
    assert (rows("t"), len(keys(s3, place, ".parquet"))) == ([(1,)], 2)
    again = opened(place, tmp_path / "died")
    stage = again.reopen("t", Stamp("run", "dying"))
    assert stage is not None
    assert again.publish(stage, "append").rows == 2
    assert (rows("t"), len(keys(s3, place, ".parquet"))) == ([(1,), (99,)], 3)
    lake.store.grace = Grace(orphans=3600)
    assert lake.collect([]) == 0  # another writer may be at work on it
    lake.store.grace = Grace()
    assert lake.collect([]) > 0
    assert (rows("t"), len(keys(s3, place, ".parquet"))) == ([(1,), (99,)], 2)


def test_a_table_whose_first_publish_died_before_it_was_entered_as_seen_is_there_once(
    lake: Lake, load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    appear = lake.store.appear
    monkeypatch.setattr(lake.store, "appear", lambda table, home: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load("t", {"k": [1]}, step="1")
    assert (lake.names(), rows("t")) == (["t"], [(1,)])
    monkeypatch.setattr(lake.store, "appear", appear)
    assert load("t", {"k": [1]}, step="1").version == 0
    assert (lake.names(), rows("t")) == (["t"], [(1,)])


def test_a_first_version_that_was_told_as_a_failure_can_be_taken_back_and_does_not_come_again(
    lake: Lake, load: Load, rows: Rows, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    """The storage goes away between the log entry and the register: the run fails, is undone, and is said anew."""
    entered: list[str] = []

    def away(method: str, path: str) -> tuple[int, str] | None:
        later = method == "PUT" and "_tables.json" in path and entered
        entered.extend([path] if method == "PUT" and "_delta_log" in path else [])
        return CUT if later else None

    with s3.failing(away), pytest.raises(StorageUnreachable):
        load("t", {"k": [1]}, "append", step="1")
    other = opened(place, tmp_path / "other")
    assert other.exists("t") and [(s.run, s.step) for s in other.history("t")] == [("run", "1")]
    with pytest.raises(LakeError, match="again"):
        other.undrop("t", Stamp("run", "x"))
    other.drop("t", Stamp("run", "undo t"))
    load("t", {"k": [1]}, "append", step="2")
    assert rows("t") == [(1,)]


def test_a_vacuum_leaves_what_a_reader_has_or_is_on_its_way_to(
    lake: Lake, load: Load, rows: Rows, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    reader = opened(place, tmp_path / "reader")
    late = reader.snapshot("t")
    with reader._engine.session({"t": late}) as con:
        load("t", {"k": [2]}, step="2")
        lake.store.grace = Grace(readers=60)
        assert lake.vacuum("t", 1, None) == 0
        assert [s.version for s in lake.history("t")] == [1]
        lake.store.grace = Grace()
        assert lake.vacuum("t", 1, None) > 0
        assert con.execute("SELECT k FROM t").fetchall() == [(1,)]
    assert rows("t") == [(2,)]
    assert isinstance(reader.store, Remote)
    reader.store.cache.forget("main")
    with pytest.raises(Damaged, match="missing"):
        reader._engine.rows("SELECT * FROM t", {"t": late})


# damage


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_broken_object_is_named_with_the_way_back(
    damage: str, lake: Lake, load: Load, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    load("t", {"k": [2]}, "append", step="2")
    key = keys(s3, place, "/v00000001-")[0]
    change(s3, place, key, None if damage == "missing" else b"PAR1")
    other = opened(place, tmp_path / "other")
    with pytest.raises(Damaged, match=r"Restore 't' to version 0\.") as error:
        other.snapshot("t")
    assert error.value.where == f"s3://{str(place['url']).split('/')[2]}/{key}"
    assert other.restore("t", 0, Stamp("r", "mend")).version == 2
    assert rows_of(other, "t") == [(1,)]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"add": {}}\n', None])
def test_a_changed_log_is_never_passed_over(
    damage: bytes | None, lake: Lake, load: Load, s3: Storage, place: dict[str, Json]
) -> None:
    for i in range(3):
        load("t", {"k": [i]}, "append", step=str(i))
    change(s3, place, keys(s3, place, "_delta_log/00000000000000000001.json")[0], damage)
    with pytest.raises(Damaged, match=r"Restore 't' to version 0"):
        lake.snapshot("t")
    assert lake.restore("t", 0, Stamp("r", "mend")).rows == 1


@pytest.mark.parametrize("damage", [None, b"{"])
def test_a_lost_register_is_no_empty_lake(
    damage: bytes | None, lake: Lake, load: Load, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    key = keys(s3, place, "_tables.json")[0]
    content = s3.get(str(place["url"]).split("/")[2], key)
    change(s3, place, key, damage)
    other = opened(place, tmp_path / "other")
    for look in (other.names, lambda: other.exists("t"), lambda: load("t", {"k": [2]}, step="2")):
        with pytest.raises(Damaged, match="register"):
            look()
    change(s3, place, key, content)
    assert lake.names() == ["t"]


def test_a_log_that_is_gone_is_damage_and_no_missing_table(
    lake: Lake, load: Load, s3: Storage, place: dict[str, Json]
) -> None:
    load("t", {"k": [1]}, step="1")
    change(s3, place, keys(s3, place, "00000.json")[0], None)
    with pytest.raises(Damaged, match="all of it is missing"):
        lake.snapshot("t")


# what the storage does wrong


@pytest.mark.parametrize(
    ("method", "fault", "message", "mend"),
    [
        ("PUT", (403, "AccessDenied"), "is denied", "Check the keys"),
        ("PUT", (403, "RequestTimeTooSkewed"), "clock is wrong", "Set the clock"),
        ("GET", (404, "NoSuchBucket"), "There is no bucket", "Check the bucket's name"),
        ("GET", (403, "AccessDenied"), "is denied", "Check the keys"),
        ("GET", (403, "InvalidAccessKeyId"), "not known there", "Check access_key"),
        ("GET", (403, "SignatureDoesNotMatch"), "doesn't fit", "Check secret_key"),
        ("GET", (403, "RequestTimeTooSkewed"), "clock is wrong", "Set the clock"),
        ("GET", (301, "PermanentRedirect"), "in another region", "Set region"),
        ("GET", (400, "AuthorizationHeaderMalformed"), "in another region", "Set region"),
    ],
)
def test_a_refusal_is_told_with_the_mend_and_changes_nothing(
    method: str, fault: tuple[int, str], message: str, mend: str, lake: Lake, load: Load, s3: Storage
) -> None:
    with s3.failing(once(fault, method, "/", 100)), pytest.raises(StorageRefused, match=message) as error:
        load("t", {"k": [1]}, step="1")
    assert mend in error.value.hint
    assert SECRET not in str(error.value)
    assert not error.value.retry
    assert (lake.names(), lake.collect([Stamp("run", "1")])) == ([], 0)


@pytest.mark.parametrize(
    ("method", "part", "fault"),
    [
        ("GET", "list-type", (503, "SlowDown")),
        ("GET", "_tables.json", CUT),
        ("PUT", ".parquet", (400, "RequestTimeout")),
        ("PUT", ".parquet", CUT),
        ("PUT", "_delta_log", (500, "InternalError")),
        ("PUT", "_delta_log", (503, "SlowDown")),
    ],
)
def test_what_passes_is_tried_again(
    method: str, part: str, fault: tuple[int, str], lake: Lake, load: Load, rows: Rows, s3: Storage
) -> None:
    with s3.failing(once(fault, method, part, 2)):
        load("t", {"k": [1]}, step="1")
    assert rows("t") == [(1,)]


@pytest.mark.parametrize(("part", "fault"), [(".parquet", CUT), ("_delta_log", (503, "SlowDown"))])
def test_what_stays_is_an_error_that_may_be_tried_again_and_publishes_nothing(
    part: str, fault: tuple[int, str], lake: Lake, load: Load, rows: Rows, s3: Storage
) -> None:
    load("t", {"k": [1]}, step="1")
    with s3.failing(once(fault, "PUT", part, 100)), pytest.raises(StorageUnreachable) as error:
        load("t", {"k": [2]}, "append", step="2")
    assert error.value.retry
    assert (rows("t"), len(lake.history("t"))) == ([(1,)], 1)
    stage = lake.stage("t", Stamp("run", "2"))
    stage.add(pa.table({"k": [2]}))
    assert lake.publish(stage, "append").rows == 2


@pytest.mark.parametrize("part", ["_delta_log", "_tables.json", "_settings.json"])
def test_a_put_whose_answer_is_lost_is_told_from_another_writers(
    part: str, lake: Lake, load: Load, rows: Rows, s3: Storage
) -> None:
    with s3.failing(once(LOST, "PUT", part)):
        load("t", {"k": [1]}, step="1")
        lake.settings("t")
        lake.set_settings("t", {"x": 1}, Stamp("r", "s"))
    assert (rows("t"), len(lake.history("t")), lake.settings("t")) == ([(1,)], 1, {"x": 1})


@pytest.mark.parametrize("fault", [HALF, WRONG])
def test_an_object_that_comes_in_part_or_changed_is_fetched_again(
    fault: tuple[int, str], lake: Lake, load: Load, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    other = opened(place, tmp_path / "other")
    with s3.failing(once(fault, "GET", ".parquet", 2)):
        assert rows_of(other, "t") == [(1,)]
    third = opened(place, tmp_path / "third")
    with s3.failing(once(fault, "GET", ".parquet", 100)), pytest.raises(StorageUnreachable):
        rows_of(third, "t")
    assert rows_of(third, "t") == [(1,)]


def test_storage_that_is_down_is_told_at_the_first_question(lake: Lake, place: dict[str, Json], tmp_path: Path) -> None:
    down = opened({**place, "endpoint": "http://127.0.0.1:9"}, tmp_path / "other")
    for ask in (down.names, lambda: down.exists("t"), lambda: down.newest_whole("t")):
        with pytest.raises(StorageUnreachable, match="can't be reached") as error:
            ask()
        assert error.value.hint == "Check endpoint, and that it runs."


def test_storage_that_overwrites_against_a_condition_is_refused_before_anything_is_written(
    lake: Lake, load: Load, s3: Storage, place: dict[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "conditional", False)
    with pytest.raises(StorageRefused, match=r"overwrites objects against a condition \(If-None-Match\)") as error:
        load("t", {"k": [1]}, step="1")
    assert "leave out [lake] url" in error.value.hint
    assert keys(s3, place, "") == []


def test_a_large_file_goes_up_in_parts_and_comes_back_the_same(
    lake: Lake, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    store = lake.store
    assert isinstance(store, Remote)
    content = os.urandom(PART + 1000)
    (stage := tmp_path / "stage").mkdir()
    (stage / "a.parquet").write_bytes(content)
    with s3.failing(once(CUT, "PUT", "partNumber=2")), s3.failing(once(LOST, "POST", "uploadId")):
        store.take(stage, {"a.parquet": len(content)}, "main/t/v1")
    assert s3.get(store.bucket.name, f"{store.prefix}main/t/v1/a.parquet") == content
    stage.mkdir()
    (stage / "a.parquet").write_bytes(content)
    with s3.failing(once(CUT, "PUT", "partNumber=2", 100)), pytest.raises(StorageUnreachable):
        store.take(stage, {"a.parquet": len(content)}, "main/t/v2")
    assert keys(s3, place, "v2") == []
    assert not s3.client.list_multipart_uploads(Bucket=store.bucket.name).get("Uploads")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "s3://"}, "is no address"),
        ({"url": "s3://bucket/a*"}, "holds a pattern"),
        ({"secret_key": ""}, "needs secret_key"),
        ({"endpoint": "ftp://x"}, "endpoint must be"),
    ],
)
def test_settings_that_can_not_be_used_are_told_before_anybody_is_asked(
    change: dict[str, str],
    message: str,
    lake: Lake,
    place: dict[str, Json],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(WorkspaceError, match=message) as error:
        remote_of({**place, **change}, tmp_path, tmp_path)
    assert error.value.hint


def test_names_of_all_kinds_lie_in_one_lake(lake: Lake, load: Load, rows: Rows) -> None:
    names = ["Sales 2024", "..", "a/b", "quarantine.staging.日本", "~2"]
    for name in names:
        load(name, {"a": [name]}, step="1")
    assert lake.names() == sorted(names)
    assert [rows(name) for name in names] == [[(name,)] for name in names]
    with pytest.raises(UnknownName, match="Did you mean"):
        lake.snapshot("Sales 2023")


def test_making_the_lake_contacts_nobody(lake: Lake, s3: Storage, place: dict[str, Json], tmp_path: Path) -> None:
    s3.seen.clear()
    opened(place, tmp_path / "other")
    assert (s3.seen, list(tmp_path.glob("other/*"))) == ([], [])


def test_rows_made_of_an_older_version_never_replace_a_newer_one(
    lake: Lake, load: Load, rows: Rows, place: dict[str, Json], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("t", {"k": [1]}, step="1")
    other, create = opened(place, tmp_path / "other"), lake.store.create

    def overtaken(key: str, content: str) -> None:
        monkeypatch.setattr(lake.store, "create", create)
        stage = other.stage("t", Stamp("other", "1"))
        stage.add(pa.table({"k": [2]}))
        other.publish(stage, "append")
        create(key, content)

    stage = lake.stage("t", Stamp("run", "2"))
    stage.add(pa.table({"k": [10]}))
    monkeypatch.setattr(lake.store, "create", overtaken)
    with pytest.raises(Conflict, match="while version 0 was worked on"):
        lake.publish(stage, "replace", follows=0)
    assert (rows("t"), stage.rows) == ([(1,), (2,)], 1)


def test_a_table_that_another_machine_finished_is_seen_by_one_that_knew_only_its_name(
    lake: Lake, place: dict[str, Json], tmp_path: Path
) -> None:
    lake.store.make("t")
    assert not lake.exists("t")
    other = opened(place, tmp_path / "other")
    stage = other.stage("t", Stamp("other", "1"))
    stage.add(pa.table({"k": [1]}))
    other.publish(stage, "replace")
    assert (lake.exists("t"), lake.snapshot("t").rows) == (True, 1)


@pytest.mark.parametrize("path", ["../../../../outside.parquet", "/tmp/outside.parquet", "s3://other/x.parquet"])
def test_a_log_that_names_a_file_elsewhere_is_damage_and_nothing_is_fetched(
    path: str, lake: Lake, load: Load, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    key = keys(s3, place, "00000.json")[0]
    lines = [json.loads(line) for line in s3.get(str(place["url"]).split("/")[2], key).splitlines()]
    for action in lines:
        if "add" in action:
            action["add"]["path"] = path
    change(s3, place, key, "".join(json.dumps(line) + "\n" for line in lines).encode())
    with pytest.raises(Damaged, match="outside of the table's folder"):
        lake.snapshot("t")


def test_a_register_that_names_a_folder_elsewhere_is_damage(
    lake: Lake, load: Load, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    key = keys(s3, place, "_tables.json")[0]
    content = s3.get(str(place["url"]).split("/")[2], key).decode()
    change(s3, place, key, content.replace("main/t", "main/../../t").encode())
    with pytest.raises(Damaged, match="register"):
        opened(place, tmp_path / "other").names()


def test_the_size_is_that_of_all_objects_and_is_remembered(
    lake: Lake, load: Load, s3: Storage, place: dict[str, Json], tmp_path: Path
) -> None:
    load("t", {"k": [1]}, step="1")
    store = lake.store
    assert isinstance(store, Remote)
    before = lake.size()
    assert before == sum(o.bytes for o in store.bucket.listed(""))
    again = Lake(lake.root, DuckDB(threads=1), impatient(place, tmp_path))
    s3.seen.clear()
    assert (again.size(), s3.seen) == (before, [])


class Killed(BaseException):
    """The process is gone: not one request more leaves it."""


def dying(lake: Lake, request: int, heard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lake's process dies at the given request, before or after the storage hears of it."""
    store, count = lake.store, 0
    assert isinstance(store, Remote)
    ask = store.bucket._asked

    @contextmanager
    def asked(*args: Any, **more: Any) -> Iterator[Any]:
        nonlocal count
        count += 1
        if count > request or (count == request and not heard):
            raise Killed
        with ask(*args, **more) as answer:
            answer.read()
            if count == request:
                raise Killed
            yield answer

    monkeypatch.setattr(store.bucket, "_asked", asked)


@pytest.mark.parametrize(("made", "heard"), [(False, True), (True, False)])
def test_a_publish_that_dies_at_any_request_is_finished_by_the_next_try_once(
    made: bool,
    heard: bool,
    lake: Lake,
    load: Load,
    rows: Rows,
    place: dict[str, Json],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holders = list(lake._engine.holders)
    for n in range(1 + heard, 40, 2):
        table, before = f"t{n}", [(0,)] if made else []
        if made:
            load(table, {"k": [0]}, step="0")
        machine = opened(place, tmp_path / "machine", lake._engine)
        stage = machine.stage(table, Stamp("run", "1"))
        stage.add(pa.table({"k": [n]}))
        stage.save()
        with monkeypatch.context() as patch:
            dying(machine, n, heard, patch)
            try:
                machine.publish(stage, "append")
            except Killed:
                dead = True
            else:
                dead = False
        seen = rows(table) if lake.exists(table) else []
        assert seen in (before, [*before, (n,)])
        again = opened(place, tmp_path / "machine", lake._engine)
        left = again.reopen(table, Stamp("run", "1"))
        if left is not None:
            again.publish(left, "append")
        assert rows(table) == [*before, (n,)]
        lake._engine.holders[:] = holders
        if not dead:
            break
    assert not dead
    assert n > 5
    lake.collect([])
    assert rows(f"t{n}") == [*before, (n,)]
