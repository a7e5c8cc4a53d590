"""A Kafka cluster inside librdkafka: real protocol, no broker to install."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

__all__ = ["KafkaServer"]

PRODUCER = 0
PARTITIONS = 4


def _library() -> ctypes.CDLL:
    """The very library that confluent_kafka has loaded, for what its Python side doesn't offer: a cluster to command."""
    folder = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    lib = ctypes.CDLL(str(next(folder.glob("librdkafka*.so*"))))
    for name in ("rd_kafka_new", "rd_kafka_conf_new", "rd_kafka_mock_get_requests", "rd_kafka_mock_cluster_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return lib


class KafkaServer:
    """`brokers` is its address; it lives as long as this object. A partition keeps 5 MB, the newest ones."""

    def __init__(self, messages: Mapping[str, Iterable[bytes]] | None = None, *, brokers: int = 1) -> None:
        self._lib = _library()
        error = ctypes.create_string_buffer(512)
        quiet = ctypes.c_void_p(self._lib.rd_kafka_conf_new())
        self._lib.rd_kafka_conf_set(quiet, b"log_level", b"0", error, ctypes.c_size_t(512))
        self._handle = ctypes.c_void_p(self._lib.rd_kafka_new(PRODUCER, quiet, error, ctypes.c_size_t(512)))
        self._cluster = ctypes.c_void_p(self._lib.rd_kafka_mock_cluster_new(self._handle, brokers))
        self.count = brokers
        self.brokers = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self._producers: dict[str, Producer] = {}
        for topic, values in (messages or {}).items():
            self.create(topic, PARTITIONS)
            self.produce(topic, *values)

    def create(self, topic: str, partitions: int = 1) -> None:
        """Makes a topic; one that is there gets no new partitions."""
        self._done(self._lib.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1))

    def delete(self, topic: str) -> None:
        self._done(self._lib.rd_kafka_mock_topic_delete(self._cluster, topic.encode()))

    def forget(self, topic: str, partition: int, before: int) -> None:
        """What retention does: the messages before an offset are gone."""
        self._done(self._lib.rd_kafka_mock_partition_delete_records(
            self._cluster, topic.encode(), ctypes.c_int32(partition), ctypes.c_int64(before)))

    def down(self) -> None:
        """Every broker stops answering; what they hold stays."""
        for broker in range(1, self.count + 1):
            self._done(self._lib.rd_kafka_mock_broker_set_down(self._cluster, ctypes.c_int32(broker)))

    def up(self) -> None:
        for broker in range(1, self.count + 1):
            self._done(self._lib.rd_kafka_mock_broker_set_up(self._cluster, ctypes.c_int32(broker)))

    def produce(self, topic: str, *values: bytes | None, partition: int = 0, key: bytes | None = None,
                timestamp: int = 0, headers: list[tuple[str, bytes]] | None = None, **config: Any) -> None:
        """Writes messages and waits for them."""
        producer = self._producer(config)
        more: dict[str, Any] = {"headers": headers} if headers else {}
        for value in values:
            producer.produce(topic, value, key, partition=partition, timestamp=timestamp, **more)
            producer.poll(0)
        assert producer.flush(20) == 0, "messages were not taken"

    def held(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        """Keys and values of all messages, by value."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "test", "enable.partition.eof": True, "log_level": 0})
        left = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(left)])
        out = []
        while left:
            for m in consumer.consume(1000, timeout=0.1):
                if (error := m.error()) is None:
                    out.append((m.key(), m.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left -= 1
        consumer.close()
        return sorted(out, key=lambda kv: kv[1] or b"")

    def note(self, group: str, topic: str, offset: int) -> None:
        """What a broker does with an offset in a committed transaction, which this one only acknowledges."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 0})
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        consumer.close()

    @contextmanager
    def tracked(self) -> Iterator[list[int]]:
        """Fills the list with the API keys of the requests that come meanwhile, in order, when it ends."""
        seen: list[int] = []
        self._lib.rd_kafka_mock_start_request_tracking(self._cluster)
        yield seen
        count = ctypes.c_size_t()
        found = self._lib.rd_kafka_mock_get_requests(self._cluster, ctypes.byref(count))
        requests = ctypes.cast(ctypes.c_void_p(found), ctypes.POINTER(ctypes.c_void_p))
        seen += [self._lib.rd_kafka_mock_request_api_key(ctypes.c_void_p(requests[i])) for i in range(count.value)]
        self._lib.rd_kafka_mock_request_destroy_array(ctypes.c_void_p(found), count)
        self._lib.rd_kafka_mock_stop_request_tracking(self._cluster)

    def _producer(self, config: Mapping[str, Any]) -> Producer:
        name = repr(sorted(config.items()))
        if name not in self._producers:
            self._producers[name] = Producer({
                "bootstrap.servers": self.brokers, "log_level": 0, "topic.metadata.refresh.interval.ms": 200,
                "queue.buffering.max.messages": 2_000_000, "linger.ms": 1, "message.max.bytes": 200_000_000,
                **config})
        return self._producers[name]

    def _done(self, code: int) -> None:
        if code:
            raise RuntimeError(f"the cluster refused: {KafkaError(code).str()}")
