"""The main job on one machine: a sales API, a sensor stream, sentences, and a report of what they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run"]


def run(folder: Path, out: Console | None = None) -> int:
    """Makes a workspace in `folder` (an old one of the demo is replaced), runs the tour, prints its report to `out`
    and keeps it as report.html in the folder.

    Returns the exit status: 0 when every sentence did its job, else 1. Raises UsageError when the folder holds
    something else.
    """
    from rich.console import Console

    from intendant.demo.tour import tour

    return 0 if tour(folder, out or Console(highlight=False, record=True)) else 1
