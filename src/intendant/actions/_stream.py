"""What a source tells while it is read, kept for the gate and the commit: rejected rows, letters, gaps, where it ended.

A letter is a message that is no row, whole. Letters wait beside the rows of their step, go with them to the gate, and end in
the table's quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from intendant.actions._values import ASIDE
from intendant.actions.base import Context
from intendant.engines.base import Tables, quoted, text
from intendant.types import Column, Finding, Json, Severity

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Heard"]

REASON, RAW = "_reason", "_raw"
MOST_LETTERS, MOST_CHARS = 10_000, 8 << 20
"""Held in memory before they go to the disk."""
KNOWN_BY = ("_topic", "_partition", "_offset", "_timestamp")
"""What a message is known by."""


class Heard:
    """Called by a source with what happens; `facts` is what it came to. `origin` is the step's text."""

    def __init__(self, context: Context, rows: Stage, resource: str, origin: str) -> None:
        self.context, self.rows, self.resource, self.origin = context, rows, resource, origin
        self.rejected: list[dict[str, Json]] = []
        self.mixed: set[str] = set()
        self.findings: list[Finding] = []
        self.position: Json = None
        self.waiting: list[Mapping[str, Json]] = []
        self.chars = 0
        self.letters = 0
        self.first = ""
        self.aside: Stage | None = None

    def __call__(self, kind: str, data: Mapping[str, Json]) -> None:
        if kind == "source.mixed_column":
            self.mixed.add(str(data["column"]))
        elif kind == "source.row_rejected" and "topic" in data:
            self.set_aside(data)
        elif kind == "source.row_rejected":
            self.rejected.append({"reason": str(data.get("reason", "")), "raw": str(data.get("raw", ""))[:2000]})
        elif kind == "source.position":
            self.position = data["position"]
        elif kind == "source.gap":
            self.finding("stream_gap", int(data["messages"] or 0), str(data["evidence"]))
        elif kind == "source.tombstones":
            n = int(data["messages"])
            said = f"{n:,} message{'s' if n > 1 else ''} of {self.resource}"
            self.finding("tombstones", n, f"{said} without a value (tombstones): counted, they delete nothing here.")
        if kind != "source.position":
            self.context.tell(kind, data)

    def finding(self, check: str, rows: int, evidence: str) -> None:
        severity: Severity = "LOW" if check == "tombstones" else "HIGH"
        self.findings.append(Finding(check, self.rows.table, None, severity, rows, rows, evidence))

    def set_aside(self, letter: Mapping[str, Json]) -> None:
        which = f"partition {letter['partition']}, offset {letter['offset']}: " if letter["topic"] is not None else ""
        self.first = self.first or f"{which}{letter['reason']}"
        self.waiting.append(letter)
        self.chars += len(str(letter["raw"]))
        if len(self.waiting) >= MOST_LETTERS or self.chars >= MOST_CHARS:
            self.flush()

    def flush(self) -> None:
        """Writes the letters that are held in memory beside the rows."""
        if not self.waiting:
            return
        import pyarrow as pa  # slow to import, and plans need none

        kinds = {"partition": pa.int32(), "offset": pa.int64(), "timestamp": pa.timestamp("ms")}
        table = {f"_{n}": pa.array([w[n] for w in self.waiting], kinds.get(n, pa.string())) for n in self.waiting[0]}
        table |= {"_step": pa.array([self.origin] * len(self.waiting)), "_run": pa.array([self.rows.stamp.run] * len(self.waiting))}
        self.beside().add(pa.table(table))
        self.waiting, self.chars = [], 0

    def beside(self) -> Stage:
        from intendant.lake.stage import Stage, quarantine_of

        if self.aside is None:
            name, folder = quarantine_of(self.rows.table), self.rows.folder / ASIDE
            self.aside = Stage(name, self.rows.stamp, folder, self.context.engine, self.context.lake.stage)
        return self.aside

    def add_rows(self, sql: str, reason: str, tables: Tables) -> None:
        """Sets rows aside that a query gives, for one reason. Raises EngineError, DiskFull."""
        self.first = self.first or reason
        origin = f"{text(reason)} AS {quoted(REASON)}, {text(self.origin)} AS _step, {text(self.rows.stamp.run)} AS _run"
        self.beside().add_sql(self.context.engine, f"SELECT *, {origin} FROM ({sql}) AS t", tables)

    def finished(self) -> None:
        """Makes the letters last. Those that the quarantine has already, of messages that were read again, are left out."""
        self.flush()
        if self.aside is None:
            return
        self.unless_known(self.aside)
        self.letters = self.aside.rows
        self.aside.save()

    def from_the_beginning(self) -> None:
        """Says so where the table has rows already: they may have come from the same messages."""
        lake, table = self.context.lake, self.rows.table
        there = lake.snapshot(table).rows if lake.exists(table) else 0
        if there and self.rows.rows:
            said = f"{table!r} had {there:,} rows, but nothing says how far {self.resource} was read for them"
            self.finding("stream_start", there, f"{said}: it was read from its beginning.")

    def unless_known(self, aside: Stage) -> None:
        lake = self.context.lake
        there = lake.snapshot(aside.table) if lake.exists(aside.table) else None
        if there is None or not (_has(there.columns) and _has(aside.columns)):
            return
        same = " AND ".join(f"l.{quoted(c)} IS NOT DISTINCT FROM q.{quoted(c)}" for c in KNOWN_BY)
        known = f"l._offset IS NOT NULL AND EXISTS (SELECT 1 FROM q WHERE {same})"
        tables = {"l": aside.snapshot(), "q": there}
        if self.context.engine.rows(f"SELECT count(*) FROM l WHERE {known}", tables)[1][0][0]:
            aside.rewrite(self.context.engine, f"SELECT l.* FROM l WHERE NOT ({known})", tables)

    def facts(self, start: Json, alone: bool) -> dict[str, Json]:
        """For the gate and the commit; `start` is where the read began, `alone` whether nothing else may have been read since."""
        if alone and start is None:
            self.from_the_beginning()
        out: dict[str, Json] = {"resource": self.resource, "rejected": self.rejected, "mixed": sorted(self.mixed)}
        if self.letters:
            what = {"rows": self.letters, "example": self.first}
            out |= {"rows_before": self.rows.rows + self.letters, ASIDE: {"rows": self.letters, "kept": False, "what": [what]}}
        if self.findings:
            out["findings"] = [dict(f.__dict__) for f in self.findings]
        if self.position is not None:
            out["move"] = {"resource": self.resource, "start": start, "end": self.position, "alone": alone}
        return out


def _has(columns: Sequence[Column]) -> bool:
    return set(KNOWN_BY) <= {c.name for c in columns}
