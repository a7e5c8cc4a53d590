"""What one load looked like, in numbers: small enough to keep for every version, enough to see what changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from intendant.types import Json

__all__ = ["LEVELS", "REST", "ColumnProfile", "Profile"]

LEVELS = (0.0, 0.01, *(i / 20 for i in range(1, 20)), 0.99, 1.0)
"""The quantiles that are kept of a number column."""
REST = ""
"""In counts by value or shape: all the rarer ones together."""


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a load; what wasn't measured (another type, too wide a table) is None."""

    type: str
    filled: int
    """Rows that hold a value: neither NULL nor blank text."""
    distinct: int | None = None
    quantiles: tuple[float, ...] | None = None
    """Finite values at `LEVELS`, the least and the greatest among them."""
    values: Mapping[str, int] | None = None
    """Rows per value, of a column with few values."""
    shapes: Mapping[str, int] | None = None
    """Values per shape (runs of digits, letters, or both), of a text column with many values."""
    newest: float | None = None
    """The latest time that isn't in the future of the load, in seconds since 1970 (UTC)."""
    repeats: float | None = None
    """Share of the values that repeat another one, of a column in which almost none does."""


@dataclass(frozen=True)
class Profile:
    """One load of a table. `part` tells rows that were added to a table from those that replaced all of it."""

    table: str
    version: int
    at: str
    run: str
    step: str
    verb: str
    origin: str
    """What was asked for, without its source: only loads of one origin are compared; "" is not known."""
    part: bool
    rows: int
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    repeats: float | None = None
    """Share of the rows that repeat another one in full."""

    def missing(self, column: str) -> float:
        """Share of rows without a value, 0..1."""
        return 1 - self.columns[column].filled / self.rows if self.rows else 0.0

    def as_dict(self) -> dict[str, Json]:
        out = asdict(self)
        out["columns"] = {
            name: {k: v for k, v in column.items() if v is not None} for name, column in out["columns"].items()
        }
        return out

    @classmethod
    def of(cls, document: Mapping[str, Json]) -> Profile:
        """Raises KeyError, TypeError or ValueError for a document of another form."""
        columns = {}
        for name, column in document["columns"].items():
            known = dict(column)
            if "quantiles" in known:
                known["quantiles"] = tuple(float(q) for q in known["quantiles"])
                if len(known["quantiles"]) != len(LEVELS):
                    raise ValueError(f"{len(known['quantiles'])} quantiles")
            columns[name] = ColumnProfile(**known)
        return cls(**{**document, "columns": columns})
