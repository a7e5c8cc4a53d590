"""The main job on one machine: a sales API, a sensor stream, sentences, and a report of what they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run"]


def run(folder: Path, out: Console) -> bool:
    """Makes a workspace in `folder` (an old one of the demo is replaced), runs the tour and prints its report to `out`.

    Returns whether every sentence did its job. Raises UsageError when the folder holds something else.
    """
    from intendant.demo.tour import tour

    return tour(folder, out)
