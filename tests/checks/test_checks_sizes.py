"""Checks on what is very wide, on documents in cells, and on a table that others write meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.checks import battery, detect, report
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject
from intendant.engines.duckdb import DuckDB
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]


def test_a_table_of_thousands_of_columns_is_looked_at_like_any_other(engine: DuckDB, table: Make):
    kinds = ["i + {0}", "CASE WHEN i = 7 THEN NULL ELSE 'c' || i % 9 END", "(hash(i + {0}) % 1000) / 10.0",
             "CASE WHEN i = 9 THEN 'Germny' ELSE ['Germany', 'France'][1 + i % 2] END"]  # fmt: skip
    wide = ", ".join(f"{kinds[k % 4].format(k)} AS c{k}" for k in range(1_200))
    found = detect(engine, "t", table(f"SELECT {wide} FROM range(120) r(i)"))
    assert {f.column for f in found if f.check == "not_null"} == {f"c{k}" for k in range(1, 1_200, 4)}
    assert {f.column for f in found if f.check == "typo"} == {f"c{k}" for k in range(3, 1_200, 4)}


def test_a_document_in_a_cell_is_counted_and_never_copied_into_a_query(engine: DuckDB, table: Make):
    cell = "CASE WHEN i = 30 THEN repeat('x y ', 5000000) WHEN i = 31 THEN NULL ELSE 'v' || i % 4 END"
    snapshot = table(f"SELECT i AS id, {cell} AS note, ['on', 'off'][1 + i % 2] AS mode FROM range(60) r(i)")
    found = detect(engine, "t", snapshot)
    assert [(f.check, f.column, f.rows) for f in found] == [("not_null", "note", 1)]
    assert max(len(f.where) + len(f.evidence) + len(f.mend) for f in found) < 1_000
    assert report(engine, "t", snapshot, found).completeness == 99.44


class Publishing(Detector):
    """Publishes the next version of the table in the middle of a check."""

    name = "publishing"

    def __init__(self, publish: Callable[[], object]) -> None:
        self.publish = publish

    def find(self, subject: Subject) -> Iterator[Finding]:
        self.publish()
        yield from ()


def test_a_check_tells_of_the_version_it_began_with(
    app: Intendant, workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    def write(rows: int, faulty: int) -> None:
        lines = [f"{i},{'' if i < faulty else 'paid'}" for i in range(rows)]
        (workspace / "sales.csv").write_text("\n".join(["sale_id,status", *lines]) + "\n", encoding="utf-8")

    def publish() -> None:
        write(500, 0)
        app.load(workspace / "sales.csv", "sales")
        app.do("vacuum sales")

    write(300, 3)
    app.load(workspace / "sales.csv", "sales")
    with monkeypatch.context() as patched:
        patched.setattr(battery, "DETECTORS", (battery.DETECTORS[0], Publishing(publish), *battery.DETECTORS[1:]))
        before = app.check("sales")
    after = app.check("sales")
    assert (before["rows"], after["rows"]) == (300, 500)
    assert [f["rows"] for f in before["findings"] if f["column"] == "status"] == [3]
    assert not [f for f in after["findings"] if f["column"] == "status"]
