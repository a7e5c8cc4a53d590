"""Delivers rows into a Kafka topic in one transaction: readers of what is committed see all of them, or none.

The note that a delivery was made is an offset, committed in the same transaction for a consumer group of the step's own: a
step done again finds it and writes nothing. The transactional id is the step's too, so that what a dead process left open is
aborted by whoever does the step again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from intendant.errors import IntendantError, SourceRefused, SourceUnreachable
from intendant.types import Json, Stamp

__all__ = ["Record", "Target", "write"]

Record: TypeAlias = tuple[bytes | None, bytes | None, list[tuple[str, bytes]] | None]
"""Key, value and headers of a message."""
TRANSACTION_MS = 900_000
"""The longest that a broker allows unless it is told otherwise (transaction.max.timeout.ms)."""
NOTHING = "Nothing was delivered"
WAIT_S = 60.0
BESIDE = (KafkaError._AUTHENTICATION, KafkaError._SSL)
"""What makes brokers seem to be down when they are not."""
NOTED_IN = 0
"""The partition whose offset is the note."""


class Target:
    """A topic at brokers: `options` are librdkafka's, `failed` makes an error of this project's of one of its own.

    `timeout` is in seconds; `where` is the place that errors name.
    """

    def __init__(self, brokers: str, topic: str, options: Mapping[str, Json], *, failed: Callable[[KafkaError], IntendantError],
                 timeout: float, where: str) -> None:
        self.topic, self.failed, self.timeout, self.where = topic, failed, timeout, where
        self.told: list[KafkaError] = []
        self.base = {"log_level": 0, "error_cb": self.told.append, **options, "bootstrap.servers": brokers}

    def producer(self, name: str) -> Producer:
        """A producer whose writes are in order, without doubles, and in transactions of that name."""
        options = {k: v for k, v in self.base.items() if k not in CONSUMER_ONLY}
        return Producer({"compression.type": "lz4", "linger.ms": 20, "batch.num.messages": 10_000,
                         "queue.buffering.max.messages": 100_000, "transaction.timeout.ms": TRANSACTION_MS,
                         **options, "transactional.id": name, "enable.idempotence": True})

    def group(self, name: str) -> Consumer:
        """The consumer group of that name, of which nobody reads."""
        options = {k: v for k, v in self.base.items() if k not in PRODUCER_ONLY}
        return Consumer({**options, "group.id": name, "enable.auto.commit": False, "isolation.level": "read_committed"})


CONSUMER_ONLY = ("group.id", "isolation.level", "auto.offset.reset", "fetch.message.max.bytes", "max.partition.fetch.bytes",
                 "fetch.max.bytes", "fetch.min.bytes", "fetch.wait.max.ms", "queued.max.messages.kbytes", "check.crcs")
PRODUCER_ONLY = ("compression.type", "compression.codec", "compression.level", "linger.ms", "batch.size", "batch.num.messages",
                 "acks", "request.required.acks", "queue.buffering.max.messages", "queue.buffering.max.kbytes",
                 "delivery.timeout.ms", "message.timeout.ms", "partitioner", "transaction.timeout.ms")


def write(target: Target, records: Iterable[Record], stamp: Stamp) -> int:
    """Writes all records into the topic and returns how many; a delivery with a stamp that was made already writes nothing.

    Raises SourceRefused (no such topic, a message too large, not allowed), SourceUnreachable; then nothing is visible to
    those who read what is committed.
    """
    name = f"intendant.{stamp.run}.{stamp.step}"
    try:
        producer, group = target.producer(name), target.group(name)
    except KafkaException as error:
        raise _said(target, error.args[0]) from error
    try:
        _known(target, producer)
        producer.init_transactions(target.timeout)
        done = _noted(target, group)
        return _written(target, producer, group, records) if done is None else done
    except KafkaException as error:
        producer.poll(0)  # what the library tells beside
        raise _said(target, error.args[0]) from error
    finally:
        producer.purge()
        group.close()


def _known(target: Target, producer: Producer) -> None:
    """Looks for the topic without asking for it, which would make brokers create it."""
    topics = producer.list_topics(timeout=target.timeout).topics
    if target.topic not in topics:
        raise _said(target, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


def _noted(target: Target, group: Consumer) -> int | None:
    """How many messages this step wrote, None when it has not."""
    [found] = group.committed([TopicPartition(target.topic, NOTED_IN)], timeout=target.timeout)
    if found.error is not None:
        raise _said(target, found.error)
    return found.offset if found.offset >= 0 else None


def _written(target: Target, producer: Producer, group: Consumer, records: Iterable[Record]) -> int:
    lost: list[KafkaError] = []

    def reported(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            lost.append(error)

    producer.begin_transaction()
    try:
        written = 0
        for key, value, headers in records:
            _put(target, producer, key, value, headers, reported)
            written += 1
            if lost:
                raise _said(target, lost[0])
        note = TopicPartition(target.topic, NOTED_IN, written)
        producer.send_offsets_to_transaction([note], group.consumer_group_metadata(), target.timeout)
        producer.flush(max(target.timeout, WAIT_S))
        if lost:
            raise KafkaException(lost[0])
        _commit(target, producer)
    except KafkaException as error:
        _abort(target, producer)
        raise _said(target, lost[0] if lost else error.args[0]) from error
    except BaseException:
        _abort(target, producer)
        raise
    return written


def _commit(target: Target, producer: Producer) -> None:
    """Commits, asking again as long as the answer isn't known: it may have been made though nobody heard of it."""
    until = time.monotonic() + max(target.timeout, WAIT_S)
    while True:
        try:
            producer.commit_transaction(target.timeout)
            return
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            if time.monotonic() > until:
                raise SourceUnreachable(
                    f"The brokers didn't say whether they committed the delivery: {error.args[0].str()}", where=target.where,
                    hint="Look at the topic before you run it again: a new run delivers again.") from error


def _put(target: Target, producer: Producer, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]] | None,
         reported: Callable[[KafkaError | None, Message], None]) -> None:
    """Hands a message over, waiting while the queue is full."""
    until = None
    while True:
        try:
            more = {"headers": headers} if headers else {}
            producer.produce(target.topic, value, key, on_delivery=reported, **more)
            producer.poll(0)
            return
        except BufferError:
            until = until or time.monotonic() + max(target.timeout, WAIT_S)
            if time.monotonic() > until:
                raise SourceUnreachable(f"The brokers took nothing for {WAIT_S:g} seconds. {NOTHING}", where=target.where,
                                        hint="Are the brokers up? Run it again.") from None
            producer.poll(0.2)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise _too_large(target, key, value) from error
            raise


def _too_large(target: Target, key: bytes | None, value: bytes | None) -> SourceRefused:
    whose = f" with the key {key[:60].decode('utf-8', 'replace')!r}" if key is not None else ""
    return SourceRefused(
        f"A message{whose} has {len(value or b''):,} bytes, more than are allowed. {NOTHING}", where=target.where,
        hint='Leave the large column out, or raise options = { "message.max.bytes" = ... } here and at the topic.')


def _abort(target: Target, producer: Producer) -> None:
    """Ends the transaction without a trace; where that can't be said to the brokers, they do so by themselves."""
    try:
        producer.purge()
        producer.abort_transaction(target.timeout)
    except KafkaException:
        pass


def _said(target: Target, error: KafkaError) -> IntendantError:
    """The error, with what became of the delivery."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return _too_large(target, None, None)
    said = target.failed(next((e for e in target.told if e.code() in BESIDE), error))
    said.message = f"{said.message}. {NOTHING}"
    return said
