"""Rows that a transform couldn't work on: found again beside its stage, and told of."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.actions._values import ASIDE
from intendant.actions.base import Staged
from intendant.errors import Damaged
from intendant.lake import Stage
from intendant.lake.manifest import read_manifest
from intendant.lake.stage import quarantine_of
from intendant.types import Finding, Json, Severity, Snapshot

__all__ = ["findings", "held"]


def held(stage: Stage, facts: Mapping[str, Json]) -> list[Snapshot]:
    """The rows that wait beside the stage, [] when there are none. Raises Damaged when they aren't those that the step led out."""
    rows = int((facts.get(ASIDE) or {}).get("rows", 0))
    table = quarantine_of(stage.table)
    files, columns = read_manifest(stage.folder / ASIDE, table) or ([], ())
    if sum(f.rows for f in files) != rows:
        raise Damaged(
            f"the {rows:,} rows of {stage.table!r} that were to be set aside are gone",
            where=str(stage.folder / ASIDE),
            hint="Nothing was published. Run it again.",
        )
    paths = tuple(str(f.path) for f in files)
    return [Snapshot(table, -1, "", rows, sum(f.bytes for f in files), columns, paths)] if rows else []


def findings(staged: Staged) -> list[Finding]:
    """One for each operator that rows have no value for; in quarantine, or NULL where the policy wants them kept. Before them what
    a source told of."""
    facts = staged.facts.get(ASIDE) or {}
    total = int(staged.facts.get("rows_before") or 0)
    out = [Finding(**f) for f in staged.facts.get("findings", ())]
    for what in facts.get("what", ()):
        rows = int(what["rows"])
        became = "kept, with NULL" if facts["kept"] else f"set aside in {quarantine_of(staged.table)}"
        evidence = f"{rows:,} {'row is' if rows == 1 else 'rows are'} {became}, e.g. {what['example']}."
        severity: Severity = (
            "HIGH" if total and rows > total / 20 else "MEDIUM" if total and rows > total / 1000 else "LOW"
        )
        out.append(Finding("value", staged.table, None, severity, rows, total, evidence))
    return out
