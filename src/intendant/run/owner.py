"""One process owns a workspace's execution: a lock that dies with it, and DBOS behind it.

Others queue their runs in the journal and wait; the owner takes them up, and whoever gets the lock next finishes what a
dead owner left. So many runs at a time are under way; the rest wait in order.

Where the control state is in PostgreSQL, there are as many owners as there are workers: instead of the lock each has a lease
(`state_team.py`), claims each part of a run before it starts it, and goes on with what dead workers left.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from dbos import DBOS, DBOSConfig, SetWorkflowID

from intendant.errors import Busy, Damaged, DiskFull, IntendantError, StateUnreachable
from intendant.run.journal import UNREADABLE
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.run.state_team import Team

__all__ = ["Owner", "Queued"]

APPLICATION_VERSION = "1"
ENDED = ("SUCCESS", "ERROR")
SLOTS = 8
"""Runs under way at the same time; each holds a thread and a few files."""
LOOK_EVERY = 0.25
"""Seconds between looks at what other processes have queued."""
Queued = Callable[[int], list[tuple[int, str, int, int]]]
"""Parts of runs queued behind a fact of the journal and not ended: (fact, run, start, part)."""


class Interrupted(BaseException):
    """Ends a workflow without an outcome, so that it is resumed; DBOS records every other exception as its end."""


class Owner:
    """Owns the execution of one workspace in this process, once `acquire` succeeded.

    `run(run_id, start, part)` is what a workflow executes; `queued` says what waits in the journal. DBOS is one per
    process, so a process owns one workspace at a time. With a `team` the state is in its database.
    """

    _current: Owner | None = None
    _switch = threading.RLock()

    def __init__(
        self,
        state: Path,
        run: Callable[[str, int, int], str],
        queued: Queued = lambda after: [],
        team: Team | None = None,
    ) -> None:
        self.state, self.run, self.queued, self.team = state, run, queued, team
        self.lock: IO[str] | str | None = None
        self.broken: IntendantError | None = None
        self.slots = threading.Condition()
        self.known: set[str] = set()
        self.waiting: deque[tuple[str, str, int]] = deque()
        self.running: set[str] = set()
        self.living: set[str] = set()
        self.draining = False
        self.active = 0

    @property
    def owning(self) -> bool:
        return self.lock is not None

    def serve(self) -> None:
        """This process takes up what others queue, not only what it queued itself."""
        if self.team is not None:
            self.team.serves = True

    def acquire(self) -> bool:
        """Takes the lock and starts DBOS, which resumes unfinished runs. False when another process owns it.

        Raises Busy (this process owns another workspace), Damaged, DiskFull, StateError.
        """
        with Owner._switch:
            if self.owning and self.broken is None:
                return True
            self.release()
            other = Owner._current
            if other is not None and other is not self:
                raise Busy(
                    f"this process already runs the workspace {str(other.state.parent)!r}",
                    hint="Close it first: `app.close()`.",
                )
            self.lock = self._locked() if self.team is None else self._joined(self.team)
            if self.lock is None:
                return False
            try:
                self._launch()
            except BaseException as e:
                self.release()
                if isinstance(e, Exception):
                    raise self._broken_by(e) from e
                raise
            return True

    def _locked(self) -> IO[str] | None:
        """The workspace's lock, None while another process has it."""
        handle = (self.state / "owner.lock").open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        return handle

    def _joined(self, team: Team) -> str | None:
        """This worker's session. None while others serve and this one doesn't, or what it ran under a lost lease hasn't ended."""
        if self.active or (not team.serves and team.served()):
            return None
        return team.join()

    def _broken_by(self, error: Exception) -> IntendantError:
        if self.team is None:
            return broken_by(error, self.state)
        return self.team.broken_by(error)

    def _launch(self) -> None:
        Owner._current = self
        self.broken = None
        for left in (self.known, self.waiting, self.running, self.living):
            left.clear()
        config: DBOSConfig = {
            "name": "intendant",
            "application_version": APPLICATION_VERSION,
            "log_level": "CRITICAL",
            "console_log_level": "CRITICAL",
            "run_migrations": True,
            "enable_otlp": False,
        }
        config.update(self._place())
        DBOS(config=config)
        DBOS.launch()
        threading.Thread(target=self._look, args=(self.lock,), daemon=True, name="intendant-queue").start()
        if self.team is not None:
            threading.Thread(target=self.team.beat, args=(self._lost,), daemon=True, name="intendant-lease").start()

    def _place(self) -> DBOSConfig:
        """DBOS's database. Two processes under one executor's name would run each other's steps again."""
        if self.team is not None:
            return cast(DBOSConfig, self.team.dbos())
        runs = self.state / "runs.sqlite"
        with suppress(sqlite3.Error), closing(sqlite3.connect(runs, timeout=10)) as db:  # DBOS says what is wrong with it
            db.execute("PRAGMA journal_mode = WAL")  # kept in the file: a third of the waits for the disk at each phase
        return {
            "system_database_url": f"sqlite:///{runs}",
            "executor_id": "workspace",
            "notification_listener_polling_interval_sec": 0.1,
            "scheduler_polling_interval_sec": 0.5,
        }

    def _lost(self, error: IntendantError) -> None:
        self.broken = self.broken or error

    def _look(self, lock: IO[str] | str | None) -> None:
        """Takes up what is queued in the journal, and starts waiting runs as others end, while this lock is held."""
        seen, take_over = 0, 0.0
        while self.lock is lock and self.broken is None:
            try:
                if self.team is not None and time.monotonic() >= take_over:
                    take_over = time.monotonic() + self.team.lease / 4
                    if self.take_over(self.team):
                        seen = 0  # a part that a dead worker had claimed and not begun is queued still
                if not self.draining and (self.team is None or self.team.serves):
                    for fact, run_id, start, part in self.queued(seen):
                        seen = max(seen, fact)
                        self.start(run_id, start, part)
                self._fill()
            except StateUnreachable:
                continue
            except Exception as e:
                if self.lock is lock:
                    self.broken = self._broken_by(e)
                return
            with self.slots:
                self.slots.wait(LOOK_EVERY)

    def take_over(self, team: Team) -> bool:
        """Gives the begun parts of dead workers back to the living, of whom one takes each; whether a worker is gone since the
        last time, whoever found out that it died.

        DBOS moves a part once, however many workers ask for it, and its dead worker can record nothing under it any more.
        """
        team.expire()
        begun = {str(w.executor_id) for w in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)}
        before, self.living = self.living, team.living()
        if left := begun - self.living:
            DBOS._recover_pending_workflows(sorted(left))
        return not before <= self.living

    @staticmethod
    def record(name: str, do: Callable[[], dict[str, Json]]) -> dict[str, Json]:
        """Does a phase of the running workflow, or gives back what it gave before a crash."""
        return DBOS.run_step({"name": name}, lambda: unrecorded(do))

    def start(self, run_id: str, start: int, part: int) -> None:
        """Starts the workflow of a run's part, at once or when a slot gets free; once, however often it is asked."""
        workflow_id = f"{run_id}.{part}"
        with self.slots:
            if workflow_id in self.known:
                return
            self.known.add(workflow_id)
            self.waiting.append((workflow_id, run_id, start))
        self._fill()

    def _fill(self) -> None:
        while True:
            with self.slots:
                if self.draining or not self.waiting or len(self.running) >= SLOTS:
                    return
                workflow_id, run_id, start = self.waiting.popleft()
                self.running.add(workflow_id)
            try:
                if self.team is not None and not self._claimed(self.team, workflow_id):
                    with self.slots:
                        self.running.discard(workflow_id)
                        self.known.discard(workflow_id)
                    continue
                with SetWorkflowID(self._unended(workflow_id)):
                    DBOS.start_workflow(workflow, run_id, start)
            except Exception as e:
                self.broken = self._broken_by(e)
                with self.slots:
                    self.running.discard(workflow_id)
                raise self.broken from e

    def _claimed(self, team: Team, workflow_id: str) -> bool:
        """Whether the part is this worker's to start. One that has begun somewhere is DBOS's to give, see `take_over`; one that
        another worker ended while it waited here for a slot is nobody's.
        """
        status = DBOS.get_workflow_status(workflow_id)
        if (status is not None and status.status not in ENDED) or not team.claim(workflow_id):
            return False
        status = DBOS.get_workflow_status(workflow_id)  # from here on nobody else starts it
        if status is None or (status.status in ENDED and self._queued_still(workflow_id)):
            return True
        team.unclaim(workflow_id)
        return False

    def _queued_still(self, workflow_id: str) -> bool:
        return any(f"{run_id}.{part}" == workflow_id for _, run_id, _, part in self.queued(0))

    def _unended(self, workflow_id: str) -> str:
        """The id to run under: another one when this has ended though the journal, brought back from a copy, says no."""
        status = DBOS.get_workflow_status(workflow_id)
        if status is None or status.status not in ENDED:
            return workflow_id
        run_id, _, part = workflow_id.rpartition(".")
        return self._unended(f"{run_id}.again.{part}")

    def go(self, workflow_id: str, run_id: str, start: int) -> str:
        """Executes a part. A state that can't be written stops it; the next owner goes on from its last phase."""
        mine = workflow_id.replace(".again", "")
        with self.slots:
            self.known.add(mine)
            self.running.add(mine)
            self.active += 1
        try:
            if self.team is not None:
                self.team.claim(mine, begun=True)
            status = self.run(run_id, start, int(workflow_id.rpartition(".")[2]))
            if self.team is not None:
                self.team.done(mine)
            return status
        except (Exception, Interrupted) as e:
            if self.broken is None:
                cause = e.__cause__ if isinstance(e, Interrupted) else e
                self.broken = self._broken_by(cause if isinstance(cause, Exception) else RuntimeError(str(e)))
            raise Interrupted from e
        finally:
            with self.slots:
                self.active -= 1
                self.running.discard(mine)
                self.slots.notify_all()

    def drain(self, seconds: float) -> bool:
        """Starts nothing more and waits for what is under way; whether all of it has ended."""
        with self.slots:
            self.waiting.clear()
        lock, end = self.lock, time.monotonic() + seconds
        self.draining = True
        with self.slots:
            return lock is None or self.slots.wait_for(lambda: not self.running, max(0.0, end - time.monotonic()))

    def wait(self, done: Callable[[], bool], seconds: float | None = None) -> bool:
        """Waits until `done`; False when the time is over.

        Raises what broke the execution (DiskFull, Damaged ...); the unfinished runs are kept for `resume`.
        """
        end = None if seconds is None else time.monotonic() + seconds
        pause = 0.002
        while not done():
            self.check()
            if end is not None and time.monotonic() > end:
                return False
            with self.slots:  # told when a workflow ends
                self.slots.wait(pause)
            pause = min(pause * 1.5, 0.1)
        return True

    def check(self) -> None:
        """Raises what broke the execution, if anything did, and gives the lock back."""
        if (error := self.broken) is not None:
            self.release()
            raise error

    def release(self) -> None:
        """Stops DBOS and gives the lock back; running workflows are resumed by the next owner."""
        with Owner._switch:
            if self.lock is None:
                return
            lock, self.lock = self.lock, None
            if Owner._current is self:
                with suppress(Exception):  # a state that can't be written must not keep the lock
                    DBOS.destroy(workflow_completion_timeout_sec=0)
                Owner._current = None
            if isinstance(lock, str):
                assert self.team is not None
                self.team.leave(idle=not self.active)
            else:
                lock.close()


