"""Kafka topics on librdkafka's own cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.servers.kafka import KafkaServer

from intendant import Intendant
from intendant.errors import SourceError, SourceRefused, SourceUnreachable, WorkspaceError
from intendant.sources import open_source
from intendant.types import ReadRequest


def read(server: KafkaServer, told: list[Any], **config: Any) -> pa.Table:
    whole = {"kind": "kafka", "brokers": server.brokers, "topics": ["readings"], **config}
    source = open_source("telemetry", whole, Path())
    return pa.concat_tables(source.read(ReadRequest("readings"), lambda kind, data: told.append((kind, data))))


def test_malformed_messages_are_rejected_one_by_one() -> None:
    good = [json.dumps({"id": i}).encode() for i in range(5)]
    bad = [b"not json", b'{"id": 1},{"id": 2}', b"[1]", b'{"id": "\xff"}', b""]
    server, told = KafkaServer({"readings": [*good, *bad]}), []
    assert read(server, told)["id"].to_pylist() == [0, 1, 2, 3, 4]
    rejected = [data for kind, data in told if kind == "source.row_rejected"]
    assert [r["raw"] for r in rejected] == ["not json", '{"id": 1},{"id": 2}', "[1]", "eyJpZCI6ICL/In0=", ""]


@pytest.mark.parametrize(("odd", "expected"), [("n/a", [{"column": "value"}]), (1, []), (None, [])])
def test_numbers_and_texts_in_one_column_are_reported_once(odd: object, expected: list[Any]) -> None:
    values = [{"id": i, "value": odd if i % 10 == 3 else i / 2, "code": f"{i:03d}"} for i in range(40)]
    server, told = KafkaServer({"readings": [json.dumps(v).encode() for v in values]}), []
    assert read(server, told).num_rows == 40
    assert [data for kind, data in told if kind == "source.mixed_column"] == expected


def test_reading_starts_at_a_given_offset() -> None:
    server = KafkaServer({"readings": [json.dumps({"id": i}).encode() for i in range(10)]})
    assert read(server, [], offsets={"readings": {"0": 7}})["id"].to_pylist() == [7, 8, 9]


def test_brokers_that_do_not_answer_are_unreachable() -> None:
    source = open_source("t", {"kind": "kafka", "brokers": "127.0.0.1:1", "topics": ["a"], "timeout": 0.5}, Path())
    with pytest.raises(SourceUnreachable, match="Kafka is not reachable"):
        list(source.read(ReadRequest("a"), lambda kind, data: None))


def test_errors_of_kafka_are_errors_of_a_source() -> None:
    assert issubclass(SourceUnreachable, SourceError)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd", "snappy"])
def test_compressed_messages_are_read(codec: str) -> None:
    server = KafkaServer()
    server.create("readings")
    server.produce("readings", *(json.dumps({"id": i, "text": "x" * 50}).encode() for i in range(100)),
                   **{"compression.type": codec})
    assert read(server, [])["id"].to_pylist() == list(range(100))


def test_a_topic_of_many_partitions_and_few_messages_is_read_whole() -> None:
    server, told = KafkaServer(brokers=3), []
    server.create("readings", 120)
    for p in range(0, 120, 7):
        server.produce("readings", json.dumps({"id": p}).encode(), partition=p)
    assert sorted(read(server, told)["id"].to_pylist()) == list(range(0, 120, 7))
    [position] = [data["position"] for kind, data in told if kind == "source.position"]
    assert len(position) == 120 and position["7"]["next"] == 1 and position["8"] == {"next": 0}


def test_messages_of_ten_megabytes_are_rows_too() -> None:
    server = KafkaServer()
    server.create("readings", 2)
    for p in range(2):
        server.produce("readings", json.dumps({"id": p, "text": "x" * 10_000_000}).encode(), partition=p)
    table = read(server, [])
    assert sorted(table["id"].to_pylist()) == [0, 1]
    assert {len(text) for text in table["text"].to_pylist()} == {10_000_000}


def test_what_kafka_knows_of_a_message_may_be_columns() -> None:
    server = KafkaServer()
    server.create("readings", 2)
    server.produce("readings", b'{"id": 1}', b"poison", key=b"k", partition=1, timestamp=1_700_000_000_000,
                   headers=[("trace", b"a1")])
    server.produce("readings", b'{"id": 2}', partition=1)
    table = read(server, [], metadata=True)
    assert table.column_names == ["id", "_partition", "_offset", "_timestamp", "_key", "_headers"]
    assert table["_offset"].to_pylist() == [0, 2] and table["_partition"].to_pylist() == [1, 1]
    assert table["_key"].to_pylist() == ["k", None] and table["_headers"].to_pylist() == [[("trace", "a1")], None]
    assert str(table["_timestamp"][0]) == "2023-11-14 22:13:20"
    assert "kafka_key" in read(server, [], metadata="kafka_").column_names


def test_headers_that_come_twice_and_times_beyond_all_calendars_are_rows_of_a_table(tmp_path: Path) -> None:
    server = KafkaServer()
    server.create("readings")
    headers: list[tuple[str, bytes | None]] = [("trace", b"a1"), ("hop", b"x"), ("hop", b"y"), ("none", None)]
    server.produce("readings", b'{"id": 1}', b"poison", timestamp=1_700_000_000_000_000_000, headers=headers)
    config = f'[sources.telemetry]\nkind = "kafka"\nbrokers = "{server.brokers}"\ntopics = ["readings"]\nmetadata = true\n'
    Intendant.init(tmp_path)
    (tmp_path / "intendant.toml").write_text(config)
    with Intendant(tmp_path) as app:
        app.do("ingest telemetry.readings new rows into readings", approve=True)
        found = app.sql("SELECT id, _timestamp, _headers['trace'], _headers['hop'] FROM readings")["rows"]
        assert found == [[1, None, "a1", '["x", "y"]']]
        assert app.sql("SELECT _offset, _timestamp FROM quarantine.readings")["rows"] == [[1, None]]


def test_a_field_with_the_name_of_a_column_of_metadata_is_refused() -> None:
    server = KafkaServer({"readings": [b'{"_Offset": 1}']})
    with pytest.raises(SourceRefused, match="Messages have a field _offset") as caught:
        read(server, [], metadata=True)
    assert 'metadata = "kafka_"' in caught.value.hint
    assert read(server, [], metadata="kafka_").num_rows == 1


def test_a_letter_has_all_that_is_known_of_its_message() -> None:
    server, told = KafkaServer(), []
    server.create("readings", 3)
    deep = b'{"a": ' * 150 + b"1" + b"}" * 150
    server.produce("readings", b'{"id": 1}', b"x" * 100_000, deep, b'{"id": 1e999}', b'{"id": 1, "id": 2}', b"\xff\xfe",
                   key=b"k\xff", partition=2, timestamp=1_700_000_000_000)
    assert read(server, told).num_rows == 1
    letters = [data for kind, data in told if kind == "source.row_rejected"]
    assert [(m["partition"], m["offset"], m["topic"], m["timestamp"], m["key"]) for m in letters] == [
        (2, i, "readings", 1_700_000_000_000, "a/8=") for i in range(1, 6)]
    assert len(letters[0]["raw"]) == 100_000 and letters[4]["raw"] == "//4=" and letters[4]["encoding"] == "base64"
    assert [m["reason"].partition(" ")[0] for m in letters] == ["not", "nested", "the", "the", "invalid"]


def test_poison_among_many_messages_costs_only_itself() -> None:
    values = [json.dumps({"id": i, "value": i / 2}).encode() if i % 1000 else b'{"id": NaN}' for i in range(20_000)]
    server, told = KafkaServer({"readings": values}), []
    assert read(server, told).num_rows == 19_980
    assert sum(kind == "source.row_rejected" for kind, _ in told) == 20


def test_an_unknown_topic_is_refused_with_the_topics_that_are_declared() -> None:
    with pytest.raises(SourceRefused, match="Unknown topic or partition") as caught:
        read(KafkaServer(), [])
    assert "topics has: readings" in caught.value.hint


def test_brokers_that_go_away_in_the_middle_are_an_error_after_the_timeout() -> None:
    server = KafkaServer()
    server.create("readings", 4)
    for p in range(4):
        server.produce("readings", *(b'{"id": %d, "pad": "%s"}' % (i, b"x" * 180) for i in range(20_000)), partition=p)
    source = open_source("t", {"kind": "kafka", "brokers": server.brokers, "topics": ["readings"], "timeout": 1,
                               "options": {"fetch.message.max.bytes": 100_000, "queued.max.messages.kbytes": 10}}, Path())
    batches = iter(source.read(ReadRequest("readings"), lambda kind, data: None))
    next(batches)
    server.down()
    with pytest.raises(SourceUnreachable, match=r"sent nothing for 1 seconds|not reachable"):
        list(batches)


@pytest.mark.parametrize(("config", "said", "hint"), [
    ({"timeout": -1}, "timeout must be a number above 0", "timeout = 15"),
    ({"metadata": 1}, "metadata must be true, false or a text", "metadata = true"),
    ({"dead_letter": "readings"}, "dead_letter must be a topic that isn't read", "readings.dead"),
    ({"offsets": {"reading": {"0": 1}}}, "offsets names 'reading'", "Did you mean 'readings'"),
    ({"offsets": {"readings": {"zero": 1}}}, "must be partition = offset", '"0" = 1200'),
    ({"options": {"enable.auto.commit": True}}, "options may not set 'enable.auto.commit'", "SASL_SSL"),
    ({"options": 5}, "options must be a table", "SASL_SSL"),
])
def test_a_setting_that_is_wrong_is_named_with_its_mend(config: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        open_source("t", {"kind": "kafka", "brokers": "x:1", "topics": ["readings"], **config}, Path())
    assert said in caught.value.message and hint in caught.value.hint and caught.value.where == "[sources.t]"


@pytest.mark.parametrize("options", [
    {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "u", "sasl.password": "p"},
    {"security.protocol": "SSL", "enable.ssl.certificate.verification": False},
])
def test_options_of_security_are_taken_and_fail_at_brokers_without_it(options: dict[str, Any]) -> None:
    with pytest.raises(SourceError):
        read(KafkaServer({"readings": [b"{}"]}), [], timeout=1, options=options)


def test_a_refused_login_is_said_as_such() -> None:
    options = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "secret"}
    with pytest.raises(SourceRefused, match="SASL authentication") as caught:
        read(KafkaServer({"readings": [b"{}"]}), [], timeout=1, options=options)
    assert "security options" in caught.value.hint and "secret" not in str(caught.value)


def test_an_option_that_there_is_not_is_named() -> None:
    with pytest.raises(WorkspaceError, match=r"doesn't take these options.*no\.such"):
        read(KafkaServer({"readings": [b"{}"]}), [], options={"no.such": 1})
