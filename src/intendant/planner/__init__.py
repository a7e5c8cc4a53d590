"""Sentences to plans: ground, propose, check, decide."""

from __future__ import annotations

from intendant.planner.planner import Planner

__all__ = ["Planner"]