NO_SPACE = ("disk is full", "disk I/O", "No space left", "File too large")


def broken_by(error: Exception, state: Path) -> IntendantError:
    """What an exception outside any phase says of the state: full, damaged, or a fault of ours."""
    text, kept = str(error), "Unfinished runs are kept: `intendant resume` goes on with them."
    if isinstance(error, IntendantError):
        error.hint = f"{error.hint} {kept}" if kept not in error.hint else error.hint
        return error
    name = getattr(getattr(error, "orig", error), "sqlite_errorname", "")
    unreadable = name in UNREADABLE or "malformed" in text or "not a database" in text
    if not unreadable and any(words in text for words in NO_SPACE):
        return DiskFull(
            "the runs can't be recorded: no space left",
            where=str(state / "runs.sqlite"),
            hint=f"Free some space. {kept}",
        )
    if unreadable:
        return Damaged(
            "the file of runs is damaged",
            where=str(state / "runs.sqlite"),
            hint="Move it away and `intendant resume`: tables are safe, finished runs stay finished, "
            "what a run had published is not published again.",
        )
    return IntendantError(
        f"the runs can't go on: {type(error).__name__}: {text[:300]}", where=str(state / "runs.sqlite"), hint=kept
    )


def unrecorded(do: Callable[[], dict[str, Json]]) -> dict[str, Json]:
    """Does a phase; one that ends in an exception (a journal that can't be written) has no outcome, and is done again."""
    try:
        return do()
    except Exception as e:
        raise Interrupted from e


@DBOS.workflow(name="intendant.run")
def workflow(run_id: str, start: int) -> str:
    """One part of a run: from a step to its end or to the next approval."""
    owner, workflow_id = Owner._current, DBOS.workflow_id
    assert owner is not None and workflow_id is not None
    return owner.go(workflow_id, run_id, start)
