"""Good and bad rows are told apart completely, once, the same way each time."""

from __future__ import annotations

from collections.abc import Callable

from intendant.checks import audit, bad_rows_sql, split_sql
from intendant.engines.duckdb import DuckDB
from intendant.types import Rule, Snapshot

Make = Callable[..., Snapshot]
ROWS = ("SELECT * FROM (VALUES (1, 10, 'a'), (1, 5, 'b'), (2, NULL, 'c'), (2, NULL, 'c'), (NULL, -1, 'd'),"
        " (3, -2, 'e'), (3, -2, 'f')) t(id, n, v)")
RULES = (Rule("unique", column="id"), Rule("range", column="n", min=0), Rule("not_null", column="n"))


def parts(engine: DuckDB, snapshot: Snapshot):
    found = audit(engine, "staging.t", snapshot, RULES)
    predicates = [(f.check, f.where) for f in found]
    good, bad = split_sql("staging.t", snapshot.columns, predicates)
    return [engine.rows(sql, {"staging.t": snapshot})[1] for sql in (good, bad)]


def test_every_row_is_on_one_side_once_with_all_its_reasons(engine: DuckDB, table: Make):
    snapshot = table(ROWS, "staging.t")
    good, bad = parts(engine, snapshot)
    whole = engine.rows("SELECT * FROM staging.t", {"staging.t": snapshot})[1]
    assert sorted(map(str, [*good, *(r[:-1] for r in bad)])) == sorted(map(str, whole))
    assert good == [(1, 5, "b")]
    assert [r[-1] for r in bad] == ["unique", "not_null", "unique; not_null", "range", "range", "unique; range"]


def test_splitting_twice_gives_the_same_rows_in_the_order_of_the_table(engine: DuckDB, table: Make):
    snapshot = table("SELECT i AS at, i % 70 AS id, 1 AS n FROM range(100) r(i)", "staging.t")
    good, bad = parts(engine, snapshot)
    assert [r[0] for r in good] == list(range(70))
    assert [r[0] for r in bad] == list(range(70, 100))


def test_an_unknown_predicate_keeps_the_row(engine: DuckDB, table: Make):
    snapshot = table("SELECT unnest([1, NULL, 3]) AS n", "staging.t")
    good, bad = split_sql("staging.t", snapshot.columns, [("big", '"n" > 2')])
    assert len(engine.rows(good, {"staging.t": snapshot})[1]) == 2
    assert engine.rows(bad, {"staging.t": snapshot})[1] == [(3, "big")]


def test_without_predicates_everything_is_good(engine: DuckDB, table: Make):
    snapshot = table(ROWS, "staging.t")
    good, bad = split_sql("staging.t", snapshot.columns, [])
    assert len(engine.rows(good, {"staging.t": snapshot})[1]) == 7
    assert engine.rows(bad, {"staging.t": snapshot}) == (["id", "n", "v", "_reason"], [])


def test_columns_with_our_own_names_are_kept(engine: DuckDB, table: Make):
    snapshot = table("SELECT 1 AS _bad, 2 AS _at, 3 AS _row UNION ALL SELECT 1, 2, 3", "staging.t")
    where = audit(engine, "staging.t", snapshot, [Rule("unique", column="_bad")])[0].where
    good, bad = split_sql("staging.t", snapshot.columns, [("twice", where)])
    assert engine.rows(good, {"staging.t": snapshot})[1] == [(1, 2, 3)]
    assert engine.rows(bad, {"staging.t": snapshot})[1] == [(1, 2, 3, "twice")]


def test_bad_rows_have_the_columns_of_the_table(engine: DuckDB, table: Make):
    snapshot = table(ROWS, "staging.t")
    where = [f.where for f in audit(engine, "staging.t", snapshot, RULES)]
    names, rows = engine.rows(bad_rows_sql(engine, "staging.t", snapshot, where), {"staging.t": snapshot})
    assert (names, len(rows)) == (["id", "n", "v"], 6)
