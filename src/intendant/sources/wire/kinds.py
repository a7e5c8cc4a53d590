"""What a read's columns held: numbers, texts, or both, which the types of single batches can't tell.

A column that comes as text although numbers were in it is reported once, so that the caller may give it its number type
back and set the odd cells aside. A number type never bends a value: where integers are too long for a double, or texts
of digits start with a zero, the column is what it came as, and nothing is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intendant.sources.base import Notify

__all__ = ["Kind", "Kinds", "kinds_within"]

Kind = Literal["number", "text", "exact"]
"""`exact` is a value that a number type would bend: 007, or an integer of 16 digits or more."""
EXACT = r"^-?(0[0-9]+|[0-9]{16,})$"


class Kinds:
    """The kinds that each top-level column of one read had so far; threads may share it."""

    def __init__(self) -> None:
        self._seen: dict[str, set[Kind]] = {}
        self._told: set[str] = set()
        self._lock = Lock()

    def note(self, table: pa.Table, within: Mapping[str, Collection[Kind]]) -> None:
        """Adds a batch; `within` has the kinds of the columns that are text although not every value was."""
        for name, column in zip(table.column_names, table.columns, strict=True):
            before = self._seen.get(name, set())
            new = set(within[name]) if name in within else _kinds_of(column, before)
            if not new <= before:
                with self._lock:
                    self._seen.setdefault(name, set()).update(new)

    def mixed(self) -> list[str]:
        """The columns that turned out to hold numbers and texts since the last call."""
        with self._lock:
            found = [name for name, seen in self._seen.items() if seen == {"number", "text"} and name not in self._told]
            self._told.update(found)
        return found

    def tell(self, notify: Notify) -> None:
        """Reports what `mixed` finds."""
        for name in self.mixed():
            notify("source.mixed_column", {"column": name})


def kinds_within(con: duckdb.DuckDBPyConnection, files: list[str], names: Sequence[str]) -> dict[str, set[Kind]]:
    """The kinds of values of the columns `names`, which hold several, in files of JSON arrays.

    Truth values, lists and objects are neither numbers nor texts.
    """
    if not names:
        return {}
    columns = ", ".join(f"{_quoted(name)}: 'JSON'" for name in names)
    tests = ", ".join(
        f"bool_or(json_type(c{i}) IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')), "
        f"bool_or(json_type(c{i}) = 'VARCHAR'), bool_or(regexp_matches(c{i} ->> '$', '{EXACT}'))" for i in range(len(names)))
    relation = f"read_json(?, columns={{{columns}}}, format='array', maximum_object_size=268435456)"
    alias = ", ".join(f"c{i}" for i in range(len(names)))
    held = con.execute(f"SELECT {tests} FROM {relation} AS t({alias})", [files]).fetchone() or ()
    kinds: tuple[Kind, ...] = ("number", "text", "exact")
    return {name: {kind for kind, is_held in zip(kinds, held[3 * i:], strict=False) if is_held}
            for i, name in enumerate(names)}


def _kinds_of(column: pa.ChunkedArray, before: Collection[Kind]) -> set[Kind]:
    """The kinds of one batch's column, by its type; texts are looked at only while that may change what is known."""
    type_ = column.type
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return {"number"}
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return {"text"}
    if not (pa.types.is_string(type_) or pa.types.is_large_string(type_)) or column.null_count == len(column):
        return set()
    if before == {"text"} or "exact" in before:
        return {"text"}
    bends = pc.any(pc.match_substring_regex(column, EXACT)).as_py()
    return {"text", "exact"} if bends else {"text"}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
