"""A Kafka cluster inside librdkafka: real protocol, no broker to install."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import Producer

__all__ = ["KafkaServer"]


class KafkaServer:
    """`brokers` is its address; it lives as long as this object."""

    def __init__(self, messages: Mapping[str, Iterable[bytes]]) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0,
                                   "topic.metadata.refresh.interval.ms": 200})
        broker = next(iter(self._producer.list_topics(timeout=10).brokers.values()))
        self.brokers = f"{broker.host}:{broker.port}"
        for topic, values in messages.items():
            self._producer.list_topics(topic, timeout=10)
            for value in values:
                self._producer.produce(topic, value, partition=0)
        self._producer.flush(10)
