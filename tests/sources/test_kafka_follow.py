"""A topic that is followed into a table: every message once, whatever happens in between, and nothing lost unsaid."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.faults.harness import Zygote
from tests.servers.kafka import KafkaServer

from intendant.app import Intendant
from intendant.run.replay import sentence
from intendant.types import Result

FOLLOW = "ingest telemetry.readings new rows into readings"


def message(i: int, **more: Any) -> bytes:
    return json.dumps({"id": i, "value": i / 2, **more}).encode()


def settings(folder: Path, server: KafkaServer, more: str = "") -> None:
    (folder / "intendant.toml").write_text(
        f'[sources.telemetry]\nkind = "kafka"\nbrokers = "{server.brokers}"\ntopics = ["readings", "poison"]\ntimeout = 2\n{more}\n')


@pytest.fixture
def server() -> KafkaServer:
    made = KafkaServer()
    made.create("readings", 3)
    for p in range(3):
        made.produce("readings", *(message(i) for i in range(p, 30, 3)), partition=p, timestamp=1_700_000_000_000)
    return made


@pytest.fixture
def app(server: KafkaServer, tmp_path: Path) -> Iterator[Intendant]:
    Intendant.init(tmp_path).close()
    settings(tmp_path, server)
    with Intendant(tmp_path) as opened:
        yield opened


def go(app: Intendant, text: str = FOLLOW) -> Result:
    result = app.do(text, approve=True)
    assert result.status == "succeeded", result
    return result


def ids(app: Intendant, table: str = "readings") -> list[int]:
    return sorted(row[0] for row in app.sql(f"SELECT id FROM {table}")["rows"])


def evidence(result: Result) -> list[tuple[str, str]]:
    return [(f["check"], f["evidence"]) for f in result.findings]


def test_each_load_brings_what_is_new_and_nothing_twice(app: Intendant, server: KafkaServer) -> None:
    assert go(app).outputs[0].rows_written == 30
    assert go(app).outputs[0].rows_written == 0
    server.produce("readings", message(30), message(31), partition=1)
    assert go(app).outputs[0].rows_written == 2
    assert ids(app) == list(range(32))


def test_a_load_without_news_makes_no_version(app: Intendant) -> None:
    go(app)
    assert {go(app).outputs[0].version for _ in range(2)} == {0}


def test_an_empty_topic_is_no_failure_and_makes_no_table(app: Intendant, server: KafkaServer) -> None:
    server.delete("readings")
    server.create("readings", 2)
    assert go(app).outputs == ()
    assert app.lake.names() == []
    server.produce("readings", message(1))
    assert go(app).outputs[0].rows_written == 1


def test_so_many_messages_are_a_load_and_the_next_goes_on_behind_them(app: Intendant) -> None:
    got = [go(app, "ingest telemetry.readings first 8 new rows into readings").outputs[0].rows_written for _ in range(5)]
    assert got == [8, 8, 8, 6, 0]
    assert ids(app) == list(range(30))


def test_a_filter_passes_messages_over_for_good(app: Intendant, server: KafkaServer) -> None:
    only = "ingest telemetry.readings new rows where id >= 28 into readings"
    assert go(app, only).outputs[0].rows_written == 2
    server.produce("readings", message(5), message(40))
    assert go(app, only).outputs[0].rows_written == 1
    assert ids(app) == [28, 29, 40]
    server.produce("readings", message(6))
    assert go(app, only).outputs[0].rows_written == 0
    assert app.lake.positions("readings")["telemetry.readings"]["0"]["next"] == 13


def test_a_whole_load_is_where_following_goes_on(app: Intendant, server: KafkaServer) -> None:
    go(app, "ingest telemetry.readings into readings")
    server.produce("readings", message(30))
    assert go(app).outputs[0].rows_written == 1
    assert ids(app) == list(range(31))


def test_a_change_in_place_keeps_the_position(app: Intendant) -> None:
    go(app)
    for text in ("transform readings filter id < 20", "provision readings sort by id"):
        app.do(text, approve=True)
    assert go(app).outputs[0].rows_written == 0
    assert ids(app) == list(range(20))


def test_rows_from_elsewhere_begin_a_history_of_their_own(app: Intendant, tmp_path: Path) -> None:
    go(app)
    (tmp_path / "r.csv").write_text("id,value\n99,1.5\n")
    app.load(tmp_path / "r.csv", "readings")
    assert app.lake.positions("readings") == {}
    result = go(app)
    assert result.outputs[0].rows_written == 30
    assert evidence(result) == [("stream_start", "'readings' had 1 rows, but nothing says how far telemetry.readings was "
                                 "read for them: it was read from its beginning.")]
    assert evidence(go(app)) == []


def test_an_older_version_reads_on_from_its_own_position(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", message(30), b"poison")
    go(app)
    server.produce("readings", message(31))
    go(app)
    app.rollback("readings", 0)
    assert ids(app) == list(range(30))
    assert go(app).outputs[0].rows_written == 2
    assert ids(app) == list(range(32))
    assert app.sql("SELECT count(*) FROM quarantine.readings")["rows"] == [[1]]


def test_an_undone_load_is_read_again(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", message(30))
    server.create("poison")
    server.produce("poison", b"poison")
    failed = app.do(f"{FOLLOW}\ningest telemetry.poison new rows into other", approve=True)
    assert failed.status == "failed"
    assert ids(app) == list(range(30))
    go(app)
    assert ids(app) == list(range(31))


def test_two_tables_follow_one_topic_each_for_itself(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", message(30))
    go(app, "ingest telemetry.readings new rows into copies")
    go(app)
    assert ids(app) == ids(app, "copies") == list(range(31))


def test_a_partition_added_later_is_read_from_its_beginning(app: Intendant, server: KafkaServer, tmp_path: Path) -> None:
    go(app)
    app.close()
    wider = KafkaServer()  # the same messages at the same times: as if two partitions had been added
    wider.create("readings", 5)
    for p in range(3):
        wider.produce("readings", *(message(i) for i in range(p, 30, 3)), partition=p, timestamp=1_700_000_000_000)
    wider.produce("readings", message(30), message(31), partition=4)
    settings(tmp_path, wider)
    with Intendant(tmp_path) as again:
        result = go(again)
        assert result.outputs[0].rows_written == 2 and evidence(result) == []
        assert ids(again) == list(range(32))
        assert set(again.lake.positions("readings")["telemetry.readings"]) == {"0", "1", "2", "3", "4"}


def test_messages_that_retention_removed_are_counted(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", *(message(i) for i in range(30, 50)), partition=1)
    server.forget("readings", 1, 15)
    result = go(app)
    assert result.outputs[0].rows_written == 15
    [(check, said)] = evidence(result)
    assert check == "stream_gap" and "up to 5 messages were removed before they were read (partition 1)" in said
    assert evidence(go(app)) == []


def test_a_topic_made_again_is_read_from_its_beginning_and_told(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.delete("readings")
    server.create("readings", 3)
    server.produce("readings", message(100), message(101), partition=0)
    result = go(app)
    assert result.outputs[0].rows_written == 2
    [(check, said)] = evidence(result)
    assert check == "stream_gap" and "isn't the topic that was read before" in said
    assert ids(app)[-2:] == [100, 101]
    assert evidence(go(app)) == []


def test_a_topic_made_again_that_has_grown_is_known_by_its_messages(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.delete("readings")
    server.create("readings", 3)
    server.produce("readings", *(message(i) for i in range(100, 110)), partition=0)  # as many as were read
    server.produce("readings", *(message(i) for i in range(110, 130)), partition=1)
    result = go(app)
    assert result.outputs[0].rows_written == 30
    assert [check for check, _ in evidence(result)] == ["stream_gap"]
    assert set(ids(app)) == {*range(30), *range(100, 130)}


def test_new_rows_without_a_column_need_a_stream(app: Intendant, tmp_path: Path) -> None:
    app.close()
    with (tmp_path / "intendant.toml").open("a") as more:
        more.write('[sources.drops]\nkind = "files"\npath = "drops/"\n')
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "a.csv").write_text("id\n1\n")
    with Intendant(tmp_path) as again:
        again.sources()
        for text, said, hint in (
            ("ingest drops.a new rows into a", "new rows of drops.a by which column?", "`new rows by COLUMN`"),
            ("ingest telemetry.readings latest 5 by id new rows into a", "`latest` doesn't go with `new rows`", "first N"),
        ):
            result = again.do(text)
            assert result.status == "failed" and result.error is not None
            assert said in result.error["message"] and hint in result.error["hint"]


def test_the_latest_message_of_a_key_holds(app: Intendant, server: KafkaServer) -> None:
    server.produce("readings", message(3, value=100.0), message(3, value=200.0), message(4, value=7.5), partition=0)
    upsert = "ingest telemetry.readings new rows upsert on id into readings"
    assert go(app, upsert).outputs[0].rows_written == 30
    values = "SELECT id, value FROM readings WHERE id IN (3, 4) ORDER BY id"
    assert app.sql(values)["rows"] == [[3, 200.0], [4, 7.5]]
    server.produce("readings", message(3, value=1.0), message(3, value=2.0))
    go(app, upsert)
    assert app.sql(values)["rows"] == [[3, 2.0], [4, 7.5]]
    assert ids(app) == list(range(30))


def test_a_message_without_the_key_is_set_aside(app: Intendant, server: KafkaServer) -> None:
    server.produce("readings", b'{"value": 5.5}', b'{"id": null, "value": 6.5}')
    result = go(app, "ingest telemetry.readings new rows upsert on id into readings")
    assert result.outputs[0].rows_quarantined == 2 and result.outputs[0].rows_written == 30
    rows = app.sql("SELECT value, _reason FROM quarantine.readings ORDER BY value")["rows"]
    assert rows == [[5.5, "no id to upsert on"], [6.5, "no id to upsert on"]]


def test_tombstones_are_counted(app: Intendant, server: KafkaServer) -> None:
    server.produce("readings", None, None, key=b"3")
    result = go(app)
    assert result.outputs[0].rows_written == 30
    assert evidence(result) == [("tombstones", "2 messages of telemetry.readings without a value (tombstones): counted, "
                                 "they delete nothing here.")]
    assert evidence(go(app)) == []


def test_a_topic_of_poison_alone_fails_and_reads_nothing_past(app: Intendant, server: KafkaServer) -> None:
    server.delete("readings")
    server.create("readings", 1)
    server.produce("readings", b"poison", b"[]")
    result = app.do(FOLLOW, approve=True)
    assert result.status == "failed" and result.error is not None
    assert "none of the 2 messages of telemetry.readings is a row" in result.error["message"]
    assert app.lake.names() == []
    server.produce("readings", message(1))
    assert go(app).outputs[0].rows_quarantined == 2


def test_letters_are_read_again_once_they_are_mended(app: Intendant, server: KafkaServer) -> None:
    server.produce("readings", b'{"id": 30, "value": NaN}', b'{"id": 31, "value": NaN}', b"no hope", b"\xff", partition=2)
    assert go(app).outputs[0].rows_quarantined == 4
    go(app, sentence(app, "readings", "derive _raw = replace(_raw, 'NaN', 'null')"))
    assert ids(app) == list(range(32))
    left = app.sql("SELECT _raw, _encoding, _topic, _partition, _offset FROM quarantine.readings ORDER BY _offset")["rows"]
    assert left == [["no hope", "", "readings", 2, 12], ["/w==", "base64", "readings", 2, 13]]
    assert go(app).outputs[0].rows_written == 0


def test_a_letter_of_bytes_that_a_mend_replaced_by_text_is_read_as_that_text(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", b'{"id": 30, "value": "\xff"}', b'{"id": 31, "value": "\xff"}', partition=2)
    assert go(app).outputs[0].rows_quarantined == 2
    mend = "case when _offset = 10 then '{\"id\": 30}' else 'no hope' end"
    go(app, sentence(app, "readings", f"derive _raw = {mend}"))
    assert ids(app) == list(range(31))
    assert app.sql("SELECT _raw, _encoding FROM quarantine.readings")["rows"] == [["no hope", ""]]


def test_letters_and_rows_in_one_quarantine_are_put_back_apart(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", b'{"id": 30, "value": "n/a"}', b'{"id": 31, value: 1.5}', message(32), partition=2)
    assert go(app).outputs[0].rows_quarantined == 2
    go(app, sentence(app, "readings", "derive value = 0 cast value to number"))
    assert ids(app) == [*range(31), 32]
    assert app.sql("SELECT _raw FROM quarantine.readings")["rows"] == [['{"id": 31, value: 1.5}']]
    go(app, sentence(app, "readings", "derive _raw = replace(_raw, 'value', '\"value\"')"))
    assert ids(app) == list(range(33)) and not app.lake.exists("quarantine.readings")


def test_brokers_that_go_and_come_back(app: Intendant, server: KafkaServer) -> None:
    go(app)
    server.produce("readings", message(30))
    server.down()
    result = app.do(FOLLOW, approve=True)
    assert result.status == "failed" and result.error is not None and result.error["code"] == "source_unreachable"
    assert "Kafka is not reachable" in result.error["message"] and "brokers" in result.error["hint"]
    assert ids(app) == list(range(30))
    server.up()
    assert go(app).outputs[0].rows_written == 1


def test_brokers_that_come_back_in_time_are_asked_again(app: Intendant, server: KafkaServer) -> None:
    def come_back() -> None:
        while not app.journal.events(kinds=["step.retried"]):
            time.sleep(0.05)
        server.up()

    server.down()
    with ThreadPoolExecutor(1) as pool:
        back = pool.submit(come_back)
        result = go(app)
        back.result()
    assert result.outputs[0].rows_written == 30
    assert [e.data["error"]["code"] for e in app.journal.events(result.run_id, kinds=["step.retried"])] == ["source_unreachable"]


def test_loads_at_the_same_time_bring_each_message_once(app: Intendant, server: KafkaServer) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: go(app), range(4)))
    assert sum(r.outputs[0].rows_written for r in results) == 30
    assert ids(app) == list(range(30))


BOUNDARIES = ("after:0.stage", "recorded:0.stage", "aside:0", "between:0.publish", "after:0.publish")


@pytest.mark.timeout(300)
def test_a_load_killed_anywhere_is_finished_without_loss_or_double(server: KafkaServer, tmp_path: Path) -> None:
    Intendant.init(tmp_path).close()
    settings(tmp_path, server)
    sent = 30
    with Zygote.start() as zygote:
        assert zygote.order(tmp_path, do=FOLLOW, run_id="first") == 0
        for n, boundary in enumerate(BOUNDARIES):
            server.produce("readings", message(sent), b"poison %d" % n, partition=n % 3)
            status = zygote.order(tmp_path, do=FOLLOW, run_id=f"run{n}", at=boundary)
            assert status == 9, (boundary, (tmp_path / "result").read_text())
            server.produce("readings", message(sent + 1), b"more poison %d" % n, partition=n % 3)
            assert zygote.order(tmp_path, do="", run_id=f"run{n}") == 0, boundary
            sent += 2
        assert zygote.order(tmp_path, do=FOLLOW, run_id="last") == 0
    with Intendant(tmp_path) as app:
        assert ids(app) == list(range(sent))
        assert app.sql("SELECT count(*), count(DISTINCT _raw) FROM quarantine.readings")["rows"] == [[10, 10]]
        app.journal.verify()
