"""Places on a sheet and what is odd there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from intendant.errors import SourceDamaged, SourceTooLarge
from intendant.sources.wire.header import Merge

__all__ = ["ERRORS", "MOST_CELLS", "Survey", "address", "bounded", "is_bent", "not_too_many"]

MOST_CELLS = 32_000_000
"""The largest rectangle that a sheet may span: its reader takes 32 bytes for each cell, filled or not."""
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
MOST_ODD = 2_000_000
LONGEST_EXACT = 300
ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A",
          0x2B: "#GETTING_DATA"}
"""Codes of errors in binary workbooks (MS-XLS 2.5.10)."""


@dataclass(frozen=True)
class Survey:
    """(row, column) from 0 -> text: of `errors` what they say, of `exact` the digits of integers a double can't hold."""

    errors: Mapping[tuple[int, int], str] = field(default_factory=dict)
    exact: Mapping[tuple[int, int], str] = field(default_factory=dict)
    merges: Sequence[Merge] = ()


def address(row: int, column: int) -> str:
    """A cell as spreadsheets name it, such as B7."""
    letters, rest = "", column + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(65 + digit) + letters
    return f"{letters}{row + 1}"


def is_bent(digits: str) -> bool:
    """Whether a double changes an integer of so many digits."""
    return len(digits) > LONGEST_EXACT or int(digits) != int(float(digits))


def not_too_many(odd: int, name: str, where: str) -> None:
    """Raises SourceDamaged where so many cells are odd that they can't be kept apart."""
    if odd > MOST_ODD:
        raise SourceDamaged(f"More than {MOST_ODD:,} cells of {name!r} hold errors or integers too long for a number", where=where,
                            hint="Mend the formulas, or save the sheet as CSV.")


def bounded(rows: int, columns: int, name: str, where: str) -> None:
    """Raises SourceTooLarge for a sheet that spans too many cells, filled or not, or more than spreadsheets have."""
    if rows * columns > MOST_CELLS or rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise SourceTooLarge(f"A sheet of {name!r} reaches to cell {address(rows - 1, columns - 1)}", where=where,
                             hint="Delete stray cells far off the table, or split the sheet.")
