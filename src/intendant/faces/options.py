"""Options that commands share, how a command opens a workspace, and how it prints and ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant
    from intendant.types import Result

__all__ = ["EXIT", "HERE", "AsJson", "Folder", "ended", "opened", "printed"]

EXIT = {"succeeded": 0, "failed": 1, "rolled_back": 1, "needs_answer": 3, "refused": 3, "waiting_approval": 4}

Folder = Annotated[
    Path, typer.Option("--workspace", "-w", help="The workspace's folder.", envvar="INTENDANT_WORKSPACE")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
HERE = Path()


def printed(value: Json, as_json: bool, how: str) -> None:
    """Prints a verb's result: as JSON, or for people through the function `how` of the terminal."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False, default=str))
    else:
        from intendant.faces import terminal

        getattr(terminal, how)(value)


def opened(folder: Path, as_json: bool) -> Intendant:
    """The app of a folder, or of the nearest one above the current folder; it shows progress on a terminal."""
    from intendant.app import Intendant

    watch = None
    if sys.stderr.isatty() and not as_json:
        from intendant.faces.terminal import Progress

        watch = Progress()
    if folder == HERE and not (folder / "intendant.toml").exists():
        folder = next((p for p in Path.cwd().parents if (p / "intendant.toml").exists()), folder)
    return Intendant(folder, watch=watch)


def ended(result: Result, as_json: bool) -> None:
    """Prints a run's result and ends with its exit status."""
    printed(result.as_dict(), as_json, "show_result")
    raise typer.Exit(EXIT[result.status])
