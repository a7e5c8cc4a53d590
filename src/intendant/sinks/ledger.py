"""Notes of deliveries in the database that they went to, in the same transaction: a step repeated delivers once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from intendant.types import Json, Stamp

__all__ = ["LEDGER", "Ledger"]

LEDGER = "intendant_deliveries"


class Cursor(Protocol):
    """What the DB-API cursors of both databases have."""

    def execute(self, operation: str, parameters: Sequence[Json] = (), /) -> object: ...

    def fetchone(self) -> Sequence[Json] | None: ...


@dataclass(frozen=True)
class Ledger:
    """The note of one delivery; `schema` is SQL before the ledger's name, `mark` what numbered parameters start with."""

    stamp: Stamp
    table: str
    mark: str
    schema: str = ""

    def begin(self, cursor: Cursor) -> int | None:
        """None when the delivery is new, and noted; else how many rows it wrote.

        A transaction that is still open with the same note is waited for: its end says which of the two it is.
        """
        name, key = f'{self.schema}"{LEDGER}"', (self.stamp.run, self.stamp.step, self.table)
        one, two, three = (f"{self.mark}{n}" for n in (1, 2, 3))
        cursor.execute(
            f'CREATE TABLE IF NOT EXISTS {name} ("run" TEXT NOT NULL, "step" TEXT NOT NULL, "table" TEXT NOT NULL, '
            '"rows" BIGINT NOT NULL, "at" TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, '
            'PRIMARY KEY ("run", "step", "table"))')
        cursor.execute(f'INSERT INTO {name} ("run", "step", "table", "rows") VALUES ({one}, {two}, {three}, 0) '
                       'ON CONFLICT DO NOTHING RETURNING "rows"', key)
        if cursor.fetchone() is not None:
            return None
        cursor.execute(f'SELECT "rows" FROM {name} WHERE "run" = {one} AND "step" = {two} AND "table" = {three}', key)
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])

    def end(self, cursor: Cursor, rows: int) -> None:
        """Notes how many rows were written."""
        one, two, three, four = (f"{self.mark}{n}" for n in (1, 2, 3, 4))
        cursor.execute(f'UPDATE {self.schema}"{LEDGER}" SET "rows" = {four} '
                       f'WHERE "run" = {one} AND "step" = {two} AND "table" = {three}',
                       (self.stamp.run, self.stamp.step, self.table, rows))
