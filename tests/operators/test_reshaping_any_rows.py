"""Lists, parts of texts, pivots and their reverse are what a few lines of Python make of any rows."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest
from any_rows import Bench, Row, by_group, rows_of, tables, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SOME
@given(rows=tables, name=st.sampled_from(("", "item")))
def test_explode_makes_a_row_of_each_element_and_drops_rows_without_any(
    bench: Bench, rows: list[Row], name: str
) -> None:
    bench.fill(rows)
    expected = [{"id": r["id"], name or "l": item, "g": r["g"]} for r in rows for item in r["l"] or ()]
    found = bench.ask(f"select id, l, g sort by id explode l{' as ' + name if name else ''}")
    assert found == expected


def test_explode_takes_a_json_array_apart(bench: Bench) -> None:
    bench.put("t", pa.table({"id": [1, 2, 3], "l": ['[1, {"a": "x"}]', "[]", None]}))
    assert bench.ask("cast l to json explode l sort by id") == [{"id": 1, "l": "1"}, {"id": 1, "l": '{"a":"x"}'}]


def test_a_list_made_by_an_aggregate_explodes_into_what_it_was_made_of(bench: Bench) -> None:
    bench.fill([{"id": i, "g": "ab"[i % 2], "x": 5 - i, "y": None, "s": None, "l": None} for i in range(4)])
    found = bench.ask("group by g: list x as xs explode xs sort by g")
    assert found == [{"g": "a", "xs": 3}, {"g": "a", "xs": 5}, {"g": "b", "xs": 2}, {"g": "b", "xs": 4}]


@SOME
@given(rows=tables, separator=st.sampled_from((",", "; ", "É", "0.", "'")))
def test_split_gives_the_parts_that_are_there(bench: Bench, rows: list[Row], separator: str) -> None:
    bench.fill(rows)

    def part(text: str | None, i: int) -> str | None:
        parts = [] if text is None else text.split(separator)
        return parts[i] if i < len(parts) else None

    expected = [{"s": r["s"], "a": part(r["s"], 0), "b c": part(r["s"], 1), "d": part(r["s"], 2)} for r in rows]
    quoted = separator.replace("'", "''")
    assert rows_of(bench.ask(f"select s split s by '{quoted}' as a, \"b c\", d")) == rows_of(expected)


def column_of(value: Any) -> str:
    return "null" if value is None else str(value)


@SOME
@given(rows=tables.filter(len), column=st.sampled_from("gx"))
def test_pivot_gives_each_value_a_column_with_the_aggregate_of_its_rows(
    bench: Bench, rows: list[Row], column: str
) -> None:
    bench.fill(rows)
    key = "x" if column == "g" else "g"
    values = sorted({r[column] for r in rows if r[column] is not None})
    values += [None] if any(r[column] is None for r in rows) else []
    expected = []
    for part in by_group(rows, key):
        cells = {}
        for v in values:
            y = [r["y"] for r in part if r[column] == v and r["y"] is not None]
            cells[column_of(v)] = sum(y) if y else None
        expected.append({key: part[0][key], **cells})
    assert rows_of(bench.ask(f"pivot {column}: sum y by {key}")) == rows_of(expected)


@SOME
@given(rows=tables)
def test_pivot_of_said_values_has_their_columns_whatever_the_rows_are(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    expected: Row = {}
    for name, v in (("c", "c"), ("null", None), ("z", "z")):
        part = [r for r in rows if r["g"] == v]
        expected[f"{name}_row_count"] = len(part)
        expected[f"{name}_most"] = max((r["x"] for r in part if r["x"] is not None), default=None)
    assert bench.ask("pivot g in ('c', null, 'z'): count, max x as most") == [expected]


@SOME
@given(rows=tables)
def test_unpivot_makes_a_row_of_each_column_and_keeps_missing_values(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    expected = [
        {"id": r["id"], "what": c, "value": None if r[c] is None else float(r[c])} for r in rows for c in ("x", "y")
    ]
    assert bench.ask("select id, x, y sort by id unpivot X, y as what, value") == expected


@SOME
@given(rows=tables.filter(len))
def test_pivot_undoes_unpivot(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    plain = bench.ask("select id, s, g")
    found = bench.ask("select id, s, g unpivot s, g as what, value pivot what in ('s', 'g'): max value by id")
    assert rows_of(found) == rows_of(plain)


@SOME
@given(rows=tables)
def test_drop_rows_takes_just_those_for_which_the_condition_is_true(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    true = [r for r in rows if r["x"] is not None and (r["x"] > 0 or (r["x"] < 0 and r["g"] == "a"))]
    stay = [r for r in rows if r not in true]
    condition = "x > 0 or (x < 0 and g = 'a')"
    assert rows_of(bench.ask(f"drop rows where {condition}")) == rows_of(stay)
    assert rows_of(bench.ask(f"filter {condition}")) == rows_of(true)


@SOME
@given(rows=tables, keys=st.lists(st.none() | st.integers(-3, 3), max_size=4))
def test_semi_and_anti_join_part_the_table_in_two(bench: Bench, rows: list[Row], keys: list[int | None]) -> None:
    bench.fill(rows)
    bench.put("other", pa.table({"key": pa.array(keys, pa.int64()), "y": pa.array(keys, pa.int64())}))
    match = [r for r in rows if r["x"] is not None and r["x"] in keys]
    assert rows_of(bench.ask("semi join other on x = key")) == rows_of(match)
    assert rows_of(bench.ask("anti join other on x = key")) == rows_of([r for r in rows if r not in match])


@SOME
@given(texts=st.lists(st.none() | words, min_size=1, max_size=8))
def test_title_gives_every_word_a_capital_and_touches_nothing_else(bench: Bench, texts: list[str | None]) -> None:
    bench.put("t", pa.table({"s": pa.array(texts, pa.string())}))

    def titled(text: str) -> str:
        pieces = re.findall(r"[^\s-]+|[\s-]+", text.lower())
        return "".join(p[:1].upper() + p[1:] if p[:1] != "ß" else p for p in pieces)

    found = [None if r["s"] is None else r["s"].replace("ẞ", "ß") for r in bench.ask("title s")]
    assert found == [None if t is None else titled(t) for t in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12", 12), (" -7 ", -7), ("x", None), ("", None), (None, None), ("99999999999999999999", None)],
)
def test_a_value_that_does_not_fit_becomes_missing_where_that_is_said(
    bench: Bench, text: str | None, expected: int | None
) -> None:
    bench.put("t", pa.table({"s": pa.array([text], pa.string())}))
    assert bench.ask("cast s to integer or empty") == [{"s": expected}]


DATES = st.dates(date(1900, 1, 1), date(2100, 1, 1))


@SOME
@given(
    days=st.lists(DATES, min_size=1, max_size=5),
    written=st.sampled_from(("%d.%m.%Y", "%m/%d/%y", "%Y%m%d", "%d %b %Y")),
)
def test_a_date_is_read_as_it_is_written(bench: Bench, days: list[date], written: str) -> None:
    texts = [d.strftime(written) for d in days]
    bench.put("t", pa.table({"s": [*texts, "no date"]}))
    expected = [datetime.strptime(t, written).date() for t in texts]
    assert bench.ask(f"cast s to date written '{written}' or empty") == [{"s": d} for d in (*expected, None)]
    assert bench.ask(f"first {len(texts)} cast s to date written '{written}'") == [{"s": d} for d in expected]


def test_a_moment_is_read_with_its_zone_and_kept_in_utc(bench: Bench) -> None:
    bench.put("t", pa.table({"s": ["31/12/24 23:30 +02:00"]}))
    assert bench.ask("cast s to timestamp written '%d/%m/%y %H:%M %z'") == [{"s": datetime(2024, 12, 31, 21, 30)}]


@SOME
@given(rows=tables)
def test_mode_variance_and_list_are_those_of_python(bench: Bench, rows: list[Row]) -> None:
    bench.fill(rows)
    found = {r["g"]: r for r in bench.ask("group by g: mode x, variance y, list x as xs, list (y * 2) as ys")}
    for part in by_group(rows, "g"):
        x, y = ([r[c] for r in part if r[c] is not None] for c in "xy")
        got = found.pop(part[0]["g"])
        assert (got["mode_x"] is None) == (not x)
        assert not x or x.count(got["mode_x"]) == max(map(x.count, x))
        mean = sum(y) / len(y) if y else 0
        spread = sum((v - mean) ** 2 for v in y) / (len(y) - 1) if len(y) > 1 else None
        assert got["variance_y"] == (None if spread is None else pytest.approx(spread))
        assert got["xs"] == (sorted(x) or None)
        assert got["ys"] == (sorted(2 * v for v in y) or None)
    assert not found
