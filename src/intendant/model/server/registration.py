"""One loaded model per machine: who serves it holds a lock in the user's cache folder and says there where it listens."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from intendant.errors import Busy

__all__ = ["Claim", "Registration", "claim", "running"]

PATIENCE = 60.0
"""Seconds that another process may take to load the model that it has claimed."""


@dataclass(frozen=True)
class Registration:
    """A server that runs. `key`: whether it wants one."""

    url: str
    pid: int
    name: str
    file: str
    sha256: str
    key: bool


def folder() -> Path:
    """Where this user's servers are registered."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache else Path.home() / ".cache") / "intendant" / "servers"


def place(sha256: str) -> Path:
    """The file of a model on this machine; a home folder may be shared between machines."""
    return folder() / f"{socket.gethostname()}-{sha256[:24]}.json"


class Claim:
    """The right to serve a model here, held until the process ends or `release`."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path, self.lock = path, lock

    def publish(self, found: Registration) -> None:
        """Says where the model is served."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")
        new.chmod(0o600)
        new.replace(self.path)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        self.lock.close()


def claim(sha256: str, patience: float = PATIENCE) -> Claim | Registration:
    """The claim, or the server that has it already. Raises Busy when another process has it and doesn't say where."""
    path = place(sha256)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    end = time.monotonic() + patience
    while True:
        lock = path.with_suffix(".lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
        else:
            path.unlink(missing_ok=True)
            return Claim(path, lock)
        if (found := read(path)) is not None and alive(found.pid):
            return found
        if time.monotonic() > end:
            raise Busy(
                "another process is loading this model and doesn't say where it listens",
                where=str(path),
                hint="Wait for it, or stop it.",
            )
        time.sleep(0.05)


def running() -> list[Registration]:
    """The servers that run on this machine, of this user."""
    found = (read(path) for path in sorted(folder().glob(f"{socket.gethostname()}-*.json")) if held(path))
    return [r for r in found if r is not None]


def held(path: Path) -> bool:
    """Whether a living process has the claim."""
    try:
        with unlocked(path.with_suffix(".lock")):
            return False
    except OSError:
        return path.with_suffix(".lock").exists()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def unlocked(lock: Path) -> Iterator[None]:
    with lock.open("r") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def read(path: Path) -> Registration | None:
    try:
        return Registration(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
