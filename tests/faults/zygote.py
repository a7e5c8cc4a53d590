"""A process that has imported everything and forks one child per order, so that killing one costs no import.

Orders are JSON lines: {"workspace", "do" (text, or "" to resume), "run_id", "at", "operation", "log", "out"}. The child dies by SIGKILL at
the boundary `at`, or before its `operation`-th change of a file's name (link, rename, remove). Answers: {"status"}, the
wait status. With "log" the child writes what it passes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import adbc_driver_manager  # noqa: F401
import dbos  # noqa: F401
import duckdb  # noqa: F401
import httpx  # noqa: F401
import pyarrow.parquet  # noqa: F401

import intendant.run.owner
import intendant.run.schedules
import intendant.sources.files
import intendant.sources.rest  # noqa: F401
from intendant.app import Intendant

CHANGES = ("os.link", "os.rename", "os.remove", "shutil.rmtree")


class Operations:
    """Counts the changes of files' names inside the workspace; kills the process before the wanted one."""

    def __init__(self, workspace: str, wanted: int, log: str) -> None:
        self.workspace, self.wanted, self.log, self.count, self.busy = workspace, wanted, log, 0, False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in CHANGES or self.busy or not str(args[0]).startswith(self.workspace):
            return
        self.count += 1
        if self.count == self.wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.log:
            self.busy = True
            with Path(self.log + ".operations").open("a") as out:
                out.write(f"{event} {args[0]}\n")
            self.busy = False


def child(order: dict[str, Any]) -> None:
    for name in ("at", "log"):
        if order.get(name):
            os.environ[f"INTENDANT_FAULT_{name.upper()}"] = order[name]
    if order.get("operation") or order.get("log"):
        sys.addaudithook(Operations(order["workspace"], order.get("operation", 0), order.get("log", "")))
    app = Intendant(order["workspace"])
    if not order["do"]:
        app.resume()
    known = {r["run_id"] for r in app.runs()}
    if order["do"] or order["run_id"] not in known:
        result = app.do(order["do"] or order["plan"], run_id=order["run_id"], approve=order.get("approve", False))
        Path(order["out"]).write_text(json.dumps(result.as_dict(), default=str))


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(70)
            os._exit(0)
        print(json.dumps({"status": os.waitpid(pid, 0)[1]}), flush=True)


if __name__ == "__main__":
    main()
