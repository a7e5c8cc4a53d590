"""The verbs, one file each."""

from __future__ import annotations

from intendant.actions.base import Action
from intendant.language import parts

__all__ = ["Action", "actions"]


def actions() -> dict[str, Action]:
    """All verbs by name."""
    return {cls.verb: cls() for cls in parts.load("intendant.actions")}  # type: ignore[attr-defined]
