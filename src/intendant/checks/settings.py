"""Every threshold of the automatic checks, in one frozen value; the same for all tables."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Shares are 0..1 of a column's present values unless said otherwise."""

    odd_missing: float = 0.10
    """Missing values are a finding up to this share of rows; a column that lacks more is an optional one."""
    mixed_majority: float = 0.60
    """From here a format is the column's own, and other formats of the same kind of value are findings."""
    type_majority: float = 0.90
    """From here a column is of a type, and values of no type are findings."""
    shape_majority: float = 0.95
    """From here a shape is the column's own: letters, digits and punctuation in this order."""
    length_majority: float = 0.98
    """The same for shapes with exact numbers of digits."""
    established: float = 0.01
    """A single value with this share of rows is a category of its own, never an error."""
    typo_ratio: float = 10.0
    """A value this many times rarer than one it resembles is a misspelling of it."""
    case_ratio: float = 3.0
    """A spelling this many times rarer than another that differs only in case is to be normalised."""
    key_distinct: float = 0.99
    """A column named like a key is one when this share of its values is distinct."""
    outlier_share: float = 0.01
    """More far values than this are no outliers but a part of the distribution."""
    outlier_fence: float = 6.0
    """Interquartile ranges beyond the quartiles, on a linear or logarithmic scale."""
    negative_share: float = 0.05
    """Negative numbers up to this share are a finding."""
    dependency_dissent: float = 0.08
    """Rows that may disagree with their group's value, for one column to determine another."""
    min_rows: int = 20
    """Shapes, typos, outliers and dependencies need as many rows."""
    max_distinct: int = 50_000
    """Above this, a column's values are judged from a sample of its distinct values."""
    sample_rows: int = 100_000
    """Dependencies are mined on so many rows."""
