"""One process owns a workspace's execution: a lock that dies with it, and DBOS behind it.

Others queue their runs in the journal and wait; whoever gets the lock next finishes what a dead owner left.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from dbos import DBOS, SetWorkflowID

from intendant.errors import Busy, Damaged
from intendant.types import Json

__all__ = ["Owner"]

APPLICATION_VERSION = "1"


class Owner:
    """Owns the execution of one workspace in this process, once `acquire` succeeded.

    `run(run_id, start)` is what a workflow executes. DBOS is one per process, so a process owns one workspace at a time.
    """

    _current: Owner | None = None
    _switch = threading.RLock()

    def __init__(self, state: Path, run: Callable[[str, int], str]) -> None:
        self.state, self.run = state, run
        self.lock: IO[str] | None = None

    @property
    def owning(self) -> bool:
        return self.lock is not None

    def acquire(self) -> bool:
        """Takes the lock and starts DBOS, which resumes unfinished runs. False when another process owns it."""
        with Owner._switch:
            if self.owning:
                return True
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
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            self.lock = handle
            try:
                self._launch()
            except BaseException:
                self.release()
                raise
            return True

    def _launch(self) -> None:
        Owner._current = self
        database = self.state / "runs.sqlite"
        DBOS(
            config={
                "name": "intendant",
                "system_database_url": f"sqlite:///{database}",
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
        try:
            DBOS.launch()
        except Exception as e:
            if "malformed" in str(e) or "not a database" in str(e):
                raise Damaged(
                    "the file of runs is damaged",
                    where=str(database),
                    hint="Move it away: finished runs and tables are safe, unfinished runs must be started again.",
                ) from e
            raise

    @staticmethod
    def record(name: str, do: Callable[[], dict[str, Json]]) -> dict[str, Json]:
        """Does a phase of the running workflow, or gives back what it gave before a crash."""
        return DBOS.run_step({"name": name}, do)

    def start(self, run_id: str, start: int, part: int) -> None:
        """Starts (or finds started) the workflow of a run's part."""
        with SetWorkflowID(f"{run_id}.{part}"):
            DBOS.start_workflow(workflow, run_id, start)

    def unfinished(self) -> list[str]:
        """Run ids whose workflow is still under way in this process."""
        rows = DBOS.list_workflows(status=["PENDING", "ENQUEUED"], load_input=False, load_output=False)
        return sorted({w.workflow_id.rpartition(".")[0] for w in rows})

    def wait(self, done: Callable[[], bool], seconds: float | None = None) -> bool:
        """Waits until `done`; False when the time is over."""
        end = None if seconds is None else time.monotonic() + seconds
        pause = 0.002
        while not done():
            if end is not None and time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return True

    def release(self) -> None:
        """Stops DBOS and gives the lock back; running workflows are resumed by the next owner."""
        with Owner._switch:
            if self.lock is None:
                return
            if Owner._current is self:
                DBOS.destroy(workflow_completion_timeout_sec=0)
                Owner._current = None
            self.lock.close()
            self.lock = None


@DBOS.workflow(name="intendant.run")
def workflow(run_id: str, start: int) -> str:
    """One part of a run: from a step to its end or to the next approval."""
    owner = Owner._current
    assert owner is not None
    return owner.run(run_id, start)
