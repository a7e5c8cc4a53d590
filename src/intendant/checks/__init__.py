"""The quality checks: detectors that look for themselves, declared rules, and what both amount to.

The language reads the rules in this package, so the rest of it (and what that needs) is loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intendant.checks.auditing import audit
    from intendant.checks.battery import detect
    from intendant.checks.cell import Cell, cells
    from intendant.checks.detectors.orphan import parents
    from intendant.checks.levels import Priority, PriorityThresholds, SeverityThresholds, priority, severity
    from intendant.checks.settings import Settings
    from intendant.checks.split import bad_rows_sql, split_sql
    from intendant.checks.summary import Report, report

__all__ = ["Cell", "Priority", "PriorityThresholds", "Report", "Settings", "SeverityThresholds", "audit",
           "bad_rows_sql", "cells", "detect", "parents", "priority", "report", "severity", "split_sql"]

HOMES = {"auditing": ("audit",), "battery": ("detect",), "cell": ("Cell", "cells"),
         "detectors.orphan": ("parents",), "settings": ("Settings",),
         "levels": ("Priority", "PriorityThresholds", "SeverityThresholds", "priority", "severity"),
         "split": ("bad_rows_sql", "split_sql"), "summary": ("Report", "report")}


def __getattr__(name: str) -> object:
    for home, names in HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
