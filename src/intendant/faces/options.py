"""Options that commands share, and how a command prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from intendant.types import Json

__all__ = ["HERE", "AsJson", "Folder", "printed"]

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
