"""The control state of a workspace in PostgreSQL: one schema, connections that come back by themselves, errors with the mend.

Work on it is a function of a connection that is safe to repeat, for it is done again when the connection broke, a commit
whose answer was lost included.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, TypeAlias, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from intendant.errors import Damaged, DiskFull, IntendantError, StateError, StateUnreachable
from intendant.types import Json

__all__ = ["FORMAT", "Connection", "Database", "passes"]

FORMAT = "1"
Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
T = TypeVar("T")
IDLE = 8
"""Connections kept open while nobody uses them."""
SESSION = (
    """SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '30s'; SET client_min_messages = warning"""
)
"""A worker that stops in the middle of a transaction must not hold up the others: the server ends its session."""
PASSING = ("08", "57", "40001", "40P01", "55P03", "25P03", "25006", "53300", "53400")
"""SQLSTATE classes and codes that time may mend: no connection, shutdown, a lock not had, a standby that is not yet promoted."""
INSTALL: tuple[LiteralString, ...] = (
    "CREATE TABLE intendant_meta (key text PRIMARY KEY, value text NOT NULL)",
    """CREATE TABLE intendant_events (
  seq bigint PRIMARY KEY, at text NOT NULL, run text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL, data text NOT NULL, prev text NOT NULL, hash text NOT NULL, UNIQUE (run, key))""",
    "CREATE INDEX intendant_by_kind ON intendant_events (kind, seq)",
    """CREATE FUNCTION intendant_append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$""",
    """CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON intendant_events
  FOR EACH STATEMENT EXECUTE FUNCTION intendant_append_only()""",
    """CREATE TABLE intendant_workers (
  id text PRIMARY KEY, name text NOT NULL, host text NOT NULL, pid integer NOT NULL, serves boolean NOT NULL,
  since timestamptz NOT NULL DEFAULT now(), until timestamptz NOT NULL, dead boolean NOT NULL DEFAULT false)""",
    """CREATE TABLE intendant_claims (
  part text COLLATE "C" PRIMARY KEY, worker text NOT NULL, taken integer NOT NULL DEFAULT 1)""",
    """CREATE TABLE intendant_locks (
  name text COLLATE "C" PRIMARY KEY, part text COLLATE "C" NOT NULL, worker text NOT NULL)""",
)


class Database:
    """A schema of a PostgreSQL database. Making one contacts nothing; the first use makes the schema or checks it.

    `meet(connection, made)` is called once in the transaction of the first use: `made` says that the schema was made by it.
    """

    def __init__(
        self,
        url: str,
        schema: str,
        wait: float = 30.0,
        meet: Callable[[Connection, bool], None] = lambda con, made: None,
    ) -> None:
        self.given, self.schema, self.wait, self.meet = url, schema, wait, meet
        self.idle: list[Connection] = []
        self.guard = threading.Lock()
        self.opening = threading.RLock()
        self.met = False

    # ------------------------------------------------------------ work
    def run(self, do: Callable[[Connection], T], *, patient: bool = True) -> T:
        """Does it in one transaction, again on a new connection when the old one broke (once, if not `patient`).

        Raises StateUnreachable when that stays so for `wait` seconds, StateError, DiskFull, Damaged.
        """
        return self._again(lambda con: self._transaction(con, do), patient)

    def rows(self, query: LiteralString, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement, in a transaction of its own."""
        return self._again(lambda con: con.execute(query, values).fetchall())

    def ping(self) -> tuple[float, str]:
        """Milliseconds of a question on a connection that is open, and the server's version."""
        version = self.rows("SHOW server_version")[0][0]
        started = time.perf_counter()
        self.rows("SELECT 1")
        return (time.perf_counter() - started) * 1000, str(version)

    def _transaction(self, con: Connection, do: Callable[[Connection], T]) -> T:
        with con.pipeline(), con.transaction():
            return do(con)

    def _again(self, do: Callable[[Connection], T], patient: bool = True) -> T:
        end, pause, failed = time.monotonic() + self.wait, 0.05, 0
        while True:
            known = self.met
            try:
                with self._connection() as con:
                    return do(con)
            except psycopg.Error as e:
                if not passes(e):
                    raise self.error(e) from None
                if not known or (failed and (not patient or time.monotonic() > end)):
                    raise self.unreachable(e) from None
                failed += 1
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    # ------------------------------------------------------------ connections
    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        con = self._taken()
        try:
            yield con
        except BaseException:
            if con.closed or con.broken:
                self.close()
            self._back(con)
            raise
        self._back(con)

    def _taken(self) -> Connection:
        with self.guard:
            if self.idle:
                return self.idle.pop()
        con = self._opened()
        with self.opening:
            if not self.met:
                try:
                    self._first(con)
                except BaseException:
                    con.close()
                    raise
        return con

    def _back(self, con: Connection) -> None:
        with self.guard:
            if not con.closed and not con.broken and len(self.idle) < IDLE:
                self.idle.append(con)
                return
        con.close()

    def close(self) -> None:
        """Closes the connections that nobody uses; the next use opens new ones."""
        with self.guard:
            idle, self.idle = self.idle, []
        for con in idle:
            with suppress(psycopg.Error):
                con.close()

    def _opened(self) -> Connection:
        con = psycopg.connect(make_conninfo(**self.settings()), autocommit=True)
        con.execute(sql.SQL(SESSION + "; SET search_path TO {}").format(sql.Identifier(self.schema)))
        return con

    def settings(self) -> dict[str, Any]:
        """libpq's settings: those of the URL, and that a connection cut off is noticed within seconds."""
        if not self.given.startswith(("postgresql://", "postgres://")):
            raise self._odd()
        try:
            found = dict(conninfo_to_dict(self.given))
        except psycopg.Error:
            raise self._odd() from None
        if not str(found.get("port") or 0).replace(",", "").isdigit():
            raise self._odd()
        noticed = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
        return {"connect_timeout": 10, "application_name": "intendant", **noticed, **found}

    def address(self, given: dict[str, Any]) -> str:
        """The URL for SQLAlchemy, which knows its scheme and libpq's settings as its query."""
        from sqlalchemy import URL

        own = {k: str(v) for k, v in given.items() if k not in ("user", "password", "host", "port", "dbname")}
        host = str(given.get("host") or "")
        if host.startswith("/") or "," in host:
            own["host"] = host
            host = ""
        made = URL.create(
            "postgresql", given.get("user"), given.get("password"), host or None,
            int(given["port"]) if str(given.get("port") or "").isdigit() else None, given.get("dbname"), own,
        )  # fmt: skip
        return made.render_as_string(hide_password=False)

    def _odd(self) -> StateError:
        return StateError(
            "state.url can't be read as the address of a PostgreSQL database",
            where="intendant.toml [state]",
            hint="Write postgresql://USER:${PG_PASSWORD}@HOST:5432/DATABASE; escape special signs of the password as %40.",
        )

    @property
    def where(self) -> str:
        """Host, database and schema, for messages."""
        try:
            given = self.settings()
        except StateError:
            return "intendant.toml [state]"
        return f"{given.get('host') or 'localhost'}/{given.get('dbname') or given.get('user') or ''}, schema {self.schema!r}"

    # ------------------------------------------------------------ the first use
    def _first(self, con: Connection) -> None:
        """Makes the schema's tables, or checks that they are of our format; one process at a time does it."""
        with con.transaction():
            con.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"intendant install {self.schema}",))
            made = not self._there(con)
            if made:
                self._install(con)
            else:
                self._check(con)
            self.meet(con, made)
        self.met = True

    def _there(self, con: Connection) -> bool:
        name = sql.Identifier(self.schema, "intendant_meta").as_string(con)
        return con.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchall()[0][0] is True

    def _install(self, con: Connection) -> None:
        there = con.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchall()
        if not there:
            con.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        for statement in INSTALL:
            con.execute(statement)
        con.execute("INSERT INTO intendant_meta VALUES ('format', %s)", (FORMAT,))

    def _check(self, con: Connection) -> None:
        found = con.execute("SELECT value FROM intendant_meta WHERE key = 'format'").fetchall()
        held = str(found[0][0]) if found else "unknown"
        if held != FORMAT:
            newer = held.isdigit() and int(held) > int(FORMAT)
            raise StateError(
                f"the control state has format {held}, and this version of intendant writes format {FORMAT}",
                where=self.where,
                hint="Upgrade intendant on this machine: another machine's is newer. Nothing was changed."
                if newer
                else "It was made by another version: use that one, or begin in a new schema. Nothing was changed.",
            )

    # ------------------------------------------------------------ errors
    def masked(self, text: str) -> str:
        """A message of the server or the driver without the password."""
        with suppress(StateError):
            if secret := self.settings().get("password"):
                text = text.replace(str(secret), "***")
        return " ".join(text.split())[:400]

    def unreachable(self, e: Exception) -> IntendantError:
        said = self.masked(str(e))
        if refused(said):
            return StateError(
                f"the control state's database does not let this machine in: {said}", where=self.where, hint=REFUSED
            )
        return StateUnreachable(
            f"the control state's database does not answer: {said}",
            where=self.where,
            hint="Look whether it runs and whether this machine reaches it. Unfinished runs are kept: a worker goes on with them.",
        )

    def error(self, e: Exception) -> IntendantError:
        """What an error of PostgreSQL means here."""
        code, said = getattr(e, "sqlstate", None) or "", self.masked(str(e))
        if code in ("53100", "58030"):
            return DiskFull(
                "the database has no space left", where=self.where, hint="Free some space on its disk and try again."
            )
        if code.startswith("XX"):
            return Damaged(
                "the database says that its files are damaged", where=self.where, hint="Restore it from a backup."
            )
        if code in ("42501", "3F000"):
            return StateError(
                f"the database user may not do what is needed: {said}",
                where=self.where,
                hint=f'Let an administrator run: CREATE SCHEMA "{self.schema}" AUTHORIZATION "{self.user()}"; '
                "for a schema that is there, make this user its owner.",
            )
        return StateError(
            f"the control state can't be used: {said}", where=self.where, hint="Look at the database's log."
        )

    def user(self) -> Json:
        return self.settings().get("user") or "USER"


REFUSED = "Look at user, password and database name of [state] url, and at pg_hba.conf. Nothing was changed."


def passes(e: psycopg.Error) -> bool:
    """Whether time may mend it: the connection, not what was asked."""
    code = e.sqlstate or ""
    if code:
        return code.startswith(PASSING)
    return isinstance(e, psycopg.OperationalError | psycopg.InterfaceError)


def refused(said: str) -> bool:
    """Whether the server answered and said no; without a connection there is no SQLSTATE to go by."""
    soon = ("starting up", "shutting down", "recovery", "too many", "slots")
    return ("FATAL" in said and not any(w in said for w in soon)) or "no password supplied" in said
