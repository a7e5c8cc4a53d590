"""The journal: every fact once, in order, chained by hashes; what is known of runs, approvals and schedules is read from it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from intendant.errors import Damaged, DiskFull, LakeError
from intendant.types import Event, Json

__all__ = ["UNREADABLE", "Journal", "chained", "event_of", "in_text"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, run TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
  data TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL, UNIQUE (run, key)
);
CREATE INDEX IF NOT EXISTS by_kind ON events (kind, seq);
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
UNREADABLE = ("SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS")
COLUMNS = "seq, at, run, key, kind, data, prev, hash"


class Journal:
    """Append and read. Safe for threads and processes: every append is one immediate SQLite transaction."""

    def __init__(self, path: Path) -> None:
        self.path, self.local = path, threading.local()
        self.opened: list[sqlite3.Connection] = []

    def append(self, run: str, key: str, kind: str, data: Mapping[str, Json]) -> Event:
        """Records a fact. The same (run, key) again records nothing and returns the first.

        Raises DiskFull or Damaged.
        """
        return self.append_all(run, [(key, kind, data)])[0]

    def append_all(self, run: str, facts: Iterable[tuple[str, str, Mapping[str, Json]]]) -> list[Event]:
        """Records facts of a run in one transaction."""
        with self._guard() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                out = [self._one(db, run, *fact) for fact in facts]
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        return out

    def events(
        self,
        run: str | None = None,
        kinds: Iterable[str] = (),
        after: int = 0,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[Event]:
        """Facts in order (newest first if asked), of one run, of some kinds, after a sequence number."""
        kinds = tuple(kinds)
        where, values = ["seq > ?"], [after]  # type: tuple[list[str], list[object]]
        if run is not None:
            where.append("run = ?")
            values.append(run)
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values += kinds
        sql = f"SELECT {COLUMNS} FROM events WHERE {' AND '.join(where)} ORDER BY seq {'DESC' if newest else ''}"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        with self._guard() as db:
            return [event_of(row) for row in db.execute(sql, values)]

    def get(self, run: str, key: str) -> Event | None:
        """The fact of that key, if it is there."""
        with self._guard() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM events WHERE run = ? AND key = ?", (run, key)).fetchone()
        return event_of(row) if row else None

    def verify(self) -> int:
        """Checks the chain; the number of facts. Raises Damaged naming the first fact that doesn't fit."""
        prev, n = "", 0
        for e in self.events():
            if e.prev != prev or e.hash != _hash(e.seq, e.at, e.run, e.key, e.kind, in_text(e.data), e.prev):
                raise Damaged(
                    f"the journal was changed at fact {e.seq}",
                    where=str(self.path),
                    hint="Restore the file from a copy; later facts can't be trusted.",
                )
            prev, n = e.hash, n + 1
        return n

    def close(self) -> None:
        """Closes the connections of all threads, so that the file is whole by itself and can be copied."""
        while self.opened:
            self.opened.pop().close()
        self.local = threading.local()

    def _one(self, db: sqlite3.Connection, run: str, key: str, kind: str, data: Mapping[str, Json]) -> Event:
        row = db.execute(f"SELECT {COLUMNS} FROM events WHERE run = ? AND key = ?", (run, key)).fetchone()
        if row:
            return event_of(row)
        last = db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone() or (0, "")
        seq, prev, text = last[0] + 1, last[1], in_text(data)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = chained(seq, at, run, key, kind, text, prev)
        db.execute(f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return event_of(values)

    @contextmanager
    def _guard(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._db()
        except sqlite3.DatabaseError as e:
            text, name = str(e), getattr(e, "sqlite_errorname", "")
            if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and name not in UNREADABLE):
                raise DiskFull(
                    "the journal can't be written: no space left",
                    where=str(self.path),
                    hint="Free some space and try again.",
                ) from None
            if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR")):
                raise Damaged(
                    "the journal's file is damaged",
                    where=str(self.path),
                    hint="Restore it from a copy; the tables in the lake are whole.",
                ) from None
            raise LakeError(
                f"the journal can't be used: {text}",
                where=str(self.path),
                hint="Look at the folder's rights and space.",
            ) from None

    def _db(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self.local, "db", None)
        if db is None:
            db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self.opened.append(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(SCHEMA)
            self.local.db = db
        return db


def in_text(data: Mapping[str, Json]) -> str:
    """A fact's data as it is kept and hashed."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)


def chained(seq: int, at: str, run: str, key: str, kind: str, text: str, prev: str) -> tuple[Json, ...]:
    """The row of a fact behind the one whose hash is `prev`."""
    return seq, at, run, key, kind, text, prev, _hash(seq, at, run, key, kind, text, prev)


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def event_of(row: tuple[Json, ...]) -> Event:
    """A row of the journal as a fact."""
    return Event(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]), row[6], row[7])
