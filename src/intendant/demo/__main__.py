"""`python -m intendant.demo [FOLDER]`: the demo, what `make demo` runs."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from intendant.demo import run
from intendant.errors import IntendantError

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every sentence did its job."""
    out = Console(highlight=False)
    try:
        return 0 if run(Path(arguments[0] if arguments else "demo"), out) else 1
    except IntendantError as error:
        out.print(f"[bold red]{error.code}[/] {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
