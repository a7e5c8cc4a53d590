"""Workers that share a workspace: each holds a lease, claims parts of runs, and holds tables while it runs them.

A worker that wasn't heard of for its lease is marked dead by another one, for ever: it can append, publish and hold nothing any
more, whatever it still believes, and its parts may be claimed by others. All times are the database's.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg

from intendant.errors import IntendantError, LeaseLost, StateError
from intendant.run.state_database import Connection, Database, passes
from intendant.run.state_journal import PostgresJournal, lost
from intendant.types import Json

__all__ = ["Team"]

KEPT = "Unfinished runs are kept: a worker goes on with them, or `intendant resume`."
RENEW: LiteralString = """UPDATE intendant_workers SET until = now() + make_interval(secs => %s), serves = %s
WHERE id = %s AND NOT dead RETURNING 1"""
EXPIRE: LiteralString = (
    "UPDATE intendant_workers SET dead = true WHERE NOT dead AND until < now() AND id <> %s RETURNING id"
)
CLAIM: LiteralString = """
INSERT INTO intendant_claims AS c (part, worker) SELECT %(name)s, id FROM intendant_workers WHERE id = %(worker)s AND NOT dead
ON CONFLICT (part) DO UPDATE SET worker = excluded.worker, taken = c.taken + (c.worker <> excluded.worker)::int
WHERE %(part)s <> '' OR c.worker = excluded.worker
  OR NOT EXISTS (SELECT 1 FROM intendant_workers w WHERE w.id = c.worker AND NOT w.dead)
