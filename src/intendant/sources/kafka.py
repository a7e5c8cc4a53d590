"""Kafka topics of JSON messages, read from their beginning to the end they have when the read starts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from intendant.errors import SourceDamaged, SourceError, SourceRefused, SourceUnreachable, WorkspaceError
from intendant.sources.base import Notify, Source
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.pace import Pace
from intendant.sources.wire.rows import JsonRows
from intendant.types import Json, ReadRequest, Resource

__all__ = ["KafkaSource"]

BATCH_MESSAGES = 50_000
REFUSED = (KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.SASL_AUTHENTICATION_FAILED,
           KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


class KafkaSource(Source):
    """Each topic is a resource; a message whose value is no JSON object is rejected, the others load."""

    kind = "kafka"
    summary = "Kafka topics of JSON messages"
    example = 'kind = "kafka"\nbrokers = "host:9092"\ntopics = ["readings"]'
    settings = {
        "brokers": "host:port, several with commas",
        "topics": "names of the topics that may be read",
        "offsets": "where to start: topic = { partition = offset }; the beginning by default",
        "resources": "topic = { key, timestamp }: what its columns mean",
        "options": "further librdkafka settings, such as security.protocol",
        "timeout": "seconds to wait for the brokers; 15 by default",
        "limits": "{ rows_per_second }",
    }

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        super().__init__(name, config, root)
        brokers, topics = config.get("brokers"), config.get("topics")
        if not isinstance(brokers, str) or not brokers:
            raise WorkspaceError("A kafka source needs brokers", where=self.where, hint='Write brokers = "host:9092".')
        if not isinstance(topics, list | tuple) or not topics or not all(isinstance(t, str) for t in topics):
            raise WorkspaceError("A kafka source needs topics", where=self.where, hint='Write topics = ["readings"].')
        self.brokers, self.topics = brokers, tuple(topics)
        self.timeout = float(config.get("timeout", 15))
        self.limit("rows_per_second")

    def resources(self) -> tuple[Resource, ...]:
        meaning = self.config.get("resources") or {}
        return tuple(Resource(self.name, topic, meaning.get(topic, {}).get("key"),
                              meaning.get(topic, {}).get("timestamp")) for topic in self.topics)

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read; pushes down a count without an order."""
        if request.resource not in self.topics:
            raise self.unknown_resource(request.resource, self.topics)
        consumer, kinds = self._consumer(), Kinds()
        rows = JsonRows(kinds=kinds)
        try:
            yield from self._batches(consumer, rows, kinds, request, notify)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        finally:
            consumer.close()
            rows.close()

    def _consumer(self) -> Consumer:
        options = {str(k): v for k, v in (self.config.get("options") or {}).items()}
        return Consumer({
            "bootstrap.servers": self.brokers, "group.id": "intendant", "enable.auto.commit": False,
            "enable.auto.offset.store": False, "auto.offset.reset": "earliest", "enable.partition.eof": True,
            "log_level": 0, "error_cb": lambda error: None, **options})

    def _batches(self, consumer: Consumer, rows: JsonRows, kinds: Kinds, request: ReadRequest,
                 notify: Notify) -> Iterator[pa.Table]:
        left, starts, total = self._span(consumer, request.resource)
        if not left:
            return
        consumer.assign(starts)
        stop = request.count if not request.order else None
        pace, read = Pace(self.limit("rows_per_second")), 0

        def reject(reason: str, raw: str) -> None:
            notify("source.row_rejected", {"reason": reason, "raw": raw})

        while left and (stop is None or read < stop):
            values = self._some(consumer, left, BATCH_MESSAGES if stop is None else min(BATCH_MESSAGES, stop - read))
            table = rows.messages([v for v in values if v is not None], reject, self.where)
            if table.num_rows:
                kinds.tell(notify)
                read += table.num_rows
                notify("source.progress", {"rows": read, "total": total})
                yield table
                pace.wait(table.num_rows)

    def _span(self, consumer: Consumer, topic: str) -> tuple[dict[int, int], list[TopicPartition], int]:
        """Partition -> offset where this read ends, the starts, and how many messages lie between."""
        found = consumer.list_topics(topic, timeout=self.timeout).topics[topic]
        if found.error is not None:
            raise self._error(found.error)
        given = {int(p): int(o) for p, o in ((self.config.get("offsets") or {}).get(topic) or {}).items()}
        ends: dict[int, int] = {}
        starts: list[TopicPartition] = []
        total = 0
        for partition in found.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=self.timeout)
            start = max(low, given.get(partition, low))
            if start < high:
                ends[partition] = high
                starts.append(TopicPartition(topic, partition, start if start > low else OFFSET_BEGINNING))
                total += high - start
        return ends, starts, total

    def _some(self, consumer: Consumer, left: dict[int, int], most: int) -> list[bytes | None]:
        """Values of the next messages before the ends in `left`; partitions that are done leave it."""
        out: list[bytes | None] = []
        quiet_since = time.monotonic()
        while left and len(out) < most:
            messages = consumer.consume(min(10_000, most - len(out)), timeout=0.2)
            if not messages and time.monotonic() - quiet_since > self.timeout:
                raise SourceUnreachable(f"The brokers sent nothing for {self.timeout:g} seconds", where=self.where,
                                        hint="Are the brokers up?")
            if messages:
                quiet_since = time.monotonic()
            for message in messages:
                self._take(message, left, out)
        return out

    def _take(self, message: Message, left: dict[int, int], out: list[bytes | None]) -> None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            left.pop(partition, None)
            return
        if error is not None:
            raise self._error(error)
        end = left.get(partition)
        if end is None or offset is None or offset >= end:
            left.pop(partition, None)
            return
        out.append(message.value())
        if offset + 1 >= end:
            left.pop(partition, None)

    def _error(self, error: KafkaError) -> SourceError:
        if error.code() in REFUSED:
            return SourceRefused(f"Kafka refused: {error.str()}", where=self.where,
                                 hint="Check topics and the security options.")
        if error.code() in (KafkaError._BAD_MSG, KafkaError.INVALID_MSG):
            return SourceDamaged(f"Kafka sent a damaged message: {error.str()}", where=self.where)
        return SourceUnreachable(f"Kafka is not reachable: {error.str()}", where=self.where,
                                 hint="Check brokers, and that they run.")
