"""Messages of a Kafka topic between two offsets of each partition, in bounded batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from intendant.errors import SourceUnreachable
from intendant.sources.wire.stream import Mark, Span, witness

__all__ = ["Batch", "Reader"]

FETCH_MESSAGES = 10_000
FETCH_WAIT = 0.05
"""Seconds to wait for so many; it is waited for to the end even when the last message is there."""
BATCH_MESSAGES = 50_000
BATCH_BYTES = 32 << 20
Refused: TypeAlias = Callable[[KafkaError], Exception]


@dataclass
class Batch:
    """Messages with a value, each partition's in order, and how many `tombstones` (without one) were among them."""

    messages: list[Message] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    tombstones: int = 0
    bytes: int = 0

    @property
    def read(self) -> int:
        return len(self.messages) + self.tombstones

    def take(self, message: Message) -> None:
        value = message.value()
        if value is None:
            self.tombstones += 1
        else:
            self.messages.append(message)
            self.values.append(value)
            self.bytes += len(value)

    def take_all(self, messages: list[Message]) -> None:
        values = [m.value() for m in messages]
        if None in values:
            self.tombstones += values.count(None)
            messages = [m for m, v in zip(messages, values, strict=True) if v is not None]
            values = [v for v in values if v is not None]
        self.messages += messages
        self.values += values
        self.bytes += sum(map(len, values))

    def full(self, most: int) -> bool:
        return self.read >= most or self.bytes >= BATCH_BYTES


class Reader:
    """Reads `spans` of `topic`. `marks` says what has been read; `anew` has the spans that turned out to be another topic's.

    `refused` makes the error to raise of one of Kafka's; `timeout` is how long, in seconds, the brokers may send nothing.
    """

    def __init__(self, consumer: Consumer, topic: str, spans: Sequence[Span], *, refused: Refused, timeout: float,
                 where: str) -> None:
        self.consumer, self.topic, self.refused, self.timeout, self.where = consumer, topic, refused, timeout, where
        self.spans = {s.partition: s for s in spans}
        self.marks = {s.partition: s.seen or Mark(s.start) for s in spans}
        self.left = {s.partition: s.end for s in spans if s.start < s.end or s.seen}
        self.anew: list[Span] = []
        self._ahead: list[Message] = []
        self._stale: set[int] = set()
        self._ends: dict[int, int] = {}

    def batches(self, most: int | None) -> Iterator[Batch]:
        """The messages, at most so many; a batch without any is not yielded."""
        if self.left:
            self.consumer.assign([self._place(self.spans[p]) for p in self.left])
        while self.left and (most is None or most > 0):
            batch = self._batch(BATCH_MESSAGES if most is None else min(BATCH_MESSAGES, most))
            most = None if most is None else most - batch.read
            if batch.read:
                yield batch

    def _place(self, span: Span) -> TopicPartition:
        return TopicPartition(self.topic, span.partition, span.start - 1 if span.seen else span.start)

    def _batch(self, most: int) -> Batch:
        batch, quiet_since = Batch(), time.monotonic()
        while self.left and not batch.full(most):
            messages = self._ahead or self._fetched()
            if messages:
                quiet_since = time.monotonic()
                self._ahead = [] if self._all_taken(messages, batch, most) else messages[self._taken(messages, batch, most):]
            elif time.monotonic() - quiet_since > self.timeout:
                raise SourceUnreachable(f"The brokers sent nothing for {self.timeout:g} seconds", where=self.where,
                                        hint="Are the brokers up? Nothing was changed; run it again.")
        return batch

    def _fetched(self) -> list[Message]:
        self._stale.clear()
        found: list[Message] = self.consumer.consume(FETCH_MESSAGES, timeout=FETCH_WAIT)
        return found

    def _all_taken(self, messages: list[Message], batch: Batch, most: int) -> bool:
        """Takes messages all at once, which costs a quarter; False, and nothing is taken, when each has to be looked at."""
        if self._stale or batch.read + len(messages) > most or any(self.spans[p].seen for p in self.left):
            return False
        whole = [m for m in messages if m.error() is None]
        odd = [m for m in messages if m.error() is not None] if len(whole) < len(messages) else []
        partitions, offsets = [m.partition() for m in whole], [m.offset() for m in whole]
        ends = [self.left.get(p, -1) for p in range(max(self.spans) + 1)]
        within = [o < ends[p] for p, o in zip(partitions, offsets, strict=True)]
        beyond = set() if all(within) else {p for p, ok in zip(partitions, within, strict=True) if not ok and p in self.left}
        taken = whole if all(within) else [m for m, ok in zip(whole, within, strict=True) if ok]
        batch.take_all(taken)
        last = {m.partition(): m for m in taken}
        for p in [p for p, m in last.items() if m.offset() + 1 >= ends[p]]:
            del self.left[p]
        self._mark(last)
        for p in beyond & set(self.left):
            self._through(p)
        for message in odd:
            self._failed(message)
        return True

    def _taken(self, messages: list[Message], batch: Batch, most: int) -> int:
        """Takes messages until the batch is full or every partition is through; how many it has dealt with."""
        last: dict[int, Message] = {}
        dealt = len(messages)
        for i, message in enumerate(messages):
            partition, offset = message.partition(), message.offset()
            end = self.left.get(partition)
            if message.error() is not None:
                self._failed(message)
            elif end is not None and offset < end and not self._is_witness(message, partition, offset, end):
                last[partition] = message
                batch.take(message)
                if offset + 1 >= end:
                    del self.left[partition]
            elif end is not None and offset >= end:
                self._through(partition)
            if batch.full(most) or not self.left:
                dealt = i + 1
                break
        self._mark(last)
        return dealt

    def _is_witness(self, message: Message, partition: int, offset: int, end: int) -> bool:
        """Whether a message isn't to be taken: the one before those to be read, or of a partition that begins again."""
        span = self.spans[partition]
        if partition in self._stale:
            return True
        if span.seen is None:
            return False
        self.spans[partition] = replace(span, seen=None)
        if offset >= span.start:  # the one before is gone; nothing speaks against the same topic
            return False
        if witness(message.key(), message.value()) == span.seen.sum and message.timestamp()[1] == span.seen.at:
            if span.start >= end:
                del self.left[partition]
            return True
        self._begin_again(span.from_anew)
        return True

    def _begin_again(self, span: Span) -> None:
        self.anew.append(span)
        self.spans[span.partition], self.marks[span.partition] = span, Mark(span.start)
        self._stale.add(span.partition)
        self.consumer.seek(TopicPartition(self.topic, span.partition, span.start))

    def _through(self, partition: int) -> None:
        """A partition that goes on behind its end."""
        del self.left[partition]
        self.consumer.pause([TopicPartition(self.topic, partition)])

    def _failed(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if error.code() != KafkaError._PARTITION_EOF:
            raise self.refused(error)
        partition, offset = message.partition(), message.offset()
        if partition not in self._stale and self.left.pop(partition, None) is not None and offset is not None:
            self._ends[partition] = min(offset, self.spans[partition].end)  # less where a transaction is open

    def _mark(self, last: Mapping[int, Message]) -> None:
        for partition, message in last.items():
            offset = message.offset()
            assert offset is not None
            self.marks[partition] = Mark(offset + 1, message.timestamp()[1], witness(message.key(), message.value()))

    def reached(self) -> dict[int, Mark]:
        """The marks, where a partition that is through stands at its end: behind what isn't a message, too."""
        ends = {p: self._ends.get(p, s.end) for p, s in self.spans.items()}
        return {p: m if p in self.left else replace(m, next=max(m.next, ends[p])) for p, m in self.marks.items()}
