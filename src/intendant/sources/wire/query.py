"""The part of a read request that SQL can carry: names are quoted, values bound."""

from __future__ import annotations

import re
from collections.abc import Collection

from intendant.types import Json, ReadRequest

__all__ = ["condition", "literal", "quoted", "values_of"]


def quoted(name: str) -> str:
    """An SQL identifier that stands for exactly this name."""
    return '"' + name.replace('"', '""') + '"'


def literal(path: str) -> str:
    """A path for the engine's readers that stands for this file alone, which a[1].csv otherwise does for a1.csv."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def condition(request: ReadRequest, names: Collection[str], newer: str = "{column} > ?") -> str:
    """WHERE, ORDER BY and LIMIT for `request` over columns `names`; `newer` is how a row is after the cursor."""
    parts = []
    if request.after and request.after[0] in names:
        parts.append("WHERE " + newer.replace("{column}", quoted(request.after[0])))
    sortable = request.order and request.by in names
    if sortable and request.by and request.count:
        direction = "DESC" if request.order == "latest" else "ASC"
        parts.append(f"ORDER BY {quoted(request.by)} {direction} NULLS LAST")
    if request.count and (sortable or not request.order):
        parts.append(f"LIMIT {int(request.count)}")
    return " ".join(parts)


def values_of(request: ReadRequest, names: Collection[str]) -> list[Json]:
    """The values that `condition` binds."""
    return [request.after[1]] if request.after and request.after[0] in names else []
