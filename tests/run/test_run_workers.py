"""The control state in PostgreSQL: the journal's invariants, the errors with their mend, leases, claims, the move."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from dbos import DBOS
from tests.servers.postgres import fresh_database

from intendant.app import Intendant
from intendant.errors import Damaged, IntendantError, LeaseLost, StateError, StateUnreachable, WorkspaceError
from intendant.run.journal import Journal
from intendant.run.owner import ENDED, Owner
from intendant.run.state import database_of
from intendant.run.state_database import Database
from intendant.run.state_journal import PostgresJournal
from intendant.run.state_move import copy, move
from intendant.run.state_team import HOLD, Team
from intendant.workspace import Workspace


def postgres(wait: float = 2.0, schema: str = "intendant", url: str = "") -> PostgresJournal:
    return PostgresJournal(Database(url or fresh_database(), schema, wait))


def execute(journal: PostgresJournal, statement: str) -> None:
    """What an administrator does, or a hand that shouldn't."""
    with psycopg.connect(journal.database.given, autocommit=True) as con:
        con.execute(f"SET search_path TO {journal.database.schema}".encode())
        con.execute(statement.encode())


@pytest.fixture(params=["files", "postgres"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made: Journal = Journal(tmp_path / "journal.sqlite") if request.param == "files" else postgres()
    yield made
    made.close()


# ------------------------------------------------------------------ the journal, wherever it is


def test_a_fact_is_recorded_once_by_its_key_and_the_first_stays(journal: Journal) -> None:
    first = journal.append("r", "k", "kind", {"n": 1, "text": "ä\0\n'\"", "none": None})
    assert journal.append("r", "k", "kind", {"n": 2}) == first
    assert journal.append("other", "k", "kind", {"n": 2}).seq == 2
    assert journal.append_all("r", [("a", "x", {}), ("k", "x", {}), ("a", "y", {})])[2].kind == "x"
    assert [e.seq for e in journal.events()] == [1, 2, 3]
    assert journal.get("r", "k") == first and journal.get("r", "nothing") is None
    assert journal.verify() == 3


def test_facts_are_found_by_run_kind_place_and_from_the_end(journal: Journal) -> None:
    for n in range(6):
        journal.append(f"r{n % 2}", f"k{n}", f"kind{n % 3}", {"n": n})
    assert [e.data["n"] for e in journal.events("r1")] == [1, 3, 5]
    assert [e.data["n"] for e in journal.events(kinds=["kind0", "kind2"], after=2)] == [2, 3, 5]
    assert [e.data["n"] for e in journal.events(newest=True, limit=2)] == [5, 4]
    assert journal.events("r1", kinds=["no"]) == []


def test_many_writers_at_once_keep_one_chain_and_every_fact(journal: Journal) -> None:
    def write(n: int) -> None:
        for i in range(12):
            journal.append_all(f"run{n}", [(f"k{i}", "kind", {"i": i}), (f"l{i}", "kind", {"i": i})])
            journal.append("all", f"k{i}", "kind", {"by": n})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert journal.verify() == 6 * 24 + 12
    assert [e.seq for e in journal.events()] == list(range(1, 6 * 24 + 13))


def test_a_fact_cannot_be_changed_or_removed(journal: Journal) -> None:
    journal.append("r", "k", "kind", {"n": 1})
    for statement in ("UPDATE {} SET data = '{{}}'", "DELETE FROM {}"):
        with pytest.raises((sqlite3.DatabaseError, psycopg.Error), match="append-only"):
            if isinstance(journal, PostgresJournal):
                execute(journal, statement.format("intendant_events"))
            else:
                with sqlite3.connect(journal.path) as db:
                    db.execute(statement.format("events"))
    assert journal.verify() == 1


def test_a_fact_that_was_changed_all_the_same_is_named(journal: Journal) -> None:
    for n in range(3):
        journal.append("r", f"k{n}", "kind", {"n": n})
    if isinstance(journal, PostgresJournal):
        execute(journal, "ALTER TABLE intendant_events DISABLE TRIGGER no_change")
        execute(journal, "UPDATE intendant_events SET data = '{\"n\": 7}' WHERE seq = 2")
    else:
        with sqlite3.connect(journal.path) as db:
            db.execute("DROP TRIGGER no_update")
            db.execute("UPDATE events SET data = '{\"n\": 7}' WHERE seq = 2")
    with pytest.raises(Damaged, match="changed at fact 2"):
        journal.verify()


# ------------------------------------------------------------------ PostgreSQL: what goes wrong


def error(do: Callable[[], object]) -> IntendantError:
    with pytest.raises(IntendantError) as caught:
        do()
    assert caught.value.hint and caught.value.where
    return caught.value


def test_two_schemas_of_one_database_do_not_meet() -> None:
    url = fresh_database()
    one, two = postgres(schema="one", url=url), postgres(schema="Two_2", url=url)
    one.append("r", "k", "kind", {})
    assert two.events() == [] and two.append("r", "k", "kind", {}).seq == 1
    one.close(), two.close()


def test_what_cannot_be_reached_or_used_says_why_and_never_the_password() -> None:
    url = fresh_database()
    gone = error(lambda: postgres(url="postgresql://u:s3cret@127.0.0.1:1/db").events())
    assert isinstance(gone, StateUnreachable) and "refused" in gone.message and "s3cret" not in str(gone)
    missing = error(lambda: postgres(url=url.replace("@/t", "@/no_such_")).events())
    assert type(missing) is StateError and "does not exist" in missing.message and "[state] url" in missing.hint
    nobody = error(lambda: postgres(url=url.replace("postgres:@", "nobody:s3cret@")).events())
    assert type(nobody) is StateError and "nobody" in nobody.message and "s3cret" not in str(nobody)
    odd = error(lambda: postgres(url="postgresql://u:s3cret@host:port/db").events())
    assert type(odd) is StateError and "s3cret" not in str(odd) and "postgresql://USER" in odd.hint
    assert "MySQL" not in str(error(lambda: postgres(url="mysql://u:s3cret@host/db").events()))


def test_a_user_who_may_make_no_schema_is_told_what_to_ask_for() -> None:
    url = fresh_database()
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("CREATE ROLE poor LOGIN")
    try:
        poor = url.replace("postgres:@", "poor:@")
        refused = error(lambda: postgres(url=poor).events())
        assert (
            "permission denied" in refused.message and 'CREATE SCHEMA "intendant" AUTHORIZATION "poor"' in refused.hint
        )
        with psycopg.connect(url, autocommit=True) as con:
            con.execute('CREATE SCHEMA "intendant" AUTHORIZATION "poor"')
        made = postgres(url=poor)
        assert made.append("r", "k", "kind", {}).seq == 1
        made.close()
    finally:
        with psycopg.connect(url, autocommit=True) as con:
            con.execute("DROP OWNED BY poor CASCADE")
            con.execute("DROP ROLE poor")


@pytest.mark.parametrize(
    ("held", "mend"), [("2", "Upgrade intendant"), ("0", "another version"), ("odd", "another version")]
)
def test_a_state_of_another_format_is_left_alone(held: str, mend: str) -> None:
    first = postgres()
    first.append("r", "k", "kind", {})
    execute(first, f"UPDATE intendant_meta SET value = '{held}' WHERE key = 'format'")
    other = postgres(url=first.database.given)
    refused = error(other.events)
    assert f"format {held}" in refused.message and mend in refused.hint
    first.close()


def test_connections_that_the_server_ends_come_back_by_themselves() -> None:
    journal = postgres()
    journal.append("r", "k0", "kind", {})
    for n in range(1, 4):
        with psycopg.connect(journal.database.given, autocommit=True) as con:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            con.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())
        journal.append("r", f"k{n}", "kind", {})
    assert journal.verify() == 4
    journal.close()


def test_a_commit_whose_answer_is_lost_records_the_fact_once() -> None:
    """The connection is cut after the server has committed and before the client has heard of it."""
    journal = postgres()
    real, cut = journal.database._transaction, []

    def lossy(con: object, do: Callable[..., object]) -> object:
        out = real(con, do)  # type: ignore[arg-type]
        if not cut:
            cut.append(True)
            con.close()  # type: ignore[attr-defined]
            raise psycopg.OperationalError("the connection was cut")
        return out

    journal.append("r", "before", "kind", {})
    journal.database._transaction = lossy  # type: ignore[method-assign,assignment]
    assert journal.append("r", "k", "kind", {"n": 1}).seq == 2
    assert [e.key for e in journal.events("r")] == ["before", "k"] and journal.verify() == 2
    journal.close()


def test_a_writer_that_stops_in_the_middle_does_not_hold_up_the_others() -> None:
    journal = postgres(wait=20)
    journal.append("r", "k", "kind", {})
    held = journal.database._opened()
    held.execute("BEGIN")
    held.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (journal.database.schema,))
    started = time.monotonic()
    assert journal.append("r", "later", "kind", {}).seq == 2
    assert time.monotonic() - started < 15
    held.close(), journal.close()


