"""Letters (messages that were no rows) read again as messages once they are mended: a table of them is ingested like a source."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from intendant.actions.base import Context
from intendant.catalog import Catalog
from intendant.engines.base import quoted
from intendant.operators.base import table_sql
from intendant.types import Json, ReadRequest, Resource

if TYPE_CHECKING:
    import pyarrow as pa

    from intendant.sources.base import Notify

__all__ = ["Letters", "letters_in"]

RAW, ENCODING = "_raw", "_encoding"
FACTS = ("topic", "partition", "offset", "timestamp", "key")
FETCHED = 10_000


def letters_in(name: str, catalog: Catalog) -> Resource | None:
    """A table of letters as something to be ingested; None when `name` isn't one."""
    schema, dot, rest = name.partition(".")
    if not dot or schema in catalog.sources or not catalog.has(name):
        return None
    return Resource(schema, rest) if any(c.name == RAW for c in catalog.table(name).columns) else None


class Letters:
    """Reads a table of letters for `target`; what is still no row is a letter again, with the new reason."""

    follows = False

    def __init__(self, context: Context, name: str, target: str) -> None:
        self.context, self.name = context, name
        there = context.lake.snapshot(target).columns if context.lake.exists(target) else ()
        self.known = {c.name for c in there}

    def direct(self, request: ReadRequest) -> Sequence[tuple[str, Sequence[Json]]]:
        return ()

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """The rows, in batches; the columns of metadata that the target has, under their usual names, are filled."""
        from intendant.sources.wire.rows import JsonRows

        rows = JsonRows()
        try:
            for letters in self.batches():
                table, bad = rows.objects([_bytes(letter) for letter in letters])
                for i, reason in bad:
                    notify("source.row_rejected", {**letters[i], "reason": reason})
                reasons = {i for i, _ in bad}
                if table.num_rows:
                    yield self.described(table, [letter for i, letter in enumerate(letters) if i not in reasons])
        finally:
            rows.close()

    def batches(self) -> Iterator[list[dict[str, Json]]]:
        snapshot = self.context.lake.snapshot(self.name)
        held = {c.name for c in snapshot.columns}
        names = [("raw", RAW), ("encoding", ENCODING), *((f, f"_{f}") for f in FACTS)]
        shown = ", ".join(_shown(n, column, held) for n, column in names)
        with self.context.engine.session({self.name: snapshot}) as con:
            found = con.execute(f"SELECT {shown} FROM {table_sql(self.name).sql('duckdb')} WHERE {RAW} IS NOT NULL")
            while some := found.fetchmany(FETCHED):
                yield [_as_it_is({"reason": "", **dict(zip((n for n, _ in names), row, strict=True))}) for row in some]

    def described(self, table: pa.Table, letters: Sequence[Mapping[str, Json]]) -> pa.Table:
        import pyarrow as pa

        from intendant.sources.wire.stream_rows import TYPES

        for fact in FACTS[1:]:
            if f"_{fact}" in self.known and f"_{fact}" not in table.column_names:
                table = table.append_column(f"_{fact}", pa.array([letter[fact] for letter in letters], TYPES[fact]))
        return table


def _shown(name: str, column: str, held: set[str]) -> str:
    if column not in held:
        return "NULL"
    return f"epoch_ms({quoted(column)})" if name == "timestamp" else quoted(column)


def _as_it_is(letter: dict[str, Json]) -> dict[str, Json]:
    """The letter; one whose bytes were replaced by a text is text from now on."""
    if letter["encoding"] == "base64":
        try:
            base64.b64decode(str(letter["raw"]), validate=True)
        except ValueError:
            return {**letter, "encoding": ""}
    return letter


def _bytes(letter: Mapping[str, Json]) -> bytes:
    raw = str(letter["raw"])
    return base64.b64decode(raw) if letter["encoding"] == "base64" else raw.encode()
