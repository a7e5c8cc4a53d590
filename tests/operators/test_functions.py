"""Every function of expressions gives what its page says, on a real engine."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from any_rows import Bench

from intendant.errors import IntendantError
from intendant.language.functions import FUNCTIONS, MOMENTS

ROW = {
    "s": " Anna-Lena, B ",
    "n": -2.5,
    "i": 7,
    "m": None,
    "a": dt.datetime(2025, 3, 30, 10, 59, 30),
    "b": dt.datetime(2025, 3, 31, 11, 1),
    "d": dt.date(2025, 12, 28),
    "items": [3, 5],
}
SCHEMA = pa.schema(
    [
        ("s", pa.string()),
        ("n", pa.float64()),
        ("i", pa.int64()),
        ("m", pa.int64()),
        ("a", pa.timestamp("us")),
        ("b", pa.timestamp("us")),
        ("d", pa.date32()),
        ("items", pa.list_(pa.int64())),
    ]
)
CASES: tuple[tuple[str, Any], ...] = (
    ("lower(s)", " anna-lena, b "),
    ("upper(s)", " ANNA-LENA, B "),
    ("trim(s)", "Anna-Lena, B"),
    ("length(s)", 14),
    ("replace(s, 'n', '')", " Aa-Lea, B "),
    ("left(trim(s), 4)", "Anna"),
    ("right(s, 2)", "B "),
    ("substring(s, 2, 4)", "Anna"),
    ("concat(i, '/', m, '/', i)", "7//7"),
    ("split_part(trim(s), ', ', 2)", "B"),
    ("regexp_extract(s, '[A-Z]\\w+')", "Anna"),
    ("regexp_replace(s, '[^A-Z]', '')", "ALB"),
    ("lpad(text(i), 3, '0')", "007"),
    ("initcap('aNNA lena')", "Anna lena"),
    ("text(i)", "7"),
    ("abs(n)", 2.5),
    ("round(n)", -3.0),
    ("round(n * 1.11, 1)", -2.8),
    ("floor(n)", -3.0),
    ("ceil(n)", -2.0),
    ("sqrt(i + 2)", 3.0),
    ("ln(exp(2))", 2.0),
    ("log10(1000)", 3.0),
    ("exp(0)", 1.0),
    ("power(i, 2)", 49.0),
    ("sign(n)", -1),
    ("number('1.5')", 1.5),
    ("integer('12')", 12),
    ("coalesce(m, i, 0)", 7),
    ("nullif(i, 7)", None),
    ("greatest(i, 9)", 9),
    ("least(i, 9)", 7),
    ("if(i > 5, 'big', 'small')", "big"),
    ("year(a)", 2025),
    ("quarter(d)", 4),
    ("month(a)", 3),
    ("week(d)", 52),
    ("day(a)", 30),
    ("hour(a)", 10),
    ("minute(a)", 59),
    ("weekday(d)", 7),
    ("day_name(d)", "Sunday"),
    ("month_name(d)", "December"),
    ("start_of('month', d)", dt.datetime(2025, 12, 1)),
    ("days_between(a, b)", 1 + 90 / 86_400),
    ("days_between(d, date '2026-01-01')", 4.0),
    ("hours_between(a, b)", 24 + 90 / 3_600),
    ("seconds_between(a, b)", 86_490.0),
    ("hours_between(b, a)", -24 - 90 / 3_600),
    ("hours_between(a, nullif(b, b))", None),
    ("date_of(a)", dt.date(2025, 3, 30)),
    ("timestamp_of('2025-03-30 10:00:00')", dt.datetime(2025, 3, 30, 10)),
    ("format_date(a, '%Y-%m')", "2025-03"),
    ("add_days(d, 4)", dt.datetime(2026, 1, 1)),
    ("element(items, 2)", 5),
    ("elements(items)", 2),
    ("any_contains(items, 3)", True),
)


@pytest.fixture(scope="module")
def one(bench: Bench) -> Bench:
    bench.put("t", pa.Table.from_pylist([ROW], schema=SCHEMA))
    return bench


@pytest.mark.parametrize(("written", "wanted"), CASES, ids=[c[0] for c in CASES])
def test_a_function_gives_what_its_page_says(one: Bench, written: str, wanted: Any) -> None:
    found = one.ask(f"derive x = {written}")[0]["x"]
    assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


def test_no_function_is_left_out_here() -> None:
    assert {c[0].partition("(")[0] for c in CASES} == set(FUNCTIONS)


def test_the_present_is_a_moment_and_a_day(one: Bench) -> None:
    found = one.ask("derive x = now() derive y = today()")[0]
    assert found["x"].date() == found["y"] and {f.form for f in MOMENTS} == {"now()", "today()"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("lower(s, s)", "`lower` takes 1 argument, 2 given"),
        ("days_between(a)", "`days_between` takes 2 arguments, 1 given"),
        ("start_of('decade', a)", "`start_of` begins with"),
        ("coalesce(s, i)", "they can't stand for each other"),
        ("lowr(s)", "Did you mean"),
    ],
)
def test_a_function_used_wrongly_says_how_it_is_used(one: Bench, written: str, said: str) -> None:
    with pytest.raises(IntendantError) as e:
        one.ask(f"derive x = {written}")
    assert said in f"{e.value} {e.value.hint}"
