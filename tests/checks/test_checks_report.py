"""Findings add up to two percentages, and unfold into cells in the order of the rows."""

from __future__ import annotations

from collections.abc import Callable

from intendant.checks import audit, cells, detect, report
from intendant.engines.duckdb import DuckDB
from intendant.types import Finding, Rule, Snapshot

Make = Callable[..., Snapshot]
SQL = ("SELECT i AS id, CASE WHEN i = 5 THEN NULL WHEN i < 4 THEN 'n/a' ELSE 'v' || i % 3 END AS a,"
       " CASE WHEN i = 7 THEN -1 ELSE i END AS b, ' ' AS c FROM range(100) r(i)")


def test_completeness_counts_null_blank_and_disguised_cells(engine: DuckDB, table: Make):
    snapshot = table(SQL)
    found = detect(engine, "t", snapshot)
    made = report(engine, "t", snapshot, found)
    assert made.completeness == round(100 - 100 * (1 + 4 + 100) / 400, 2)
    assert made.issues == len(found) == len(made.findings)


def test_consistency_counts_a_cell_once_however_many_findings_touch_it(engine: DuckDB, table: Make):
    snapshot = table("SELECT i AS a, i AS b FROM range(10) r(i)")
    rules = [Rule("range", column="a", min=2), Rule("expression", expression="a > 2"), Rule("row_count", min=99)]
    made = report(engine, "t", snapshot, audit(engine, "t", snapshot, rules))
    assert (made.consistency, made.completeness, made.issues) == (85.0, 100.0, 3)


def test_a_finding_about_rows_touches_all_their_cells(engine: DuckDB, table: Make):
    snapshot = table("SELECT i AS a, 1 AS b FROM range(9) r(i) UNION ALL SELECT 3, 1")
    found = [f for f in detect(engine, "t", snapshot) if f.check == "duplicate_row"]
    assert report(engine, "t", snapshot, found).consistency == 90.0


def test_a_table_without_rows_is_complete_and_consistent(engine: DuckDB, table: Make):
    snapshot = table(f"{SQL} LIMIT 0")
    made = report(engine, "t", snapshot, detect(engine, "t", snapshot))
    assert (made.completeness, made.consistency, made.issues, made.severity) == (100.0, 100.0, 0, "LOW")


def test_nested_columns_count_as_cells(engine: DuckDB, table: Make):
    snapshot = table("SELECT CASE WHEN i > 0 THEN [i] END AS l, {'k': i} AS s FROM range(4) r(i)")
    assert report(engine, "t", snapshot, []).completeness == 87.5


def test_a_report_is_json(engine: DuckDB, table: Make):
    snapshot = table(SQL)
    made = report(engine, "t", snapshot, detect(engine, "t", snapshot)).as_dict()
    assert set(made) == {"completeness", "consistency", "issues", "severity", "findings"}
    assert all("where" not in f for f in made["findings"])


def test_cells_come_by_row_then_column_once_with_the_surest_reason(engine: DuckDB, table: Make):
    snapshot = table("SELECT i AS a, -i AS b FROM range(5) r(i)")
    found = [Finding("x", "t", "b", "LOW", 2, 5, "b.", 0.5, where="b < -2"),
             Finding("y", "t", "a", "LOW", 1, 5, "a.", 0.6, where="a = 4"),
             Finding("z", "t", "b", "LOW", 1, 5, "surer.", 0.9, where="b = -4"),
             Finding("w", "t", "b", "LOW", 1, 5, "unknown.", 0.9, where="b = NULL"),
             Finding("rows", "t", None, "LOW", 1, 5, "rows.", 0.9, where="a = 0")]
    assert [(c.row, c.column, c.reason, c.confidence) for c in cells(engine, "t", snapshot, found)] == [
        (3, "b", "x: b.", 0.5), (4, "a", "y: a.", 0.6), (4, "b", "z: surer.", 0.9)]


def test_rows_are_counted_in_the_order_of_the_file_even_for_repeats(engine: DuckDB, table: Make):
    snapshot = table("SELECT (i * 37) % 101 AS pos, i % 90 AS id FROM range(100) r(i)")
    found = audit(engine, "t", snapshot, [Rule("unique", column="id"), Rule("range", column="pos", min=1)])
    rows = [c.row for c in cells(engine, "t", snapshot, found)]
    at = engine.rows("SELECT row_number() OVER () - 1, pos, id FROM t", {"t": snapshot})[1]
    assert rows == sorted(rows)
    assert 0 in rows
    assert len({at[r][2] for r in rows} - {0}) == 10 - (0 in {at[r][2] for r in rows})


def test_no_findings_are_no_cells(engine: DuckDB, table: Make):
    assert list(cells(engine, "t", table(SQL), [])) == []


def test_a_table_of_thousands_of_columns_has_a_report(engine: DuckDB, table: Make):
    wide = ", ".join(f"NULL::VARCHAR AS c{i}" if i % 2 else f"{i} AS c{i}" for i in range(2_000))
    snapshot = table(f"SELECT {wide} FROM range(30)")
    made = report(engine, "t", snapshot, [])
    assert (made.completeness, made.consistency) == (50.0, 100.0)
