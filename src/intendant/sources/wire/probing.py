"""A trial of the workbook reader in a process of its own: on hostile binary files it may take all memory, hang or abort."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from intendant.errors import SourceDamaged, SourceTooLarge

__all__ = ["probe"]

MOST_MEMORY = 2 << 30
SECONDS = 120
BROKEN = 3
TRIAL = f"""
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MOST_MEMORY}, {MOST_MEMORY}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass
import python_calamine
try:
    with open(sys.argv[1], "rb") as stream:
        book = python_calamine.load_workbook(stream)
        for name in sys.argv[2:] or book.sheet_names:
            book.get_sheet_by_name(name)
except (python_calamine.CalamineError, OSError, ValueError):
    pass
except BaseException:
    sys.exit({BROKEN})
"""
"""Errors that the reader reports are left to the reading that follows."""


def probe(file: Path, sheet: str | None, where: str) -> None:
    """Opens a file and one of its sheets, or all. Raises SourceDamaged, SourceTooLarge when the reader doesn't survive it."""
    args = [sys.executable, "-P", "-c", TRIAL, str(file), *([sheet] if sheet else [])]
    try:
        ended = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise SourceTooLarge(f"{file.name!r} takes longer than {SECONDS} seconds to open", where=where, hint="Save it as .xlsx.") from None
    if ended.returncode < 0 or ended.returncode == BROKEN:
        raise SourceDamaged(f"{file.name!r} is damaged: its reader breaks on it", where=where,
                            hint="Open it in a spreadsheet program and save it as .xlsx.")
