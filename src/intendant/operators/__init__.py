"""The operators of `transform` and `query`, one file each."""

from __future__ import annotations

from intendant.language import parts
from intendant.operators.base import Operator, Relation, Scope

__all__ = ["Operator", "Relation", "Scope", "operators"]


def operators() -> dict[str, Operator]:
    """All operators by name."""
    return {cls.verb: cls() for cls in parts.load("intendant.operators")}  # type: ignore[attr-defined]
