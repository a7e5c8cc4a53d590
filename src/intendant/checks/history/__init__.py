"""Loads compared with the table's own past: profiles that are kept, and what has drifted."""

from __future__ import annotations

from intendant.checks.history.drift import METRICS, Drift, drift
from intendant.checks.history.limits import Limits
from intendant.checks.history.measure import measured
from intendant.checks.history.past import comparable, latest_load, profile_of
from intendant.checks.history.profile import ColumnProfile, Profile
from intendant.checks.history.shelf import keep

__all__ = [
    "METRICS",
    "ColumnProfile",
    "Drift",
    "Limits",
    "Profile",
    "comparable",
    "drift",
    "keep",
    "latest_load",
    "measured",
    "profile_of",
]
