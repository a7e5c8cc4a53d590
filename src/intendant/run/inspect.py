"""A quality report on a table or a file; nothing changes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from intendant import checks
from intendant.checks.history.profile import Profile
from intendant.checks.history.shelf import held, read
from intendant.checks.page import page
from intendant.checks.pictures import pictures
from intendant.checks.rules import kinds, rules_of
from intendant.errors import EngineError, SourceDamaged, UnknownName, UsageError
from intendant.planner.language_reader import Chat
from intendant.run.drifting import drifted_since
from intendant.run.load import READERS, read_sql
from intendant.run.opinion import asking, explained
from intendant.run.workbook import readable
from intendant.types import Finding, Json, Snapshot, Stamp
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["inspect"]


def inspect(
    app: Intendant, subject: str, cells: Path | None, html: Path | None = None, explain: bool = False
) -> dict[str, Json]:
    """The report on a table of the lake, or on a file when there is no such table; written to `cells` (CSV) and `html` too.

    `explain` adds what the language model makes of it. Raises ModelError when none is named, or it doesn't answer.
    """
    ask = asking(app.workspace) if explain else None
    if app.lake.exists(subject):
        snapshot = app.lake.snapshot(subject)
        declared = rules_of(app.lake.settings(snapshot.table))
        read = [t for r in declared for t in kinds()[r.type].reads(r)]
        others = checks.parents(snapshot, app.lake.names(), app.lake.snapshot, read)
        broken = checks.audit(app.engine, snapshot.table, snapshot, declared, others)
        broken += drifted_since(app.workspace, app.lake, app.engine, snapshot.table)
        return reported(app, snapshot.table, snapshot, broken, cells, html, others=others, ask=ask)
    path = Path(subject)
    if not path.is_file():
        if path.suffix.lower() in READERS or "/" in subject:
            raise UsageError(f"there is no table and no file {subject!r}", hint="Check the path.")
        app.lake.snapshot(subject)
        raise UnknownName(f"there is no table {subject!r}")
    stage = app.lake.stage("staging.inspected file", Stamp("inspect", "0"))
    try:
        with readable(path.absolute()) as file:
            stage.add_sql(app.engine, read_sql(file, as_text=True), {})
        return reported(app, stage.table, stage.snapshot(), [], cells, html, shown=path.name, ask=ask)
    except EngineError as e:
        raise SourceDamaged(
            f"{path.name!r} can't be read: {e.message}", where=str(path), hint="Mend that line of the file."
        ) from e
    finally:
        stage.discard()


def reported(
    app: Intendant,
    table: str,
    snapshot: Snapshot,
    broken: list[Finding],
    cells: Path | None,
    html: Path | None,
    shown: str = "",
    others: Mapping[str, Snapshot] | None = None,
    ask: Chat | None = None,
) -> dict[str, Json]:
    found = [*broken, *checks.detect(app.engine, table, snapshot, others=others)]
    report = checks.report(app.engine, table, snapshot, found, severity_steps(app.workspace, table), others)
    out: dict[str, Json] = {"subject": shown or table, "rows": snapshot.rows, **report.as_dict()}
    if ask is not None:
        out["explanation"] = explained(ask, out)
    if cells is not None:
        cells.parent.mkdir(parents=True, exist_ok=True)
        with cells.open("w", encoding="utf-8", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["row", "column", "reason", "confidence"])
            n = 0
            for cell in checks.cells(app.engine, table, snapshot, found, others):
                writer.writerow([cell.row, cell.column, cell.reason, cell.confidence])
                n += 1
        out["cells"] = {"file": str(cells), "count": n}
    if html is not None:
        drawn = page(out, pictures(app.engine, table, snapshot, found, others), [] if shown else past(app, table))
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(drawn, encoding="utf-8")
        out["html"] = str(html)
    return out


def severity_steps(workspace: Workspace, table: str) -> checks.SeverityThresholds:
    t = workspace.thresholds_of(table)
    return checks.SeverityThresholds(t.severity_low, t.severity_medium)


def past(app: Intendant, table: str) -> list[Profile]:
    """The profiles of the table's loads, oldest first: those of the newest one's kind (all rows, or rows added)."""
    found = [p for v in sorted(held(app.lake, table)) if (p := read(app.lake, table, v)) is not None]
    return [p for p in found if p.part == found[-1].part]
