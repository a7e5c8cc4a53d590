"""Two columns in order in nearly all rows: the few that break it are found, and what merely looks like it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.checks.aside import set_aside

from intendant.checks.detectors.missing import Missing
from intendant.checks.detectors.ordering import Ordering
from intendant.checks.subject import examine
from intendant.engines.duckdb import DuckDB
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
ORDERS = """
SELECT *, created + (hash(i * 3) % 4)::INTEGER AS paid, created + (4 + hash(i * 5) % 5)::INTEGER AS shipped,
       created + (10 + hash(i * 7) % 9)::INTEGER AS delivered
FROM (SELECT i, DATE '2024-01-01' + (hash(i) % 700)::INTEGER AS created FROM range(2000) r(i))
"""
PLANTED = {
    "dates": ("* REPLACE (CASE WHEN i < 7 THEN paid - 400 ELSE paid END AS paid)", "paid", "created <= paid", 7),
    "the first of four": (
        "* REPLACE (CASE WHEN i < 5 THEN created + 500 ELSE created END AS created)",
        "created",
        "created <= paid",
        5,
    ),
    "time stamps": (
        "i, created::TIMESTAMP AS begun_at, created::TIMESTAMP + INTERVAL (CASE WHEN i < 9 THEN -90 ELSE"
        " i % 80 END) MINUTE AS ended_at",
        "ended_at",
        "begun_at <= ended_at",
        9,
    ),
    "a day and a moment": (
        "i, created::TIMESTAMP + INTERVAL 20 HOUR AS created_at, shipped - CASE WHEN i < 3 THEN 90"
        " ELSE 4 END AS shipped",
        "shipped",
        "date_of(created_at) <= shipped",
        3,
    ),
    "text": (
        "i, created::VARCHAR AS created, CASE WHEN i = 8 THEN 'N/A' WHEN i < 6 THEN '1999-09-09' ELSE"
        " delivered::VARCHAR END AS delivered",
        "delivered",
        "case when created matches",
        6,
    ),
    "text and a date": (
        "i, created, CASE WHEN i = 8 THEN 'soon' WHEN i < 6 THEN '1999-09-09' ELSE delivered::VARCHAR END AS delivered",
        "delivered",
        "left(text(created), 10) <= ",
        6,
    ),
    "minimum and maximum": (
        'i, (hash(i) % 400) / 10.0 AS "minTemp", (hash(i) % 400 + 20 + hash(i * 3) % 80) / 10.0 -'
        ' CASE WHEN i < 8 THEN 30 ELSE 0 END AS "maxTemp"',
        "maxTemp",
        "minTemp <= maxTemp",
        8,
    ),
    "numbers as text": (
        "i, ((hash(i) % 4000) / 10.0)::VARCHAR AS net, CASE WHEN i = 9 THEN '-' WHEN i < 4 THEN '-800.5'"
        " ELSE ((hash(i) % 4000 + hash(i * 3) % 400) / 10.0)::VARCHAR END AS gross",
        "gross",
        "case when net matches",
        4,
    ),
    "names without a hint": (
        "i, (hash(i) % 4000) / 10.0 AS foo, (hash(i) % 4000 + hash(i * 3) % 400) / 10.0 - CASE WHEN"
        " i < 4 THEN 900 ELSE 0 END AS bar",
        "bar",
        "foo <= bar",
        4,
    ),
}
CLEAN = {
    "in order": ORDERS,
    "independent dates": "SELECT DATE '2024-01-01' + (hash(i) % 700)::INTEGER AS created, DATE '2024-01-01' +"
    " (hash(i * 3) % 700)::INTEGER AS shipped FROM range(2000) r(i)",
    "dates that lie apart anyway": "SELECT DATE '2020-01-01' + (hash(i) % 300)::INTEGER AS created, DATE '2020-10-20' +"
    " (hash(i * 3) % 300)::INTEGER AS shipped FROM range(2000) r(i)",
    "numbers that lie apart anyway": "SELECT hash(i) % 90 AS low, 88 + hash(i * 3) % 900 AS high FROM range(2000) r(i)",
    "a plan and what became of it": f"SELECT created AS due_date, CASE WHEN i < 9 THEN created + 90 ELSE created -"
    f" (i % 9)::INTEGER END AS paid_date FROM ({ORDERS})",
    "nearly always the same": "SELECT x AS price, x + CASE WHEN i % 30 = 0 THEN i % 7 - 1 ELSE 0 END AS list FROM"
    " (SELECT i, (hash(i) % 900)::INTEGER AS x FROM range(2000) r(i))",
    "skewed": "SELECT exp((hash(i) % 900) / 100.0) AS low, exp((hash(i * 3) % 900) / 100.0) AS high FROM range(2000) r(i)",
    "constant": "SELECT 5 AS low, 4 + i % 2 * 2 AS high FROM range(2000) r(i)",
    "keys": f"SELECT i AS order_id, CASE WHEN i < 4 THEN 0 ELSE i + 3 END AS payment_id FROM ({ORDERS})",
    "few rows": f"SELECT created, CASE WHEN i = 3 THEN created - 90 ELSE shipped END AS shipped FROM ({ORDERS}) LIMIT 19",
    "no rows": f"SELECT * FROM ({ORDERS}) WHERE false",
    "one row": f"SELECT * FROM ({ORDERS}) LIMIT 1",
    "one column": f"SELECT created FROM ({ORDERS})",
    "all missing": "SELECT NULL::DATE AS created, NULL::TIMESTAMP AS shipped, NULL::INTEGER AS low, NULL::DOUBLE AS high"
    " FROM range(90)",
    "nested": f"SELECT [created] AS created, {{'a': shipped}} AS shipped, MAP {{'k': i}} AS low FROM ({ORDERS})",
    "endless": "SELECT CASE WHEN i % 9 = 0 THEN 'infinity'::DATE ELSE DATE '2024-01-01' + (i % 50)::INTEGER END AS"
    " created, CASE WHEN i % 7 = 0 THEN 'NaN'::DOUBLE ELSE i END AS low, CASE WHEN i % 5 = 0 THEN"
    " 'infinity'::DOUBLE ELSE i END AS high, (i::HUGEINT * 1000000000000000000000)::HUGEINT AS \"to\" FROM"
    " range(200) r(i)",
    "hostile": 'SELECT \'x\'\'"--\' || i AS "a""b", i AS " ", hash(i) % 9 AS "🙂", repeat(\'9\', 100000) AS long FROM'
    " range(40) r(i)",
}


def found(engine: DuckDB, snapshot: Snapshot) -> list[Finding]:
    with examine(engine, "t", snapshot) as subject:
        if subject.total:
            list(Missing().find(subject))
        return list(Ordering().find(subject))


@pytest.mark.parametrize("fault", PLANTED)
def test_rows_out_of_order_are_found_and_can_be_set_aside(fault: str, engine: DuckDB, table: Make) -> None:
    select, column, condition, rows = PLANTED[fault]
    snapshot = table(f"SELECT {select} FROM ({ORDERS})")
    (hit,) = found(engine, snapshot)
    assert (hit.check, hit.column, hit.rows, hit.total) == ("ordering", column, rows, 2000)
    assert column in hit.evidence
    assert hit.evidence.endswith(".")
    assert hit.mend.startswith(f"check t for that {condition}")
    assert set_aside(engine, snapshot, hit)


@pytest.mark.parametrize("sql", CLEAN.values(), ids=CLEAN)
def test_nothing_is_said_without_a_rule(sql: str, engine: DuckDB, table: Make) -> None:
    assert found(engine, table(sql)) == []


def test_the_sentence_says_which_is_before_which(engine: DuckDB, table: Make) -> None:
    select, *_ = PLANTED["dates"]
    (hit,) = found(engine, table(f"SELECT {select} FROM ({ORDERS}) ORDER BY i"))
    assert hit.evidence.startswith("7 of 2000 values of paid are before created, which is so in no other row, e.g. '20")
    assert hit.mend == "check t for that created <= paid on failure quarantine"


def test_of_many_columns_only_what_others_dont_imply_is_said(engine: DuckDB, table: Make) -> None:
    late = "CASE WHEN i < 6 THEN delivered - 900 ELSE delivered END AS delivered, CASE WHEN i = 3 THEN NULL ELSE shipped END"
    snapshot = table(f"SELECT * REPLACE ({late} AS shipped) FROM ({ORDERS})")
    first, second = found(engine, snapshot)
    assert (first.column, first.rows, "shipped <= delivered" in first.mend) == ("delivered", 5, True)
    assert (second.column, second.rows, "paid <= delivered" in second.mend) == ("delivered", 6, True)


def test_columns_that_merely_run_together_are_no_rule(engine: DuckDB, table: Make) -> None:
    bell = " + ".join(f"(hash(i * {k}) % 1000) / 1000.0" for k in range(3, 27, 2))  # mean 6, deviation 1
    sql = (
        f"SELECT x AS votes, x + 5 * ({bell} - 3.6) AS views FROM (SELECT i, hash(i) % 900 AS x FROM range(4000) r(i))"
    )
    snapshot = table(sql)
    below = engine.rows("SELECT count(*) FROM t WHERE views < votes", {"t": snapshot})[1][0][0]
    assert 0 < below < 40
    assert found(engine, snapshot) == []


def test_large_rows_of_skewed_columns_that_are_a_little_off_are_no_error(engine: DuckDB, table: Make) -> None:
    ratio = "CASE WHEN i % 300 = 0 THEN 0.96 ELSE 1.2 + (hash(i * 3) % 100) / 500.0 END"
    size = "exp((hash(i) % 1000) / 110.0)"
    snapshot = table(
        f"SELECT x AS adults, round(x * {ratio}, 3) AS city FROM (SELECT i, 90 + {size} AS x FROM range(3000) r(i))"
    )
    assert engine.rows("SELECT count(*) FROM t WHERE city < adults", {"t": snapshot})[1][0][0] == 10
    assert found(engine, snapshot) == []


def test_breaks_that_another_column_explains_are_no_error(engine: DuckDB, table: Make) -> None:
    kind = "CASE WHEN i % 60 = 0 THEN 'return' ELSE 'sale' END"
    sql = (
        f"SELECT {kind} AS kind, created, shipped - CASE WHEN i % 60 = 0 THEN 90 ELSE 0 END AS shipped FROM ({ORDERS})"
    )
    assert found(engine, table(sql)) == []


def test_a_date_that_stands_for_nothing_is_not_early(engine: DuckDB, table: Make) -> None:
    gaps = "CASE WHEN i % 4 = 0 THEN DATE '1900-01-01' WHEN i < 4 THEN created - 60 ELSE shipped END AS shipped"
    snapshot = table(f"SELECT i, created, {gaps} FROM ({ORDERS})")
    (hit,) = found(engine, snapshot)
    assert hit.rows == 3
    assert hit.mend.startswith("check t for that created <= nullif(shipped, timestamp '1900-01-01')")
    assert set_aside(engine, snapshot, hit)


def test_names_with_quotes_blanks_and_pictures_are_only_names(engine: DuckDB, table: Make) -> None:
    names = ('created "at" 🙂; --', "shipped ' at\n")
    low, high = ('"' + n.replace('"', '""') + '"' for n in names)
    early = "CASE WHEN i < 4 THEN created - 60 ELSE shipped END"
    snapshot = table(f"SELECT i, created AS {low}, {early} AS {high} FROM ({ORDERS})")
    (hit,) = found(engine, snapshot)
    assert (hit.column, hit.rows) == (names[1], 4)
    assert set_aside(engine, snapshot, hit)


def test_a_large_table_is_judged_by_a_sample_and_counted_whole(engine: DuckDB, table: Make) -> None:
    sql = ORDERS.replace("range(2000)", "range(150000)")
    snapshot = table(f"SELECT * REPLACE (CASE WHEN i < 3 THEN paid - 400 ELSE paid END AS paid) FROM ({sql})")
    (hit,) = found(engine, snapshot)
    assert (hit.column, hit.rows, hit.total) == ("paid", 3, 150_000)
