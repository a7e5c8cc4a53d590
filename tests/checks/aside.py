"""Whether a finding's `check` mend sets aside just the rows that the finding is about."""

from __future__ import annotations

from intendant.checks import audit
from intendant.checks.rules import rule_of
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.types import Finding, Snapshot

__all__ = ["set_aside"]


def set_aside(engine: DuckDB, snapshot: Snapshot, f: Finding) -> bool:
    """Whether the mend's rule and the finding are about the same rows of `t`."""
    rules = [rule_of(s) for s in parse(f.mend).steps[0].args["rules"]]
    (broken,) = audit(engine, "t", snapshot, rules)
    rows = [engine.rows(f"SELECT * FROM t WHERE {w} ORDER BY ALL", {"t": snapshot})[1] for w in (f.where, broken.where)]
    return rows[0] == rows[1] and len(rows[0]) == f.rows == broken.rows
