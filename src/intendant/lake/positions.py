"""How far the streams behind a table were read, kept in the commits of its rows: no position is ahead of its rows.

A position lies in the table's properties, by resource. So it moves in one commit with the rows, a restored version brings
back its own, and a change of the table in place leaves it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from intendant.errors import Conflict
from intendant.types import Json

__all__ = ["Move", "moved", "positions_in"]

PROPERTY = "intendant.positions"
FROM_OUTSIDE = ("ingest", "load")
"""Operations whose rows, when they replace a table's, have nothing to do with what was read before."""


@dataclass(frozen=True)
class Move:
    """A resource read from one position (None: its beginning) to another. `alone`: only if the table is still at `start`."""

    resource: str
    start: Json
    end: Json
    alone: bool = True


def positions_in(configuration: Mapping[str, str]) -> dict[str, Json]:
    """The positions in a table's properties, by resource."""
    return dict(json.loads(configuration.get(PROPERTY, "{}")))


def moved(table: str, configuration: Mapping[str, str], move: Move | None, mode: str, operation: str) -> dict[str, str]:
    """The property as it is after a commit; {} when no stream is behind the table.

    Raises Conflict when the table's rows were read further meanwhile: these rows would be there twice.
    """
    before = positions_in(configuration)
    if move is not None and move.alone and before.get(move.resource) != move.start:
        raise Conflict(
            f"{table!r} has got other rows of {move.resource} meanwhile",
            where=table,
            hint="Nothing was changed. Run it again: it goes on from where the table is now.",
        )
    after = {} if mode == "replace" and operation in FROM_OUTSIDE else before
    if move is not None:
        after = {**after, move.resource: move.end}
    return {PROPERTY: json.dumps(after, sort_keys=True)} if after else {}
