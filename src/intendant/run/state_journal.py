"""The journal in PostgreSQL: the same facts, the same chain, one writer at a time over all machines.

Appends wait for each other by an advisory lock that ends with their transaction, so the chain stays one. A worker whose lease
was taken by another appends nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

from intendant.errors import LeaseLost
from intendant.run.journal import Journal, chained, event_of, in_text
from intendant.run.state_database import Connection, Database
from intendant.types import Event, Json

__all__ = ["COLUMNS", "PostgresJournal", "lost"]

COLUMNS: LiteralString = "seq, at, run, key, kind, data, prev, hash"
LAST: LiteralString = "SELECT seq, hash FROM intendant_events ORDER BY seq DESC LIMIT 1"
KNOWN: LiteralString = f"SELECT {COLUMNS} FROM intendant_events WHERE run = %s AND key = ANY(%s)"
INSERT: LiteralString = f"INSERT INTO intendant_events ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
ALIVE: LiteralString = "SELECT 1 FROM intendant_workers WHERE id = %s AND NOT dead"


class PostgresJournal(Journal):
    """Append and read. `worker` is the session of a worker of this process, "" where it only asks and queues."""

    def __init__(self, database: Database) -> None:
        super().__init__(Path(database.where))
        self.database, self.worker = database, ""

    def append_all(self, run: str, facts: Iterable[tuple[str, str, Mapping[str, Json]]]) -> list[Event]:
        """Records facts of a run in one transaction. Raises LeaseLost when another worker took this one's runs over."""
        told = [(key, kind, in_text(data)) for key, kind, data in facts]
        return self.database.run(lambda con: self._appended(con, run, told))

    def _appended(self, con: Connection, run: str, told: list[tuple[str, str, str]]) -> list[Event]:
        worker = self.worker
        con.execute(LOCK, (self.database.schema,))
        alive = con.execute(ALIVE, (worker,))
        held = con.execute(KNOWN, (run, [key for key, _, _ in told]))
        last = con.execute(LAST)
        if worker and not alive.fetchall():
            raise lost(self.database)
        known = {row[3]: event_of(row) for row in held.fetchall()}
        seq, prev = next(iter(last.fetchall()), (0, ""))
        for key, kind, text in told:
            if key in known:
                continue
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            row = chained(seq + 1, at, run, key, kind, text, prev)
            con.execute(INSERT, row)
            known[key] = event_of(row)
            seq, prev = known[key].seq, known[key].hash
        return [known[key] for key, _, _ in told]

    def events(
        self,
        run: str | None = None,
        kinds: Iterable[str] = (),
        after: int = 0,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[Event]:
        """Facts in order (newest first if asked), of one run, of some kinds, after a sequence number."""
        query: LiteralString = f"SELECT {COLUMNS} FROM intendant_events WHERE seq > %s"
        values: list[object] = [after]
        if run is not None:
            query += " AND run = %s"
            values.append(run)
        if kinds := list(kinds):
            query += " AND kind = ANY(%s)"
            values.append(kinds)
        query += " ORDER BY seq DESC" if newest else " ORDER BY seq"
        if limit is not None:
            query += " LIMIT %s"
            values.append(int(limit))
        return [event_of(row) for row in self.database.rows(query, values)]

    def get(self, run: str, key: str) -> Event | None:
        """The fact of that key, if it is there."""
        rows = self.database.rows(f"SELECT {COLUMNS} FROM intendant_events WHERE run = %s AND key = %s", (run, key))
        return event_of(rows[0]) if rows else None

    def close(self) -> None:
        self.database.close()


def lost(database: Database) -> LeaseLost:
    """The error of a worker that came back too late."""
    return LeaseLost(
        "this worker was not heard of for longer than its lease, and another one took its runs over",
        where=database.where,
        hint="Nothing is lost: the other worker goes on with them. Start this one again.",
    )
