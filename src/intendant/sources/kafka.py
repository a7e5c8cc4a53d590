"""Kafka topics of JSON messages, read from where the read before ended to the end they have when the read starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from intendant.errors import SourceDamaged, SourceError, SourceRefused, SourceUnreachable, WorkspaceError, did_you_mean
from intendant.sources.base import Notify, Source
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.pace import Pace
from intendant.sources.wire.stream import Span, gaps, marks_of, position_of, spans
from intendant.sources.wire.stream_reader import Reader
from intendant.sources.wire.stream_rows import StreamRows
from intendant.types import Json, ReadRequest, Resource

__all__ = ["KafkaSource"]

QUEUE_KILOBYTES = 32 << 10
"""Messages that the library fetches ahead, over all partitions."""
REFUSED = (KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.SASL_AUTHENTICATION_FAILED,
           KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
UNKNOWN = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
BESIDE = (KafkaError._AUTHENTICATION, KafkaError._SSL)
"""What makes brokers seem to be down when they are not."""
OURS = ("bootstrap.servers", "enable.auto.commit", "enable.auto.offset.store", "enable.partition.eof")
"""What a load relies on, which `options` can't change."""


class KafkaSource(Source):
    """Each topic is a resource; a message whose value is no JSON object is rejected, the others load."""

    kind = "kafka"
    summary = "Kafka topics of JSON messages"
    example = 'kind = "kafka"\nbrokers = "host:9092"\ntopics = ["readings"]'
    follows = True
    settings = {
        "brokers": "host:port, several with commas",
        "topics": "names of the topics that may be read or delivered to",
        "offsets": "where the first load starts: topic = { partition = offset }; the beginning by default",
        "resources": "topic = { key, timestamp }: what its columns mean",
        "metadata": "true: columns _partition, _offset, _timestamp, _key, _headers; a text is another start of their names",
        "dead_letter": "topic that messages which are no rows are also written to",
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
        self.timeout = self._seconds(config.get("timeout", 15))
        self.options = self._options(config.get("options"))
        self.prefix = self._prefix(config.get("metadata", False))
        self.dead_letter = self._dead_letter(config.get("dead_letter"))
        self.offsets = {str(t): self._offsets(t, o) for t, o in (config.get("offsets") or {}).items()}
        self.limit("rows_per_second")

    def _seconds(self, value: Json) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise WorkspaceError(f"timeout must be a number above 0, not {value!r}", where=self.where, hint="Write timeout = 15.")
        return float(value)

    def _options(self, value: Json) -> dict[str, Json]:
        options = {str(k): v for k, v in (value or {}).items()} if isinstance(value or {}, Mapping) else None
        wrong = next((k for k in OURS if k in (options or {})), "")
        if options is None or wrong:
            said = f"options may not set {wrong!r}" if wrong else "options must be a table"
            raise WorkspaceError(said, where=self.where, hint='Write options = { "security.protocol" = "SASL_SSL" }.')
        return options

    def _prefix(self, value: Json) -> str | None:
        if not isinstance(value, bool | str) or value == "":
            raise WorkspaceError(f"metadata must be true, false or a text, not {value!r}", where=self.where,
                                 hint='Write metadata = true, or metadata = "kafka_".')
        return "_" if value is True else value or None

    def _dead_letter(self, value: Json) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or not value or value in self.topics:
            raise WorkspaceError(f"dead_letter must be a topic that isn't read, not {value!r}", where=self.where,
                                 hint='Write dead_letter = "readings.dead".')
        return value

    def _offsets(self, topic: Json, value: Json) -> dict[int, int]:
        if topic not in self.topics:
            raise WorkspaceError(f"offsets names {topic!r}, which isn't among topics", where=self.where,
                                 hint=did_you_mean(str(topic), self.topics, "topic"))
        try:
            return {int(p): int(o) for p, o in value.items()}
        except (AttributeError, TypeError, ValueError):
            raise WorkspaceError(f"offsets of {topic!r} must be partition = offset, not {value!r}", where=self.where,
                                 hint=f'Write offsets = {{ {topic} = {{ "0" = 1200 }} }}.') from None

    def resources(self) -> tuple[Resource, ...]:
        meaning = self.config.get("resources") or {}
        return tuple(Resource(self.name, topic, meaning.get(topic, {}).get("key"),
                              meaning.get(topic, {}).get("timestamp")) for topic in self.topics)

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read; pushes down a count without an order, as a count of messages, and goes on from a position.

        Before it ends it tells the position that it reached: the messages behind it are all in what it gave, tombstones
        and rejected ones apart.
        """
        if request.resource not in self.topics:
            raise self.unknown_resource(request.resource, self.topics)
        told: list[KafkaError] = []
        consumer, kinds = self._consumer(told), Kinds()
        rows = StreamRows(kinds, self.prefix, self.where)
        try:
            yield from self._batches(consumer, rows, kinds, request, notify)
        except (KafkaException, SourceUnreachable) as error:
            consumer.poll(0)  # what the library tells beside
            why = next((e for e in told if e.code() in BESIDE), None)
            if why is None and isinstance(error, SourceUnreachable):
                raise
            raise self.failed(why or error.args[0]) from error
        finally:
            consumer.close()
            rows.close()

    def _consumer(self, told: list[KafkaError]) -> Consumer:
        try:
            return Consumer({
                "group.id": "intendant", "auto.offset.reset": "earliest", "log_level": 0, "error_cb": told.append,
                "queued.max.messages.kbytes": QUEUE_KILOBYTES, "fetch.wait.max.ms": 100, **self.options,
                "bootstrap.servers": self.brokers, "enable.auto.commit": False, "enable.auto.offset.store": False,
                "enable.partition.eof": True})
        except KafkaException as error:
            raise WorkspaceError(f"librdkafka doesn't take these options: {error.args[0].str()}", where=self.where,
                                 hint="Its settings are listed in its CONFIGURATION.md.") from error

    def _batches(self, consumer: Consumer, rows: StreamRows, kinds: Kinds, request: ReadRequest,
                 notify: Notify) -> Iterator[pa.Table]:
        topic, stop = request.resource, request.count if not request.order else None
        found = self._spans(consumer, topic, request.position)
        reader = Reader(consumer, topic, found, refused=self.failed, timeout=self.timeout, where=self.where)
        pace, read, total = Pace(self.limit("rows_per_second")), 0, sum(s.end - s.start for s in found)
        tombstones = 0
        for batch in reader.batches(stop):
            table, letters = rows.table(batch)
            tombstones += batch.tombstones
            for letter in letters:
                notify("source.row_rejected", letter)
            if table.num_rows:
                kinds.tell(notify)
                read += table.num_rows
                notify("source.progress", {"rows": read, "total": total})
                yield table
                pace.wait(table.num_rows)
        if tombstones:
            notify("source.tombstones", {"messages": tombstones, "topic": topic})
        for evidence, lost in gaps(topic, [*found, *reader.anew]):
            notify("source.gap", {"evidence": evidence, "messages": lost, "topic": topic})
        notify("source.position", {"position": position_of(reader.reached())})

    def _spans(self, consumer: Consumer, topic: str, position: Json) -> list[Span]:
        """What to read of each partition that there is now."""
        found = consumer.list_topics(topic, timeout=self.timeout).topics[topic]
        if found.error is not None:
            raise self.failed(found.error)
        watermarks = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=self.timeout) for p in found.partitions}
        return spans(watermarks, marks_of(position), self.offsets.get(topic, {}))

    def failed(self, error: KafkaError) -> SourceError:
        """What librdkafka says as an error of this source: tried again, refused for good, or damaged."""
        if error.code() in REFUSED:
            hint = (f"Is there a topic of that name at these brokers? topics has: {', '.join(self.topics)}."
                    if error.code() in UNKNOWN else "Check the security options and what this user may do.")
            return SourceRefused(f"Kafka refused: {error.str()}", where=self.where, hint=hint)
        if error.code() in (KafkaError._BAD_MSG, KafkaError.INVALID_MSG):
            return SourceDamaged(f"Kafka sent a damaged message: {error.str()}", where=self.where)
        return SourceUnreachable(f"Kafka is not reachable: {error.str()}", where=self.where,
                                 hint="Check brokers, and that they run.")
