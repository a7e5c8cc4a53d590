"""`python -m intendant.demo [FOLDER]`: the demo, what `make demo` runs."""

from __future__ import annotations

import sys
from pathlib import Path

from intendant.demo import run
from intendant.errors import IntendantError

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every sentence did its job."""
    try:
        return run(Path(arguments[0] if arguments else "demo"))
    except IntendantError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
