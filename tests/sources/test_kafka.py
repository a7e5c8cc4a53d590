"""Kafka topics on librdkafka's own cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.servers.kafka import KafkaServer

from intendant.errors import SourceError, SourceUnreachable
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
    assert [r["raw"] for r in rejected] == ["not json", '{"id": 1},{"id": 2}', "[1]", '{"id": "\\xff"}', ""]


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
