"""Columns computed from others: the rows in which they aren't are found, and chance makes no relation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.checks.aside import set_aside

from intendant.checks.detectors.arithmetic import Arithmetic
from intendant.checks.detectors.missing import Missing
from intendant.checks.subject import examine
from intendant.engines.duckdb import DuckDB
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
SALES = """
SELECT *, round(price * quantity, 2) AS gross_price, round(net * rate / 100, 2) AS tax FROM (
    SELECT i, round((hash(i * 3) % 90000) / 100.0, 2)::DOUBLE AS net, [7, 19, 0][1 + (hash(i * 9) % 3)::INTEGER] AS rate,
           round((100 + hash(i * 5) % 9000) / 100.0, 2)::DOUBLE AS price, 1 + (hash(i * 7) % 9)::INTEGER AS quantity,
           [0, 0.05, 0.1, 0.25][1 + (hash(i * 11) % 4)::INTEGER]::DOUBLE AS discount, (hash(i * 17) % 7)::INTEGER AS men,
           (hash(i * 19) % 5)::INTEGER AS women, (hash(i * 23) % 9)::INTEGER AS children
    FROM range(2000) r(i))
"""
OFF = "CASE WHEN i < 7 THEN 100 ELSE 0 END"
PLANTED = {
    "a sum": (f"i, net, tax, round(net + tax, 2) + {OFF} AS total", "total", "abs(total - (net + tax)) <= 0.015", 7),
    "a sum rounded apart": (
        f"i, net, tax, round(net + tax + (i % 3 - 1) / 100.0, 2) + {OFF} AS total",
        "total",
        "abs(total - (net + tax)) <= 0.015",
        7,
    ),
    "a sum of three": (
        f"i, men, women, children, men + women + children + {OFF} AS people",
        "people",
        "number(people) = number(men) + number(women) + number(children)",
        7,
    ),
    "a difference": (
        f"i, net, tax, round(net - tax, 2) + {OFF} AS profit",
        "profit",
        "abs(profit - (net - tax)) <= 0.015",
        7,
    ),
    "more off than on": (
        f"i, net, tax, price AS rebate, round(net + tax - price, 2) + {OFF} AS total",
        "total",
        "abs(total - (net + tax - rebate)) <= 0.015",
        7,
    ),
    "a product": (
        f"i, price, quantity, gross_price + {OFF} AS amount",
        "amount",
        "abs(amount - price * number(quantity)) <= 0.015",
        7,
    ),
    "a percentage": (f"i, net, rate, tax + {OFF} AS tax", "tax", "abs(tax - net * number(rate) / 100) <= 0.015", 7),
    "a discount as a share": (
        f"i, price, quantity, discount, round(price * quantity * (1 - discount), 2) + {OFF} AS amount",
        "amount",
        "abs(amount - price * number(quantity) * (1 - discount)) <= 0.015",
        7,
    ),
    "a discount in percent": (
        f"i, price, quantity, (discount * 100)::INTEGER AS disc, round(price * quantity * (1 -"
        f" discount), 2) + {OFF} AS amount",
        "amount",
        "abs(amount - price * number(quantity) * (1 - number(disc) / 100)) <= 0.015",
        7,
    ),
    "numbers as text": (
        f"i, net::VARCHAR AS net, CASE WHEN i = 9 THEN 'n/a' ELSE tax::VARCHAR END AS tax,"
        f" (round(net + tax, 2) + {OFF})::VARCHAR AS total",
        "total",
        "abs(case when total matches '^-?[0-9]+([.][0-9]+)?$' then number(total) end - ",
        7,
    ),
    "decimals and gaps": (
        f"i, net::DECIMAL(12, 2) AS net, nullif(tax, 0)::DECIMAL(12, 2) AS tax, (net + tax +"
        f" {OFF})::DECIMAL(12, 2) AS total",
        "total",
        "abs(number(total) - (number(net) + number(tax))) <= 0.015",
        None,
    ),
    "digits without end": (
        f"i, net / 7 AS a, tax / 7 AS b, net / 7 + tax / 7 + {OFF} AS total",
        "total",
        "abs(total - (a + b)) <= ",
        7,
    ),
    "single precision": (
        f"i, net::FLOAT AS a, tax::FLOAT AS b, (net + tax + {OFF})::FLOAT AS total",
        "total",
        "abs(number(total) - (number(a) + number(b))) <= ",
        7,
    ),
}
FLAG = "(hash(i * {}) % 20 = 0)::INTEGER"
CLEAN = {
    "all right": f"SELECT *, round(net + tax, 2) AS total FROM ({SALES})",
    "independent": "SELECT hash(i) % 9 AS a, hash(i * 3) % 9 AS b, hash(i * 5) % 9 AS c, hash(i * 7) % 9 AS d, hash(i * 9)"
    " % 9 AS e FROM range(2000) r(i)",
    "mostly zeros": f"SELECT {', '.join(f'{FLAG.format(k)} AS c{k}' for k in range(3, 21))} FROM range(2000) r(i)",
    "mostly ones": "SELECT x AS a, CASE WHEN i % 25 = 0 THEN 2 ELSE 1 END AS b, CASE WHEN i % 30 = 1 THEN x + 9 ELSE x END"
    " AS c FROM (SELECT i, hash(i) % 900 AS x FROM range(2000) r(i))",
    "a copy": f"SELECT i, net, CASE WHEN i < 9 THEN net + 5 ELSE net END AS again, tax, men FROM ({SALES})",
    "constants": f"SELECT i, net, 3 AS three, CASE WHEN i < 9 THEN net ELSE net + 3 END AS more FROM ({SALES})",
    "skewed": "SELECT exp((hash(i) % 900) / 100.0) AS a, exp((hash(i * 3) % 900) / 100.0) AS b, exp((hash(i * 5) % 900) /"
    " 100.0) AS c FROM range(2000) r(i)",
    "few rows": f"SELECT net, tax, round(net + tax, 2) + CASE WHEN i = 3 THEN 9 ELSE 0 END AS total FROM ({SALES}) LIMIT 19",
    "no rows": f"SELECT * FROM ({SALES}) WHERE false",
    "one row": f"SELECT * FROM ({SALES}) LIMIT 1",
    "one column": f"SELECT net FROM ({SALES})",
    "all missing": "SELECT NULL::INTEGER AS a, NULL::DOUBLE AS b, NULL::VARCHAR AS c FROM range(90)",
    "nested": f"SELECT [net] AS net, {{'a': tax}} AS tax, MAP {{'k': net + tax}} AS total FROM ({SALES})",
    "endless": "SELECT CASE WHEN i % 9 = 0 THEN 'NaN'::DOUBLE ELSE i * 1e300 END AS a, CASE WHEN i % 7 = 0 THEN"
    " 'infinity'::DOUBLE ELSE i * 1e300 END AS b, i * 1e10 AS c, (i::HUGEINT * 1000000000000000000000)::HUGEINT"
    " AS d, 170141183460469231731687303715884105727::HUGEINT - i AS e FROM range(200) r(i)",
    "hostile": 'SELECT \'x\'\'"--\' || i AS "a""b", i AS " ", hash(i) % 9 AS "🙂", repeat(\'9\', 100000) || i AS long FROM'
    " range(40) r(i)",
    "codes": "SELECT lpad((hash(i) % 90)::VARCHAR, 4, '0') AS a, lpad((hash(i * 3) % 90)::VARCHAR, 4, '0') AS b, lpad(((hash"
    "(i) % 90) + hash(i * 3) % 90 + (i < 5)::INTEGER)::VARCHAR, 4, '0') AS c FROM range(2000) r(i)",
}


def found(engine: DuckDB, snapshot: Snapshot) -> list[Finding]:
    with examine(engine, "t", snapshot) as subject:
        if subject.total:
            list(Missing().find(subject))
        return list(Arithmetic().find(subject))


@pytest.mark.parametrize("fault", PLANTED)
def test_rows_that_dont_add_up_are_found_and_can_be_set_aside(fault: str, engine: DuckDB, table: Make) -> None:
    select, column, condition, rows = PLANTED[fault]
    snapshot = table(f"SELECT {select} FROM ({SALES})")
    (hit,) = found(engine, snapshot)
    wrong = rows or engine.rows("SELECT count(*) FROM t WHERE i < 7 AND tax IS NOT NULL", {"t": snapshot})[1][0][0]
    assert (hit.check, hit.column, hit.rows, hit.total) == ("arithmetic", column, wrong, 2000)
    assert column in hit.evidence
    assert hit.evidence.endswith(".")
    assert hit.mend.startswith(f"check t for that {condition}")
    assert set_aside(engine, snapshot, hit)


@pytest.mark.parametrize("sql", CLEAN.values(), ids=CLEAN)
def test_nothing_is_said_without_a_relation(sql: str, engine: DuckDB, table: Make) -> None:
    assert found(engine, table(sql)) == []


def test_the_sentence_says_the_relation_and_why_nothing_is_rewritten(engine: DuckDB, table: Make) -> None:
    sql = f"SELECT net, tax, net + tax + {OFF} AS total FROM ({SALES}) ORDER BY i"
    (hit,) = found(engine, table(sql))
    assert hit.evidence.startswith(
        "7 of 2000 values of total are not net + tax, which holds in the other 1993 rows that"
    )
    assert hit.evidence.endswith(
        "any of these cells may be the wrong one, so the mend sets the rows aside and computes nothing anew."
    )
    assert hit.mend == "check t for that abs(total - (net + tax)) <= 0.015 on failure quarantine"


@pytest.mark.parametrize(
    ("wrong", "column", "said"),
    [
        ("tax", "tax", "net * number(rate) / 100"),
        ("total", "total", "net + tax"),
    ],
)
def test_of_relations_that_follow_from_each_other_one_is_said(
    wrong: str, column: str, said: str, engine: DuckDB, table: Make
) -> None:
    sql = f"SELECT i, net, rate, tax, round(net + tax, 2) AS total FROM ({SALES})"
    (hit,) = found(engine, table(f"SELECT * REPLACE ({wrong} + {OFF} AS {wrong}) FROM ({sql})"))
    assert (hit.column, hit.rows) == (column, 7)
    assert said in hit.mend


def test_a_fee_that_few_rows_have_belongs_to_the_relation(engine: DuckDB, table: Make) -> None:
    sql = (
        f"SELECT net, tax, CASE WHEN i % 30 = 0 THEN 5 + i % 4 ELSE 0 END AS fee, round(net + tax, 2) AS total, i"
        f" FROM ({SALES})"
    )
    assert found(engine, table(f"SELECT * REPLACE (total + fee AS total) FROM ({sql})")) == []
    snapshot = table(f"SELECT * REPLACE (total + fee + {OFF} AS total) FROM ({sql})")
    (hit,) = found(engine, snapshot)
    assert (hit.column, hit.rows, "net + tax + number(fee)" in hit.mend) == ("total", 7, True)
    assert set_aside(engine, snapshot, hit)


def test_exceptions_that_another_column_explains_are_no_error(engine: DuckDB, table: Make) -> None:
    sql = (
        f"SELECT net, tax, CASE WHEN i % 30 = 0 THEN 'YEN' ELSE 'EUR' END AS currency,"
        f" CASE WHEN i % 30 = 0 THEN net ELSE net + tax END AS total FROM ({SALES})"
    )
    assert found(engine, table(sql)) == []


def test_digits_lost_from_the_price_are_no_error(engine: DuckDB, table: Make) -> None:
    sql = (
        "SELECT round(exact, 2) AS price, quantity, round(exact * quantity, 2) AS amount FROM (SELECT (hash(i) % 900000)"
        " / 10000.0 AS exact, 1 + (hash(i * 7) % 60 = 0)::INTEGER * 40 + hash(i * 3) % 3 AS quantity FROM range(2000) r(i))"
    )
    assert found(engine, table(sql)) == []


def test_small_whole_numbers_that_agree_by_chance_make_no_relation(engine: DuckDB, table: Make) -> None:
    sql = (
        "SELECT (hash(i) % 50 = 0)::INTEGER + 1 AS a, (hash(i * 3) % 50 = 0)::INTEGER + 1 AS b, (hash(i * 5) % 60 = 0)"
        "::INTEGER + 1 AS c, (hash(i * 7) % 60 = 0)::INTEGER + 2 AS d FROM range(2000) r(i)"
    )
    snapshot = table(sql)
    held = engine.rows("SELECT count(*) FROM t WHERE d = a + b OR a = b * c", {"t": snapshot})[1][0][0]
    assert held > 1900
    assert found(engine, snapshot) == []


def test_a_value_that_stands_for_nothing_breaks_no_relation(engine: DuckDB, table: Make) -> None:
    sql = f"SELECT i, men, women, CASE WHEN i % 4 = 0 THEN 9999 ELSE men + women + {OFF} END AS people FROM ({SALES})"
    snapshot = table(sql)
    (hit,) = found(engine, snapshot)
    assert hit.rows == 5
    assert "nullif(people, 9999)" in hit.mend
    assert set_aside(engine, snapshot, hit)


def test_large_whole_numbers_dont_overflow(engine: DuckDB, table: Make) -> None:
    sql = (
        f"SELECT i, 100 + (hash(i) % 100)::UTINYINT AS a, 100 + (hash(i * 3) % 100)::UTINYINT AS b,"
        f" (200 + hash(i) % 100 + hash(i * 3) % 100 + {OFF})::INTEGER AS total FROM range(2000) r(i)"
    )
    snapshot = table(f"SELECT i, a::UTINYINT AS a, b::UTINYINT AS b, total FROM ({sql})")
    (hit,) = found(engine, snapshot)
    assert (hit.column, hit.rows) == ("total", 7)
    assert set_aside(engine, snapshot, hit)


def test_names_with_quotes_blanks_and_pictures_are_only_names(engine: DuckDB, table: Make) -> None:
    names = ('ne"t 🙂; --', "tax '\n", " ")
    a, b, c = ('"' + n.replace('"', '""') + '"' for n in names)
    snapshot = table(f"SELECT i, net AS {a}, tax AS {b}, net + tax + {OFF} AS {c} FROM ({SALES})")
    (hit,) = found(engine, snapshot)
    assert (hit.column, hit.rows) == (" ", 7)
    assert set_aside(engine, snapshot, hit)


def test_a_large_table_is_judged_by_a_sample_and_counted_whole(engine: DuckDB, table: Make) -> None:
    sql = SALES.replace("range(2000)", "range(150000)")
    (hit,) = found(engine, table(f"SELECT i, net, tax, round(net + tax, 2) + {OFF} AS total FROM ({sql})"))
    assert (hit.column, hit.rows, hit.total) == ("total", 7, 150_000)
