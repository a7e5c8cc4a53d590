"""The quality checks: detectors that look for themselves, declared rules, and what both amount to."""

from intendant.checks.audit import audit
from intendant.checks.cells import Cell, cells
from intendant.checks.detect import detect
from intendant.checks.report import Report, report
from intendant.checks.settings import Settings
from intendant.checks.severity import Priority, PriorityThresholds, SeverityThresholds, priority, severity
from intendant.checks.split import bad_rows_sql, split_sql

__all__ = ["Cell", "Priority", "PriorityThresholds", "Report", "Settings", "SeverityThresholds", "audit",
           "bad_rows_sql", "cells", "detect", "priority", "report", "severity", "split_sql"]
