"""A process can be told to die at a boundary (INTENDANT_FAULT_AT), so that tests can kill it anywhere.

INTENDANT_PAUSE_AT stops it there until it gets SIGCONT. INTENDANT_FAULT_LOG names a file that collects the boundaries
passed, so that a test misses none.
"""

from __future__ import annotations

import os
import signal
import time

__all__ = ["VARIABLE", "boundary"]

VARIABLE = "INTENDANT_FAULT_AT"
PAUSE = "INTENDANT_PAUSE_AT"
LOG = "INTENDANT_FAULT_LOG"


def boundary(name: str) -> None:
    """Kills this process with SIGKILL when the variable names this boundary, e.g. `after:1.publish`."""
    if LOG in os.environ:
        with open(os.environ[LOG], "a", encoding="utf-8") as log:  # noqa: PTH123 - one append, as short as can be
            log.write(name + "\n")
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get(PAUSE) == name:
        del os.environ[PAUSE]
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.5)  # the signal stops this thread somewhat later
