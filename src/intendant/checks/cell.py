"""Findings unfolded into single cells, in the order of the table's rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from intendant.checks.split import free_name
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.operators.base import table_sql
from intendant.types import Finding, Snapshot

__all__ = ["Cell", "cells"]

BATCH = 10_000


@dataclass(frozen=True)
class Cell:
    """A suspicious cell; `row` counts from 0 in the order of the table's files, `confidence` is 0..1."""

    row: int
    column: str
    reason: str
    confidence: float


def cells(engine: DuckDB, table: str, snapshot: Snapshot, findings: Sequence[Finding],
          others: Mapping[str, Snapshot] | None = None) -> Iterator[Cell]:
    """Each cell that a finding about a column touches, once: with the reason of the most confident finding.

    Ordered by row, then by the table's columns. Findings about whole rows or the whole table name no cell.
    """
    located = [f for f in findings if f.where and f.column]
    located.sort(key=lambda f: -f.confidence)
    if not located:
        return
    order = {c.name: i for i, c in enumerate(snapshot.columns)}
    name = free_name("_row", snapshot.columns)
    row, flags = quoted(name), [quoted(f"{name}{i}") for i in range(len(located))]
    tests = ", ".join(f"coalesce(({f.where}), false) AS {flag}" for f, flag in zip(located, flags, strict=True))
    sql = (f"SELECT {row}, {', '.join(flags)} FROM (SELECT {row}, {tests} FROM (SELECT *, row_number() OVER () - 1"
           f" AS {row} FROM {table_sql(table).sql('duckdb')}) AS n) AS t WHERE {' OR '.join(flags)} ORDER BY {row}")
    with engine.session({**(others or {}), table: snapshot}) as con:
        result = con.execute(sql)
        while batch := result.fetchmany(BATCH):
            for at, *hits in batch:
                best: dict[str, Finding] = {}
                for f, hit in zip(located, hits, strict=True):
                    if hit:
                        best.setdefault(str(f.column), f)
                for column in sorted(best, key=order.__getitem__):
                    f = best[column]
                    yield Cell(int(at), column, f"{f.check}: {f.evidence}", f.confidence)