# ------------------------------------------------------------------ leases and claims


@pytest.fixture
def teams() -> Iterator[Callable[[float], Team]]:
    url, made = fresh_database(), []

    def team(lease: float = 30.0) -> Team:
        journal = postgres(url=url)
        made.append(Team(journal.database, journal, lease))
        made[-1].join()
        return made[-1]

    yield team
    for t in made:
        t.journal.close()


def test_a_part_is_claimed_by_one_worker_and_by_the_next_once_that_is_dead(teams: Callable[..., Team]) -> None:
    one, two = teams(0.3), teams()
    assert one.claim("run.0") and not two.claim("run.0")
    assert two.expire() == [] or time.sleep(0)
    time.sleep(0.5)
    assert two.expire() == [one.journal.worker]
    assert two.claim("run.0")
    two.done("run.0")
    assert two.workers()[0]["running"] == 0


def test_a_claim_whose_answer_is_lost_is_had_when_it_is_asked_again(teams: Callable[..., Team]) -> None:
    one, two = teams(), teams()
    assert one.claim("run.0") and one.claim("run.0") and not two.claim("run.0")


def test_a_part_that_has_ended_holds_no_table_though_freeing_it_failed(teams: Callable[..., Team]) -> None:
    one, two = teams(), teams()
    one.claim("a.0")
    one._mine(HOLD, name="t", part="a.0")
    two.done("a.0")  # not its claim
    assert not two._mine(HOLD, name="t", part="b.0")
    one.done("a.0")
    assert two._mine(HOLD, name="t", part="b.0")


