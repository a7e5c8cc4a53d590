"""A table's rows as messages of a topic: JSON objects, keyed by a column where one is known."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from intendant.actions.base import Context, place
from intendant.actions.export import chosen
from intendant.catalog import Catalog, Table
from intendant.engines.base import quoted
from intendant.errors import LanguageError, UnknownName, UsageError, did_you_mean
from intendant.language.to_sql import find_column
from intendant.operators._compile import sql_text
from intendant.types import Json, Snapshot, Stamp, Step

if TYPE_CHECKING:
    import duckdb

    from intendant.sinks.kafka import Record, Target
    from intendant.sources.kafka import KafkaSource

__all__ = ["delivered", "forwarded", "resolved"]

FETCHED = 10_000
HEADERS = ("reason", "topic", "partition", "offset", "timestamp")
"""Of a dead letter: why it is no row, and which message it was; the timestamp in milliseconds since 1970."""


def resolved(step: Step, table: Table, catalog: Catalog) -> dict[str, Json]:
    """The arguments of a delivery to a topic. Raises UnknownName, LanguageError."""
    where = place(step)
    source, _, topic = str(step.args["resource"]).partition(".")
    known = [r.name for r in catalog.resources.values() if r.source == source]
    if topic not in known:
        raise UnknownName(
            f"the source {source!r} has no topic {topic!r}",
            where=where,
            name=topic,
            hint=did_you_mean(topic, known, "topic") + f" Topics that may be written are in `topics` of [sources.{source}].",
        )
    if step.get("mode") == "replace":
        raise LanguageError(
            "the messages of a topic can't be replaced",
            where=where,
            hint="Leave `replace` out: the rows are put behind them. With `upsert on COLUMN` a compacted topic keeps the "
            "last message of each key.",
        )
    keys = [find_column(k, table.columns, where).name for k in step.get("keys") or ()]
    args = dict(step.args, table=table.name)
    if keys:
        return {**args, "keys": tuple(keys)}
    return {**args, "mode": "append"}


def delivered(step: Step, context: Context) -> int:
    """Writes the rows, once for this step, and returns how many. Raises SourceError, UsageError (rows without a key)."""
    from intendant.sinks.kafka import write

    source, topic = _source(step, context)
    with context.engine.session(context.snapshots([step.args["table"]])) as con:
        query = sql_text(chosen(step, context.catalog))
        columns = [str(row[0]) for row in con.execute(f"DESCRIBE {query}").fetchall()]
        keys = _keys(step, context, columns)
        if step.get("keys"):
            _all_keyed(con, query, keys, step)
        return write(target_of(source, topic), _records(con, query, keys), context.stamp)


def forwarded(step: Step, letters: Sequence[Snapshot], context: Context) -> int:
    """Writes the messages among what a load sets aside to the source's topic for dead letters, once for this step.

    0 where the source has none. Raises SourceError.
    """
    from intendant.sinks.kafka import write
    from intendant.sources.kafka import KafkaSource

    source = context.source(str(step.args["resource"]))
    if not isinstance(source, KafkaSource) or not source.dead_letter:
        return 0
    written = 0
    for n, held in enumerate(letters):
        if not {"_topic", "_raw"} <= {c.name for c in held.columns}:
            continue
        with context.engine.session({"letters": held}) as con:
            stamp = Stamp(context.stamp.run, f"{context.stamp.step}.letters.{n}")
            written += write(target_of(source, source.dead_letter), _letters(con), stamp)
    return written


def _letters(con: duckdb.DuckDBPyConnection) -> Iterator[Record]:
    """The messages as they came, with headers that say from where and why."""
    origin = "_reason, _topic, _partition, _offset, epoch_ms(_timestamp)"
    rows = con.execute(f"SELECT _key, _raw, _encoding, {origin} FROM letters WHERE _topic IS NOT NULL")
    while some := rows.fetchmany(FETCHED):
        for key, raw, encoding, *facts in some:
            value = base64.b64decode(raw) if encoding == "base64" else raw.encode()
            headers = [(n, str(v).encode()) for n, v in zip(HEADERS, facts, strict=True) if v is not None]
            yield None if key is None else key.encode(), value, headers


def target_of(source: KafkaSource, topic: str) -> Target:
    from intendant.sinks.kafka import Target

    return Target(source.brokers, topic, source.options, failed=source.failed, timeout=source.timeout, where=source.where)


def _source(step: Step, context: Context) -> tuple[KafkaSource, str]:
    from intendant.sources.kafka import KafkaSource

    source, topic = context.source(str(step.args["resource"])), str(step.args["resource"]).partition(".")[2]
    assert isinstance(source, KafkaSource)
    return source, topic


def _keys(step: Step, context: Context, columns: Sequence[str]) -> list[str]:
    """The columns of a message's key: those that are said, else the one declared for the topic, if the table has it."""
    if step.get("keys"):
        return list(step.args["keys"])
    declared = context.catalog.resource(step.args["resource"]).key
    return [c for c in columns if declared and c.casefold() == declared.casefold()]


def _all_keyed(con: duckdb.DuckDBPyConnection, query: str, keys: Sequence[str], step: Step) -> None:
    missing = " OR ".join(f"{quoted(k)} IS NULL" for k in keys)
    found = con.execute(f"SELECT count(*) FROM ({query}) WHERE {missing}").fetchone()
    if found and found[0]:
        raise UsageError(
            f"{found[0]:,} rows have no {' and '.join(keys)} to be keyed by",
            where=place(step),
            hint=f"Nothing was delivered. Add `where {quoted(keys[0]) if ' ' in keys[0] else keys[0]} is not null`.",
        )


def _records(con: duckdb.DuckDBPyConnection, query: str, keys: Sequence[str]) -> Iterator[Record]:
    from intendant.sinks.spelling import spelled

    key = "NULL"
    if len(keys) == 1:
        key = f"CAST(r.{quoted(keys[0])} AS VARCHAR)"
    elif keys:
        key = f"CAST(to_json(struct_pack({', '.join(f'{quoted(k)} := r.{quoted(k)}' for k in keys)})) AS VARCHAR)"
    rows = con.execute(f"SELECT {key}, CAST(to_json(r) AS VARCHAR) FROM ({spelled(con, query, 'json')}) AS r")
    while some := rows.fetchmany(FETCHED):
        for name, value in some:
            yield None if name is None else name.encode(), value.encode(), None
