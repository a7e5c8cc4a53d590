"""Messages to rows: their JSON as columns, what Kafka knows of them as further ones, and letters for those that are no rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
from confluent_kafka import Message

from intendant.errors import SourceRefused
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.rows import JsonRows
from intendant.sources.wire.stream_reader import Batch
from intendant.types import Json

__all__ = ["METADATA", "StreamRows", "letter"]

METADATA = ("partition", "offset", "timestamp", "key", "headers")
LAST_MOMENT = (2**63 - 1) // 1000
"""Milliseconds that are a moment in microseconds; who writes nanoseconds in their place is beyond it."""
HEADERS = pa.map_(pa.string(), pa.string())
TYPES: Mapping[str, pa.DataType] = {
    "partition": pa.int32(), "offset": pa.int64(), "timestamp": pa.timestamp("ms"), "key": pa.string(), "headers": HEADERS}


class StreamRows:
    """Rows of batches; `prefix` + partition, offset, timestamp, key, headers are the further columns, none when it is None."""

    def __init__(self, kinds: Kinds, prefix: str | None, where: str) -> None:
        self._rows, self.prefix, self.where = JsonRows(kinds=kinds), prefix, where

    def close(self) -> None:
        self._rows.close()

    def table(self, batch: Batch) -> tuple[pa.Table, list[dict[str, Json]]]:
        """The rows of a batch, and letters about the messages that are none.

        Raises SourceRefused when a field of a message has the name of a further column.
        """
        table, bad = self._rows.objects(batch.values)
        letters = [letter(batch.messages[i], reason) for i, reason in bad]
        if self.prefix is None or not table.num_rows:
            return table, letters
        left_out = {i for i, _ in bad}
        messages = [m for i, m in enumerate(batch.messages) if i not in left_out] if bad else batch.messages
        return self._described(table, messages, self.prefix), letters

    def _described(self, table: pa.Table, messages: Sequence[Message], prefix: str) -> pa.Table:
        taken = {name.casefold() for name in table.column_names}
        for name, values in zip(METADATA, zip(*map(_facts, messages), strict=True), strict=True):
            if f"{prefix}{name}".casefold() in taken:
                raise SourceRefused(
                    f"Messages have a field {prefix}{name!s}, which is also the column of their {name}", where=self.where,
                    hint='Give these columns another start, e.g. metadata = "kafka_".')
            table = table.append_column(f"{prefix}{name}", pa.array(values, TYPES[name]))
        return table


def _facts(message: Message) -> tuple[Json, ...]:
    """The values of METADATA."""
    return message.partition(), message.offset(), moment(message), shown_key(message), _headers(message) or None


def _headers(message: Message) -> list[tuple[str, str | None]]:
    """The headers as a map has them: the values of a name that comes several times are a list in JSON."""
    found: dict[str, list[str | None]] = {}
    for name, value in message.headers() or ():
        found.setdefault(name, []).append(None if value is None else shown(value)[0])
    return [(name, values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)) for name, values in found.items()]


def letter(message: Message, reason: str) -> dict[str, Json]:
    """All that is known of a message that is no row. `encoding` says how `raw` stands for its bytes: "" as text, or base64."""
    raw, encoding = shown(message.value() or b"")
    return {"reason": reason, "raw": raw, "encoding": encoding, "topic": message.topic(), "partition": message.partition(),
            "offset": message.offset(), "timestamp": moment(message), "key": shown_key(message)}


def moment(message: Message) -> int | None:
    """When the message was written, in milliseconds since 1970, UTC; None where it wasn't said, or is beyond all calendars."""
    _, at = message.timestamp()
    return at if at is not None and 0 <= at <= LAST_MOMENT else None


def shown_key(message: Message) -> str | None:
    key = message.key()
    return None if key is None else shown(key)[0]


def shown(data: bytes) -> tuple[str, str]:
    """Bytes as text, and how: as they are where they are text, else in base64."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii"), "base64"
    return (text, "") if "\0" not in text else (base64.b64encode(data).decode("ascii"), "base64")