def test_a_worker_whose_lease_was_taken_appends_publishes_and_holds_nothing(teams: Callable[..., Team]) -> None:
    one, two = teams(0.3), teams()
    one.claim("run.0")
    time.sleep(0.5)
    one.renew()  # late, and nobody has taken it: it holds on
    time.sleep(0.5)
    assert two.expire()
    for do in (one.renew, lambda: one.claim("run.1"), lambda: one.journal.append("run", "k", "kind", {})):
        lost = error(do)
        assert isinstance(lost, LeaseLost) and "Start this one again" in lost.hint
    with pytest.raises(LeaseLost), one.holding(["t"], "run.0"):
        raise AssertionError
    assert two.journal.events() == []


def test_a_table_is_held_by_one_part_at_a_time_and_goes_on_with_its_part(teams: Callable[..., Team]) -> None:
    one, two, order = teams(), teams(), []

    def second() -> None:
        with two.holding(["t", "s"], "b.0"):
            order.append("second")

    with one.holding(["s", "t"], "a.0"):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.4)
        order.append("first")
        with two.holding(["s"], "a.0"):  # the part is gone on with by another worker
            pass
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_worker_that_missed_the_database_takes_over_nothing_at_once(teams: Callable[..., Team]) -> None:
    """After an outage everybody's lease is over; those who come back first must not fence the others."""
    one, two = teams(0.3), teams(1.0)
    time.sleep(0.5)
    two.steady_since = time.monotonic() + 1.0
    assert two.expire() == []
    one.renew()
    time.sleep(0.1)
    two.steady_since = 0.0
    assert two.expire() == []


