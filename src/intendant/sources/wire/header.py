"""Where a table begins on a sheet: title rows are stepped over, merged cells of a header name every column below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from intendant.types import Json

__all__ = ["Header", "Merge", "header_of", "text_of"]

Merge = tuple[tuple[int, int], tuple[int, int]]
"""First and last cell, each (row, column) from 0."""
HEAD_ROWS = 60
FULL = 0.9
HALF = 0.5
FAR = 0.6
YEARS = range(1900, 2101)
EXACT = 2**53


@dataclass(frozen=True)
class Header:
    """Names of the columns ("" where there is none) and the first row that is data, counted like the rows given."""

    names: tuple[str, ...]
    first: int


def header_of(rows: Sequence[Sequence[Json]], merges: Sequence[Merge], row: int | None = None) -> Header:
    """The header in a sheet's first rows, all of one width; `row` says where it is, -1 that there is none.

    Without `row` it is the first row that is wide enough and holds texts only (years and dates too, beside a text); where
    figures come first, the table has no header.
    """
    width = max((len(r) for r in rows), default=0)
    if row == -1 or not rows:
        return Header(("",) * width, 0)
    grid = _expanded(rows[:HEAD_ROWS], merges)
    found = _found(grid) if row is None else row
    if found is None:
        return Header(("",) * width, 0)
    grid = grid if found < len(grid) else _expanded(rows, merges)
    last = found + _depth(grid, found, merges)
    names = [_joined([grid[r][c] for r in range(found, last)]) for c in range(width)]
    return Header(_different(names), last)


def text_of(value: Json) -> str:
    """A cell as it would be typed: whole numbers without a point, dates and times in ISO 8601."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= EXACT else repr(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _expanded(rows: Sequence[Sequence[Json]], merges: Sequence[Merge]) -> list[list[Json]]:
    """The rows with each merged area's value in all its cells."""
    grid = [list(row) for row in rows]
    for (top, left), (bottom, right) in merges:
        if not 0 <= top < len(grid) or not 0 <= left < len(grid[top]):
            continue
        for r in range(top, min(bottom + 1, len(grid))):
            for c in range(left, min(right + 1, len(grid[r]))):
                grid[r][c] = grid[top][left]
    return grid


def _found(grid: Sequence[Sequence[Json]]) -> int | None:
    fills = [_fill(row) for row in grid]
    width = max(fills)
    near = _first_named(grid, fills, HALF * width)
    full = _first_named(grid, fills, FULL * width)
    if near is None or full is None or full == near:
        return full if near is None else near
    parted = any(not fills[r] for r in range(near, full))
    return full if parted or fills[near] < FAR * width else near


def _first_named(grid: Sequence[Sequence[Json]], fills: Sequence[int], least: float) -> int | None:
    """The first row with at least so many cells filled, if it reads like names."""
    for r, row in enumerate(grid):
        values = [v for v in row if v != ""]
        one_title = len(set(map(str, values))) == 1 and max(fills) > 1
        if values and fills[r] >= least and not one_title:
            return r if _names(values) else None
    return None


def _fill(row: Sequence[Json]) -> int:
    return sum(value != "" for value in row)


def _names(values: Sequence[Json]) -> bool:
    texts = [v for v in values if isinstance(v, str)]
    return bool(texts) and all(isinstance(v, str) or _period(v) for v in values)


def _period(value: Json) -> bool:
    """Whether a figure may head a column: a year, or a date."""
    if isinstance(value, bool):
        return False
    return isinstance(value, date) or (isinstance(value, int | float) and value in YEARS)


def _depth(grid: Sequence[Sequence[Json]], row: int, merges: Sequence[Merge]) -> int:
    """How many rows the header has: as many as its merged cells are high, and one below those that are wide."""
    depth = 1
    for (top, left), (bottom, right) in merges:
        if top == row:
            depth = max(depth, bottom - top + 1)
            below = grid[row + 1] if row + 1 < len(grid) else ()
            if right > left and _names([v for v in below if v != ""]):
                depth = max(depth, 2)
    return depth


def _joined(values: Sequence[Json]) -> str:
    parts = [" ".join(text_of(v).split()) for v in values if v != ""]
    return " ".join(dict.fromkeys(parts))


def _different(names: Sequence[str]) -> tuple[str, ...]:
    """Names that come twice, in whatever case, get a number behind them, as those of CSV files do."""
    taken, seen = {name.lower() for name in names if name}, set[str]()
    numbers: dict[str, int] = {}
    out = []
    for name in names:
        new, n = name, numbers.get(name.lower(), 0)
        if new.lower() in seen:
            while new.lower() in taken:
                n += 1
                new = f"{name}_{n}"
            numbers[name.lower()] = n
        if name:
            seen.add(name.lower())
            taken.add(new.lower())
        out.append(new)
    return tuple(out)
