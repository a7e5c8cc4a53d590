"""One process owns a workspace's execution: a lock that dies with it, and DBOS behind it.

Others queue their runs in the journal and wait; the owner takes them up, and whoever gets the lock next finishes what a
dead owner left. So many runs at a time are under way; the rest wait in order.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from dbos import DBOS, SetWorkflowID

from intendant.errors import Busy, Damaged, DiskFull, IntendantError
from intendant.run.journal import UNREADABLE
from intendant.types import Json

__all__ = ["Owner", "Queued"]

APPLICATION_VERSION = "1"
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
    process, so a process owns one workspace at a time.
    """

    _current: Owner | None = None
    _switch = threading.RLock()

    def __init__(self, state: Path, run: Callable[[str, int, int], str], queued: Queued = lambda after: []) -> None:
        self.state, self.run, self.queued = state, run, queued
        self.lock: IO[str] | None = None
        self.broken: IntendantError | None = None
        self.slots = threading.Condition()
        self.known: set[str] = set()
        self.waiting: deque[tuple[str, str, int]] = deque()
        self.running: set[str] = set()

    @property
    def owning(self) -> bool:
        return self.lock is not None

    def acquire(self) -> bool:
        """Takes the lock and starts DBOS, which resumes unfinished runs. False when another process owns it.

        Raises Busy (this process owns another workspace), Damaged, DiskFull.
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
            handle = (self.state / "owner.lock").open("a+")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.close()
                return False
            self.lock = handle
            try:
                handle.truncate(0)
                handle.write(str(os.getpid()))
                handle.flush()
                self._launch()
            except BaseException as e:
                self.release()
                if isinstance(e, Exception):
                    raise broken_by(e, self.state) from e
                raise
            return True

    def _launch(self) -> None:
        Owner._current = self
        self.broken = None
        for left in (self.known, self.waiting, self.running):
            left.clear()
        DBOS(
            config={
                "name": "intendant",
                "system_database_url": f"sqlite:///{self.state / 'runs.sqlite'}",
                "executor_id": "workspace",
                "application_version": APPLICATION_VERSION,
                "log_level": "CRITICAL",
                "console_log_level": "CRITICAL",
                "run_migrations": True,
                "enable_otlp": False,
                "notification_listener_polling_interval_sec": 0.1,
                "scheduler_polling_interval_sec": 0.5,
            }
        )
        DBOS.launch()
        threading.Thread(target=self._look, args=(self.lock,), daemon=True, name="intendant-queue").start()

    def _look(self, lock: IO[str] | None) -> None:
        """Takes up what is queued in the journal, and starts waiting runs as others end, while this lock is held."""
        seen = 0
        while self.lock is lock and self.broken is None:
            try:
                for fact, run_id, start, part in self.queued(seen):
                    seen = max(seen, fact)
                    self.start(run_id, start, part)
                self._fill()
            except Exception as e:
                if self.lock is lock:
                    self.broken = broken_by(e, self.state)
                return
            with self.slots:
                self.slots.wait(LOOK_EVERY)

    @staticmethod
    def record(name: str, do: Callable[[], dict[str, Json]]) -> dict[str, Json]:
        """Does a phase of the running workflow, or gives back what it gave before a crash."""
        return DBOS.run_step({"name": name}, do)

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
                if not self.waiting or len(self.running) >= SLOTS:
                    return
                workflow_id, run_id, start = self.waiting.popleft()
                self.running.add(workflow_id)
            try:
                with SetWorkflowID(self._unended(workflow_id)):
                    DBOS.start_workflow(workflow, run_id, start)
            except Exception as e:
                self.broken = broken_by(e, self.state)
                raise self.broken from e

    def _unended(self, workflow_id: str) -> str:
        """The id to run under: another one when this has ended though the journal, brought back from a copy, says no."""
        status = DBOS.get_workflow_status(workflow_id)
        if status is None or status.status not in ("SUCCESS", "ERROR"):
            return workflow_id
        run_id, _, part = workflow_id.rpartition(".")
        return self._unended(f"{run_id}.again.{part}")

    def go(self, workflow_id: str, run_id: str, start: int) -> str:
        """Executes a part. A state that can't be written stops it; the next owner goes on from its last phase."""
        mine = workflow_id.replace(".again", "")
        with self.slots:
            self.known.add(mine)
            self.running.add(mine)
        try:
            return self.run(run_id, start, int(workflow_id.rpartition(".")[2]))
        except Exception as e:
            if self.broken is None:
                self.broken = broken_by(e, self.state)
            raise Interrupted from e
        finally:
            with self.slots:
                self.running.discard(mine)
                self.slots.notify_all()

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
            time.sleep(pause)
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


@DBOS.workflow(name="intendant.run")
def workflow(run_id: str, start: int) -> str:
    """One part of a run: from a step to its end or to the next approval."""
    owner, workflow_id = Owner._current, DBOS.workflow_id
    assert owner is not None and workflow_id is not None
    return owner.go(workflow_id, run_id, start)
