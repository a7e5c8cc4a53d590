"""The automatic battery: every detector once, in the order in which one's result helps the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intendant.checks.detectors.arithmetic import Arithmetic
from intendant.checks.detectors.base import Detector
from intendant.checks.detectors.conflict import Conflict
from intendant.checks.detectors.dependency import Dependency
from intendant.checks.detectors.duplicate import Duplicate
from intendant.checks.detectors.encoding import Encoding
from intendant.checks.detectors.lookalike import Lookalike
from intendant.checks.detectors.misplaced import Misplaced
from intendant.checks.detectors.missing import Missing
from intendant.checks.detectors.mistyped import Mistyped
from intendant.checks.detectors.normalise import Normalise
from intendant.checks.detectors.ordering import Ordering
from intendant.checks.detectors.orphan import Orphan
from intendant.checks.detectors.outlier import Outlier
from intendant.checks.detectors.pattern import Pattern
from intendant.checks.detectors.peers import Peers
from intendant.checks.detectors.presence import Presence
from intendant.checks.detectors.typo import Typo
from intendant.checks.settings import Settings
from intendant.checks.subject import examine
from intendant.engines.duckdb import DuckDB
from intendant.types import Finding, Snapshot

__all__ = ["DETECTORS", "detect"]

DETECTORS: tuple[Detector, ...] = (
    Missing(), Mistyped(), Encoding(), Duplicate(), Lookalike(), Outlier(), Peers(), Normalise(), Pattern(), Typo(),
    Misplaced(), Conflict(), Dependency(), Ordering(), Arithmetic(), Presence(), Orphan(),
)
"""Missing comes first: what stands for nothing is no value to the others."""


def detect(engine: DuckDB, table: str, snapshot: Snapshot, *, key: Sequence[str] = (),
           settings: Settings = Settings(), others: Mapping[str, Snapshot] | None = None) -> list[Finding]:
    """What all detectors find in a table, which may be staged; `key` are its declared key columns, `others` the tables
    that its columns may point to (`parents`).

    Raises UnknownName for a key column that isn't there, Damaged or EngineError when the table can't be read.
    """
    with examine(engine, table, snapshot, settings, key, others) as subject:
        return [f for d in DETECTORS for f in d.find(subject)] if subject.total else []
