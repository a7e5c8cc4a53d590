"""A table's quality in two numbers, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intendant.checks.levels import SeverityThresholds, severity
from intendant.checks.split import free_name
from intendant.checks.subject import Subject, examine
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.types import Finding, Json, Severity, Snapshot

__all__ = ["Report", "report"]


@dataclass(frozen=True)
class Report:
    """`completeness` and `consistency` in percent, 0..100; `issues` is the number of findings."""

    completeness: float
    consistency: float
    issues: int
    severity: Severity
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Json]:
        return {**self.__dict__, "findings": [f.as_dict() for f in self.findings]}


def report(engine: DuckDB, table: str, snapshot: Snapshot, findings: Sequence[Finding],
           thresholds: SeverityThresholds = SeverityThresholds(), others: Mapping[str, Snapshot] | None = None) -> Report:
    """The Report on a table and its findings (of `detect`, `audit` or both); `others` as for `audit`.

    Completeness is the share of cells that hold a value: NULL, blank text and the texts or numbers that a
    `missing_value` finding names as standing for nothing (N/A, -, 9999 ...) don't. Consistency is the share of cells
    that no finding touches: a finding about a column touches that column's cell in each of its bad rows, one about
    rows as such touches all their cells; one about the whole table touches none. A table without cells has 100 of both.
    """
    with examine(engine, table, snapshot, others=others) as subject:
        whole = subject.total * len(subject.columns)
        if not whole:
            complete = consistent = 100.0
        else:
            missing, touched = measured(subject, findings)
            complete, consistent = 100 - 100 * missing / whole, 100 - 100 * touched / whole
    return Report(round(complete, 2), round(consistent, 2), len(findings),
                  severity(complete, consistent, thresholds), tuple(findings))


def measured(subject: Subject, findings: Sequence[Finding]) -> tuple[int, int]:
    """(missing cells, cells touched by a finding), in one pass."""
    located = [f for f in findings if f.where]
    flag = free_name("_f", subject.columns)
    flags = {id(f): quoted(f"{flag}{i}") for i, f in enumerate(located)}
    inner = ["*", *(f"({f.where}) AS {flags[id(f)]}" for f in located)]
    missing, touched = [], []
    for column in subject.columns:
        names = [flags[id(f)] for f in located if f.check == "missing_value" and f.column == column.name]
        missing.append(f"count(*) FILTER (WHERE {' OR '.join([subject.missing(column), *names])})")
        names = [flags[id(f)] for f in located if f.column in (None, column.name)]
        if names:
            touched.append(f"count(*) FILTER (WHERE {' OR '.join(names)})")
    # a list rather than a sum of thousands of terms: an expression may be only so deep
    sums = ", ".join(f"coalesce(list_sum([{', '.join(counts)}]), 0)" for counts in (missing, touched))
    row = subject.query(f"SELECT {sums} FROM (SELECT {', '.join(inner)} FROM {subject.sql}) AS t")[0]
    return int(row[0]), int(row[1])
