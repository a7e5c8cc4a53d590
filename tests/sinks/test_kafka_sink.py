"""Rows delivered into a topic: all of them, once, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from tests.servers.kafka import KafkaServer

from intendant.errors import SourceRefused, SourceUnreachable
from intendant.sinks.kafka import Record, Target, write
from intendant.sources.kafka import KafkaSource
from intendant.types import Stamp

INIT, FETCH_OFFSET, PRODUCE, NOTE, END = 22, 9, 0, 28, 26
"""Keys of Kafka's protocol: InitProducerId, OffsetFetch, Produce, TxnOffsetCommit, EndTxn."""


@pytest.fixture
def server() -> KafkaServer:
    made = KafkaServer()
    made.create("out", 3)
    return made


def target(server: KafkaServer, topic: str = "out", timeout: float = 5, **options: Any) -> Target:
    config = {"kind": "kafka", "brokers": server.brokers, "topics": ["out"], "timeout": timeout, "options": options}
    source = KafkaSource("telemetry", config, Path())
    return Target(source.brokers, topic, source.options, failed=source.failed, timeout=timeout, where=source.where)


def records(n: int, size: int = 0) -> Iterator[Record]:
    for i in range(n):
        yield str(i).encode(), json.dumps({"id": i, "pad": "x" * size}).encode(), None


def test_all_rows_arrive_with_their_keys(server: KafkaServer) -> None:
    assert write(target(server), records(1000), Stamp("run", "0")) == 1000
    got = server.held("out")
    assert len(got) == 1000 and all(json.loads(value or b"")["id"] == int(key or b"") for key, value in got)


def test_a_step_done_again_writes_nothing_and_says_the_same(server: KafkaServer) -> None:
    assert write(target(server), records(10), Stamp("run", "0")) == 10
    server.note("intendant.run.0", "out", 10)
    assert write(target(server), records(10), Stamp("run", "0")) == 10
    assert len(server.held("out")) == 10
    assert write(target(server), records(5), Stamp("run", "1")) == 5
    assert write(target(server), records(5), Stamp("other", "0")) == 5
    assert len(server.held("out")) == 20


def test_the_note_is_part_of_the_transaction(server: KafkaServer) -> None:
    with server.tracked() as requests:
        write(target(server), records(10), Stamp("run", "0"))
    init, asked, produced, noted, ended = (requests.index(key) for key in (INIT, FETCH_OFFSET, PRODUCE, NOTE, END))
    assert init < asked < min(produced, noted) and max(produced, noted) < ended, requests


def test_nothing_to_deliver_is_delivered_once(server: KafkaServer) -> None:
    assert [write(target(server), iter(()), Stamp("run", "0")) for _ in range(2)] == [0, 0]


def test_an_unknown_topic_is_named_and_not_made(server: KafkaServer) -> None:
    with pytest.raises(SourceRefused, match="Nothing was delivered") as caught:
        write(target(server, "missing"), records(1), Stamp("run", "0"))
    assert "Is there a topic of that name" in caught.value.hint and "[sources.telemetry]" in caught.value.where
    assert "missing" not in Consumer({"bootstrap.servers": server.brokers, "group.id": "g"}).list_topics(timeout=5).topics


def test_a_message_too_large_stops_all(server: KafkaServer) -> None:
    def rows() -> Iterator[Record]:
        yield b"1", b"{}", None
        yield b"big", b"x" * 3_000_000, None

    with pytest.raises(SourceRefused, match="with the key 'big' has 3,000,000 bytes") as caught:
        write(target(server), rows(), Stamp("run", "0"))
    assert "message.max.bytes" in caught.value.hint and "Nothing was delivered" in caught.value.message
    large = {"message.max.bytes": 5_000_000}
    assert write(target(server, **large), rows(), Stamp("run", "1")) == 2


def test_a_query_that_breaks_delivers_nothing_that_is_noted(server: KafkaServer) -> None:
    def broken() -> Iterator[Record]:
        yield from records(3)
        raise RuntimeError("the disk broke")

    with pytest.raises(RuntimeError, match="the disk broke"):
        write(target(server), broken(), Stamp("run", "0"))
    assert write(target(server), records(3), Stamp("run", "0")) == 3


def test_brokers_that_are_down_are_unreachable(server: KafkaServer) -> None:
    server.down()
    with pytest.raises(SourceUnreachable, match="Nothing was delivered"):
        write(target(server, timeout=0.5), records(1), Stamp("run", "0"))
    server.up()
    assert write(target(server), records(1), Stamp("run", "0")) == 1


def test_a_refused_login_is_said_as_such(server: KafkaServer) -> None:
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "secret"}
    with pytest.raises(SourceRefused, match="SASL authentication") as caught:
        write(target(server, timeout=1, **login), records(1), Stamp("run", "0"))
    assert "security options" in caught.value.hint and "secret" not in str(caught.value)


def test_more_messages_than_the_queue_holds_are_waited_for(server: KafkaServer) -> None:
    small = {"queue.buffering.max.messages": 100}
    assert write(target(server, **small), records(5000), Stamp("run", "0")) == 5000
    assert len(server.held("out")) == 5000