# ------------------------------------------------------------------ folder, lake and database


def written(folder: Path, more: str) -> Path:
    (folder / "intendant.toml").write_text(f'{more}\n[sources.drops]\nkind = "files"\npath = "drops/"\n')
    return folder


def shared(folder: Path, url: str, schema: str = "intendant") -> Path:
    """A workspace's folder on one more machine."""
    folder.mkdir(exist_ok=True)
    Intendant.init(folder).close()
    return written(folder, f'[state]\nurl = "{url}"\nschema = "{schema}"\nwait_seconds = 2.0\nlease_seconds = 2.0')


def moved(folder: Path) -> dict[str, object]:
    with Intendant(folder) as app:
        return move(app.workspace, app.lake)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('url = "mysql://host/db"', "no address of a PostgreSQL database"),
        ('schema = "pg_mine"', "state.schema is 'pg_mine'"),
        ('schema = "a\\"; DROP SCHEMA x"', "state.schema is"),
        ('schema = "public"', "state.schema is 'public'"),
        ("lease_seconds = 0.01", "times of [state]"),
        ("wait_seconds = -1.0", "times of [state]"),
        ('uri = "x"', "unknown key 'uri' in [state]"),
        ("url = 5", "state.url is 5"),
    ],
)
def test_a_section_that_cannot_be_used_is_named(tmp_path: Path, section: str, said: str) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(f"[state]\n{section}\n")
    with pytest.raises(WorkspaceError) as caught:
        Workspace.open(tmp_path)
    assert said in caught.value.message and caught.value.hint


def test_a_secret_of_the_address_that_is_not_set_is_named_and_its_value_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared(tmp_path, "postgresql://u:${NO_SUCH_SECRET}@127.0.0.1:1/db")
    with pytest.raises(WorkspaceError, match="NO_SUCH_SECRET"):
        Intendant(tmp_path)
    monkeypatch.setenv("NO_SUCH_SECRET", "s3cret")
    with Intendant(tmp_path) as app:
        assert "s3cret" not in str(error(app.runs))
        rows = {r["what"]: r for r in app.doctor()}
    assert rows["control state"]["state"] == rows["journal"]["state"] == "problem"
    assert "s3cret" not in json.dumps(rows) and rows["control state"]["mend"]


def test_a_journal_in_a_file_beside_a_database_is_refused_and_moves_when_asked(tmp_path: Path) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "one.csv").write_text("n\n1\n")
    with Intendant(tmp_path) as app:
        app.load(tmp_path / "one.csv", "log")
        assert app.do("query log top 1 by n").status == "succeeded"
        facts = app.events()
    shared(tmp_path, fresh_database())
    with Intendant(tmp_path) as app:
        assert "intendant state move" in error(app.runs).hint
    done = moved(tmp_path)
    assert done["facts"] == len(facts) and "journal.sqlite.moved" in done["kept"]
    with Intendant(tmp_path) as app:
        assert app.events() == facts and app.journal.verify() == len(facts)
        assert app.do("query log top 1 by n").status == "succeeded"
    assert "in the database already" in error(lambda: moved(tmp_path)).hint


def test_a_move_that_broke_off_is_ended_though_another_machine_has_begun(tmp_path: Path) -> None:
    Intendant.init(tmp_path).close()
    with Intendant(tmp_path) as app:
        app.journal.append("r", "k", "kind", {"n": 1})
    shared(tmp_path, fresh_database())
    with Intendant(tmp_path) as app:
        database = database_of(app.workspace, app.lake, moving=True)
        copy(Journal(app.workspace.state / "journal.sqlite").events(), to := PostgresJournal(database))
        to.append("other", "k", "kind", {"n": 2})
        to.close()
    assert moved(tmp_path)["facts"] == 1
    with Intendant(tmp_path) as app:
        assert [e.data["n"] for e in app.events()] == [1, 2] and app.journal.verify() == 2


