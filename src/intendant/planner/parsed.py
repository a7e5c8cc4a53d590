"""Texts of the planner's own as plans: readings and candidates often say the same sentence again."""

from __future__ import annotations

import functools

from intendant.language.plans import parse
from intendant.types import Plan

__all__ = ["parsed"]


@functools.lru_cache(maxsize=1024)
def parsed(text: str) -> Plan:
    """The plan of a text in the intent language, read once. Raises LanguageError."""
    return parse(text)
