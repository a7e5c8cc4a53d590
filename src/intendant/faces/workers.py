"""Workers on several machines: the process that takes runs, who they are, and the move of the state to PostgreSQL."""

from __future__ import annotations

import json
import signal
import threading
from typing import Annotated

import typer

from intendant.faces.options import HERE, AsJson, Folder, opened, printed

__all__ = ["state", "worker", "workers"]

state = typer.Typer(help="Where the journal and the state of runs are.", no_args_is_help=True)
DRAIN = 30.0
"""Seconds that a worker which is asked to stop gives its runs to end."""


def worker(
    workspace: Folder = HERE,
    name: Annotated[str, typer.Option("--name", help="What it is called; the machine's name when left out.")] = "",
) -> None:
    """Take queued runs and due schedules until stopped; with `[state] url` on as many machines as you like."""
    from intendant.run.schedules import run_forever

    app, stop = opened(workspace, True), threading.Event()
    if name and app.team is not None:
        app.team.name = name
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app.owner.serve()
    app.owner.acquire()
    print(json.dumps({"worker": name or (app.team.name if app.team else "owner")}), flush=True)
    run_forever(app, stop.is_set)
    app.owner.drain(DRAIN)
    app.close()


def workers(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """The workers that share this workspace, and how many runs each has under way."""
    printed(opened(workspace, as_json).workers(), as_json, "show_list")


@state.command()
def move(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Take the journal of this folder's file along into the database of `[state] url`."""
    from intendant.run.state_move import move as moved

    app = opened(workspace, as_json)
    printed(moved(app.workspace, app.lake), as_json, "show_made")