def test_unfinished_runs_are_not_moved(tmp_path: Path) -> None:
    Intendant.init(tmp_path).close()
    with Intendant(tmp_path) as app:
        app.journal.append("r", "queued.0", "run.queued", {"start": 0, "part": 0})
    shared(tmp_path, fresh_database())
    with pytest.raises(IntendantError, match="1 runs are unfinished") as caught:
        moved(tmp_path)
    assert "intendant resume" in caught.value.hint


def test_a_folder_whose_state_is_in_a_database_does_not_begin_a_file(tmp_path: Path) -> None:
    shared(tmp_path, fresh_database())
    with Intendant(tmp_path) as app:
        assert app.runs() == []
    written(tmp_path, "")
    with pytest.raises(StateError, match="is in PostgreSQL") as caught:
        Intendant(tmp_path)
    assert "Put the url back" in caught.value.hint


def test_a_machine_without_the_lake_or_with_another_database_is_refused(tmp_path: Path) -> None:
    url = fresh_database()
    first = shared(tmp_path / "one", url)
    with Intendant(first) as app:
        app.runs()
    with Intendant(shared(tmp_path / "two", url)) as app:
        assert "link .intendant/lake" in error(app.runs).hint
    shared(first, fresh_database())
    with Intendant(first) as app:
        assert "another control state" in error(app.runs).message
    third = shared(tmp_path / "three", url)
    (third / ".intendant" / "lake").symlink_to(first / ".intendant" / "lake")
    with Intendant(third) as app:
        assert app.runs() == []


# ------------------------------------------------------------------ parts of runs


class Parts:
    """An owner whose runs are counted; `left` are the parts that the journal says haven't ended."""

    def __init__(self, state: Path) -> None:
        journal = postgres()
        self.left: list[tuple[int, str, int, int]] = [(1, "r", 0, 0)]
        self.ran: list[str] = []
        self.team = Team(journal.database, journal, 30.0)
        self.owner = Owner(state, self.run, lambda after: list(self.left), self.team)
        assert self.owner.acquire()

    def run(self, run_id: str, start: int, part: int) -> str:
        self.ran.append(f"{run_id}.{part}")
        self.left.clear()
        return "succeeded"

    def started(self) -> None:
        """What this worker does with the part once it has a slot for it."""
        self.owner.known.clear()
        self.owner.start("r", 0, 0)
        assert self.owner.wait(lambda: not self.owner.running and not self.owner.waiting and self.recorded(), 20)

    def recorded(self) -> bool:
        return all(w.status in ENDED for w in DBOS.list_workflows())

    def close(self) -> None:
        self.owner.release()
        self.team.journal.close()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    made = Parts(tmp_path)
    yield made
    made.close()


def test_a_part_that_ended_elsewhere_while_it_waited_for_a_slot_is_not_run_again(parts: Parts) -> None:
    parts.started()
    parts.started()
    assert parts.ran == ["r.0"]
    parts.left.append((1, "r", 0, 0))  # a journal brought back from a copy knows no end of it
    parts.started()
    assert parts.ran == ["r.0", "r.0"]


def test_every_worker_looks_again_at_what_is_queued_when_another_one_is_gone(parts: Parts) -> None:
    """Whoever marks it dead: what it had claimed and not begun is nobody's otherwise."""
    journal = postgres(url=parts.team.database.given)
    other, third = (Team(journal.database, PostgresJournal(journal.database), lease) for lease in (0.2, 30.0))
    other.join(), third.join()
    parts.owner.take_over(parts.team)
    time.sleep(0.4)
    assert third.expire() == [other.id]
    assert parts.owner.take_over(parts.team) and not parts.owner.take_over(parts.team)
    journal.close()
