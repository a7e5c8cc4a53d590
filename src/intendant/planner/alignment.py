"""How well a plan in ids lies along its sentence: names said and passed over, columns never said, literals far from their column.

A network that has the plan's shape right still points at the wrong place now and then; these three counts tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intendant.planner.ground import Candidate, Grounding
from intendant.planner.ids import COLUMNS

__all__ = ["Alignment", "alignment"]

LITERALS = "NVUD"
BEHIND = 4
"""Letters by which a column behind a literal must be nearer than one before it."""
REACH = 7
"""Words of a plan between a literal and the column that it belongs to."""


@dataclass(frozen=True)
class Alignment:
    """`passed`: pieces of the sentence that name columns of which the plan uses none; `implied`: columns of the plan that no
    piece of the sentence names; `apart`: literals whose column is another than the one said nearest to them.
    """

    passed: int = 0
    implied: int = 0
    apart: int = 0


def alignment(text: str, grounding: Grounding) -> Alignment:
    """The counts for a plan in ids."""
    words = text.split()
    candidates = grounding.candidates
    used = {w for w in words if w in candidates}
    by_piece: dict[str, set[str]] = {}
    for c in candidates.values():
        if c.said and c.family in COLUMNS:
            by_piece.setdefault(c.said.lower(), set()).add(c.id)
    other = {c.said.lower() for c in candidates.values() if c.said and c.family not in COLUMNS and c.id in used}
    columns = [candidates[i] for i in used if candidates[i].family in COLUMNS]
    return Alignment(
        passed=sum(not ids & used for piece, ids in by_piece.items() if piece not in other),
        implied=sum(not c.said for c in columns),
        apart=sum(
            is_apart(i, words, candidates, by_piece, grounding.sentence.lower()) for i in literals(words, candidates)
        ),
    )


def literals(words: Sequence[str], candidates: Mapping[str, Candidate]) -> list[int]:
    """Places in the plan where something that was said as a literal stands."""
    found = ((i, candidates.get(w)) for i, w in enumerate(words))
    return [i for i, c in found if c is not None and c.family in LITERALS and c.said]


def is_apart(
    i: int, words: Sequence[str], candidates: Mapping[str, Candidate], by_piece: Mapping[str, set[str]], sentence: str
) -> bool:
    """Whether another column than the plan's was said nearer to the literal at place i."""
    behind = [words[j] for j in range(i - 1, max(i - REACH, -1), -1)]
    own = next((w for w in behind if w in candidates and candidates[w].family in COLUMNS), None)
    said = candidates[words[i]].said.lower()
    at = sentence.find(said)
    places = {piece: sentence.find(piece) for piece in by_piece}
    places = {piece: place for piece, place in places.items() if place >= 0}
    if own is None or at < 0 or not places:
        return False

    def gap(piece: str) -> int:
        """Letters between both; a column is said before its literal more often than behind it."""
        before = at - (places[piece] + len(piece))
        return before if before >= 0 else BEHIND + abs(places[piece] - (at + len(said)))

    return own not in by_piece[min(places, key=gap)]
