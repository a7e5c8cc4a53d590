"""A process can be told to die at a phase's boundary (INTENDANT_FAULT_AT), so that tests can kill it anywhere."""

from __future__ import annotations

import os
import signal

__all__ = ["VARIABLE", "boundary"]

VARIABLE = "INTENDANT_FAULT_AT"


def boundary(name: str) -> None:
    """Kills this process with SIGKILL when the variable names this boundary, e.g. `after:1.publish`."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