RETURNING 1"""
HOLD: LiteralString = """
INSERT INTO intendant_locks AS l (name, part, worker) SELECT %(name)s, %(part)s, id FROM intendant_workers
WHERE id = %(worker)s AND NOT dead
ON CONFLICT (name) DO UPDATE SET worker = excluded.worker WHERE l.part = excluded.part RETURNING 1"""
WORKERS: LiteralString = """SELECT w.id, w.name, w.host, w.pid, w.serves, extract(epoch FROM w.until - now())::float8,
(SELECT count(*) FROM intendant_claims c WHERE c.worker = w.id) FROM intendant_workers w WHERE NOT w.dead ORDER BY w.since"""
FORGET: LiteralString = "DELETE FROM intendant_workers w WHERE w.dead AND w.until < now() - interval '7 days'"


class Team:
    """This process's place among a workspace's workers; `id` is "" until it has joined. Safe for threads."""

    def __init__(self, database: Database, journal: PostgresJournal, lease: float, name: str = "") -> None:
        self.database, self.journal, self.lease = database, journal, lease
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.id = ""
        self.serves = False
        self.ended = threading.Event()
        self.steady_since = 0.0

    # ------------------------------------------------------------ joining and leaving
    def join(self) -> str:
        """Begins a lease; the id of this session, which no other one ever has. Raises StateError."""
        worker = f"{self.name}-{uuid.uuid4().hex[:12]}"
        row = (worker, self.name, socket.gethostname(), os.getpid(), self.serves, self.lease)

        def joined(con: Connection) -> None:
            con.execute(FORGET)
            con.execute(
                "INSERT INTO intendant_workers (id, name, host, pid, serves, until) "
                "VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s)) ON CONFLICT (id) DO NOTHING",
                row,
            )

        self.database.run(joined, patient=False)
        self.id = self.journal.worker = worker
        self.steady_since = time.monotonic()
        self.ended = threading.Event()
        return worker

    def leave(self, idle: bool) -> None:
        """Ends the session. With nothing under way its place is free at once; otherwise when its lease is over, and until
        then what is still under way writes under it.
        """
        worker, self.id = self.id, ""
        self.ended.set()
        if worker and idle:
            with suppress(IntendantError):
                self.database.run(
                    lambda con: con.execute("DELETE FROM intendant_workers WHERE id = %s", (worker,)), patient=False
                )
            self.journal.worker = ""

    # ------------------------------------------------------------ the lease
    def renew(self) -> None:
        """Holds the lease for another while: also what has to hold right before others see what this worker made.

        Raises LeaseLost when another worker took this one's runs over.
        """
        worker = self.journal.worker
        if not worker:
            return
        try:
            held = self.database.run(lambda con: con.execute(RENEW, (self.lease, self.serves, worker)).fetchall())
        except IntendantError:
            self.steady_since = time.monotonic() + self.lease
            raise
        if not held and self.journal.worker == worker:
            raise lost(self.database)

    def beat(self, broken: Callable[[IntendantError], None]) -> None:
        """Renews the lease until this session ends; `broken` is told when it is lost. What a thread runs."""
        ended = self.ended
        while not ended.wait(self.lease / 4):
            try:
                self.renew()
            except LeaseLost as e:
                if not ended.is_set():
                    broken(e)
                return
            except IntendantError:
                continue

    def expire(self) -> list[str]:
        """Marks the workers dead whose lease is over. None while this one has lately missed the database itself."""
        if time.monotonic() < self.steady_since:
            return []
        rows = self.database.run(lambda con: con.execute(EXPIRE, (self.id,)).fetchall())
        return [str(r[0]) for r in rows]

    def living(self) -> set[str]:
        """The sessions that are not marked dead."""
        return {str(r[0]) for r in self.database.rows("SELECT id FROM intendant_workers WHERE NOT dead")}

    # ------------------------------------------------------------ claims
    def claim(self, part: str, *, begun: bool = False) -> bool:
        """Whether this worker may start a part: nobody else who lives has claimed it. Raises LeaseLost.

        One that has `begun` was given to this worker by DBOS, which gives it to one at a time: the claim follows.
        """
        return bool(self._mine(CLAIM, name=part, part=part if begun else ""))

    def done(self, part: str) -> None:
        """Gives a claim back once its part has ended, and tables that it may hold still."""
        query: LiteralString = """WITH mine AS (DELETE FROM intendant_claims WHERE part = %s AND worker = %s RETURNING part)
            DELETE FROM intendant_locks WHERE part IN (SELECT part FROM mine)"""
        self.database.run(lambda con: con.execute(query, (part, self.journal.worker)))

    def unclaim(self, part: str) -> None:
        """Gives a claim back on a part that was not begun."""
        query: LiteralString = "DELETE FROM intendant_claims WHERE part = %s AND worker = %s"
        self.database.run(lambda con: con.execute(query, (part, self.journal.worker)))

    @contextmanager
    def holding(self, names: Iterable[str], part: str) -> Iterator[None]:
        """Holds tables (in small letters) for a part, so that no other one changes them; waits for them.

        A part that is gone on with by another worker takes over what it held.
        """
        wanted = sorted(set(names))
        try:
            for name in wanted:
                pause = 0.01
                while not self._mine(HOLD, name=name, part=part):
                    if self.ended.wait(pause):
                        raise lost(self.database)
                    pause = min(pause * 1.5, 0.25)
            yield
        finally:
            if wanted:
                self._freed(wanted, part)

    def _freed(self, names: list[str], part: str) -> None:
        query: LiteralString = "DELETE FROM intendant_locks WHERE name = ANY(%s) AND part = %s AND worker = %s"
        with suppress(IntendantError):  # what isn't freed now is freed when the part is gone on with
            self.database.run(lambda con: con.execute(query, (names, part, self.journal.worker)))

    def _mine(self, query: LiteralString, **values: str) -> list[tuple[Any, ...]]:
        worker = self.journal.worker
        given = {**values, "worker": worker}
        dead: LiteralString = "SELECT 1 FROM intendant_workers WHERE id = %s AND NOT dead"

        def asked(con: Connection) -> list[tuple[Any, ...]]:
            alive = con.execute(dead, (worker,))
            found = con.execute(query, given).fetchall()
            if not alive.fetchall():
                raise lost(self.database)
            return found

        return self.database.run(asked)

    # ------------------------------------------------------------ DBOS
    def dbos(self) -> dict[str, Json]:
        """Where DBOS records phases: the same schema, under this session's name."""
        given = self.database.settings()
        return {
            "system_database_url": self.database.address(given),
            "dbos_system_schema": self.database.schema,
            "executor_id": self.id,
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.25,
            "scheduler_polling_interval_sec": 60.0,
            "sys_db_pool_size": 12,
            "sys_db_idle_transaction_timeout_sec": 15.0,
        }

    def broken_by(self, error: Exception) -> IntendantError:
        """What an exception outside any phase says of the state: out of reach, taken over, or a fault of ours."""
        if isinstance(error, IntendantError):
            return error
        cause = getattr(error, "orig", error)
        if type(error).__name__ == "DBOSWorkflowConflictIDError":
            return lost(self.database)
        if isinstance(cause, psycopg.Error):
            return self.database.unreachable(cause) if passes(cause) else self.database.error(cause)
        said = self.database.masked(f"{type(error).__name__}: {error}")
        return StateError(f"the runs can't go on: {said}", where=self.database.where, hint=KEPT)

    # ------------------------------------------------------------ looking
    def workers(self) -> list[dict[str, Json]]:
        """The living workers: [{"name", "host", "pid", "serves", "lease_s", "running"}]"""
        return [
            {"name": n, "host": h, "pid": p, "serves": s, "lease_s": round(left, 1), "running": running}
            for _, n, h, p, s, left, running in self.database.rows(WORKERS)
        ]

    def served(self) -> bool:
        """Whether another worker takes queued runs now."""
        query: LiteralString = (
            "SELECT 1 FROM intendant_workers WHERE serves AND NOT dead AND until > now() AND id <> %s LIMIT 1"
        )
        return bool(self.database.rows(query, (self.id,)))
