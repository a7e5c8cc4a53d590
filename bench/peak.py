"""Runs a command and measures it: seconds, CPU seconds, and the peak memory of its whole tree of processes.

Memory is sampled: the resident set of one process, the proportional sets of several (pages that they share count once).
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Peak", "run", "versions"]

PAUSE = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Peak:
    """What a command did and took: memory in MiB, `seconds` from its start to its end."""

    code: int
    out: str
    err: str
    seconds: float
    cpu: float
    mib: float


def tree(pid: int) -> list[int]:
    """The process and all that came from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def held(pids: Sequence[int]) -> int:
    """Bytes in memory."""
    total = 0
    for pid in pids:
        try:
            if len(pids) == 1:
                return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
        except (OSError, IndexError):
            continue
    return total


def run(command: Sequence[str], timeout: float = 3600, env: Mapping[str, str] | None = None, cwd: str | None = None) -> Peak:
    """The command to its end. A command that takes longer than `timeout` seconds is killed: its code is -9."""
    before, start, most = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd, env={**os.environ, **(env or {})})
        while process.poll() is None:
            most = max(most, held(tree(process.pid)))
            if time.perf_counter() - start > timeout:
                process.kill()
                process.wait()
            time.sleep(PAUSE)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return Peak(process.returncode, texts[0], texts[1], seconds, cpu, most / 2**20)


def versions(python: str, names: Sequence[str]) -> str:
    """Which versions of the packages an interpreter has: "duckdb 1.5.5; pyarrow 26.0.1"."""
    code = ("import importlib.metadata as m\nfor n in " + repr(list(names)) + ":\n"
            " try: print(n, m.version(n), end='; ')\n except m.PackageNotFoundError: pass")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip("; ")
