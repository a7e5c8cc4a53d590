"""The advisors, one file each; `advisors()` finds them by their base."""

from __future__ import annotations

import importlib

from intendant.advisors.base import Advice, Advisor, Workload
from intendant.language import parts

__all__ = ["Advice", "Advisor", "Workload", "advisors"]


def advisors() -> list[Advisor]:
    """One of every advisor."""
    out = []
    for name in parts.names("intendant.advisors"):
        module = importlib.import_module(f"intendant.advisors.{name}")
        out += [getattr(module, n)() for n in module.__all__ if issubclass(getattr(module, n), Advisor)]
    return out
