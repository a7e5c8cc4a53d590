"""A row without a value where one is needed is set aside with the reason, and every other row is in the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from any_rows import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intendant.errors import EngineError
from intendant.language import parse
from intendant.language.guard import strict
from intendant.operators._compile import apply, sql_text
from intendant.operators._guard import guarded, hoisted

BAD = object()
"""What a value is that there isn't."""
MOST = 2**63
SCHEMA = pa.schema([("id", pa.int64()), ("x", pa.int64()), ("z", pa.int64()), ("y", pa.float64()), ("s", pa.string())])
NUMERALS = {"12": 12, " 7 ": 7, "-3": -3, "": BAD, "abc": BAD, "9223372036854775808": BAD, "4O": BAD, "1,5": BAD}
DAYS = {
    "2025-02-28": "2025-02-28",
    "2024-02-29": "2024-02-29",
    "2025-02-29": BAD,
    "2025-13-01": BAD,
    "soon": BAD,
    "": BAD,
}
whole = st.none() | st.sampled_from([0, 1, -1, 7, 2**62, 1 - 2**63, 2**63 - 1]) | st.integers(-9, 9)
real = (
    st.none()
    | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e308, -2.5, 4.0, 1e14])
    | st.integers(-40, 40).map(lambda n: n / 4)
)
rows = st.lists(
    st.fixed_dictionaries({"x": whole, "z": whole, "y": real, "s": st.none() | st.sampled_from([*NUMERALS, *DAYS])}),
    max_size=12,
).map(lambda found: [{"id": i, **r} for i, r in enumerate(found)])


def divided(a: float | None, b: int | None) -> Any:
    if a is None or b is None:
        return None
    return BAD if b == 0 else a / b


def remainder(a: int | None, b: int | None) -> Any:
    if a is None or b is None:
        return None
    if b == 0 or (a == -MOST and b == -1):
        return BAD
    return (abs(a) % abs(b)) * (1 if a >= 0 else -1)


def fits(value: int | None) -> Any:
    return value if value is None or -MOST <= value < MOST else BAD


def of(function: Callable[[float], float], good: Callable[[float], bool]) -> Callable[[float | None], Any]:
    def value(y: float | None) -> Any:
        return None if y is None else y if math.isnan(y) else function(y) if good(y) else BAD

    return value


def rounded(y: float | None) -> Any:
    return None if y is None else BAD if not math.isfinite(y) or abs(y) >= MOST else round(y)


root, logarithm = of(math.sqrt, lambda y: y >= 0), of(math.log, lambda y: y > 0)
CASES: tuple[tuple[str, Callable[[dict[str, Any]], Any], str], ...] = (
    ("derive r = y / x", lambda r: divided(r["y"], r["x"]), "divides by zero"),
    ("derive r = x % z", lambda r: remainder(r["x"], r["z"]), "x % z"),
    ("derive r = x * z", lambda r: fits(None if None in (r["x"], r["z"]) else r["x"] * r["z"]), "is too large"),
    ("derive r = x + z", lambda r: fits(None if None in (r["x"], r["z"]) else r["x"] + r["z"]), "is too large"),
    ("derive r = sqrt(y)", lambda r: root(r["y"]), "sqrt(y)"),
    ("derive r = ln(y)", lambda r: logarithm(r["y"]), "ln(y)"),
    ("derive r = integer(y)", lambda r: rounded(r["y"]), "is no integer"),
    ("derive r = if(x > 0, y / z, 0.5)", lambda r: divided(r["y"], r["z"]) if (r["x"] or 0) > 0 else 0.5, "divides by zero"),
    ("derive r = coalesce(y, x / z)", lambda r: divided(r["x"], r["z"]) if r["y"] is None else r["y"], "divides by zero"),
    ("derive r = case when z = 0 then -1 when x = 0 then -2 else y / (x * 1.0) end",
     lambda r: -1.0 if r["z"] == 0 else -2.0 if r["x"] == 0 else divided(r["y"], r["x"]), "r"),
    ("derive r = y / nullif(x, 0)", lambda r: None if r["x"] == 0 else divided(r["y"], r["x"]), ""),
    ("filter s in ('12', ' 7 ', '-3', '', 'abc', '9223372036854775808', '4O', '1,5') derive r = integer(s)",
     lambda r: NUMERALS[r["s"]], "is no integer"),
    ("filter s in ('12', ' 7 ', '-3', '', 'abc', '9223372036854775808', '4O', '1,5') derive r = s cast r to integer or empty",
     lambda r: None if NUMERALS[r["s"]] is BAD else NUMERALS[r["s"]], ""),
    ("filter s in ('12', ' 7 ', '-3', '', 'abc', '4O', '1,5') derive r = integer(s) * 2 + integer(s) * x",
     lambda r: BAD if NUMERALS[r["s"]] is BAD else None if r["x"] is None else fits(NUMERALS[r["s"]] * (2 + r["x"])), "r"),
    ("filter s in ('2025-02-28', '2024-02-29', '2025-02-29', '2025-13-01', 'soon', '') "
     "derive r = days_between(date_of(s), date_of(s)) + year(date_of(s))",
     lambda r: BAD if DAYS[r["s"]] is BAD else int(DAYS[r["s"]][:4]), "is no date"),
    ("filter s in ('2025-02-28', '2024-02-29', '2025-02-29', '2025-13-01', 'soon', '') derive r = text(date_of(s))",
     lambda r: DAYS[r["s"]], "is no date"),
)  # fmt: skip


def sorted_out(bench: Bench, operators: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of the result and those set aside."""
    steps = parse(f"query t {operators}").steps[0].args["operators"]
    good, aside = guarded("t", steps, bench.catalog(), bench.typing, "")

    def told(sql: str) -> list[dict[str, Any]]:
        names, found = bench.engine.rows(sql, {"t": bench.tables["t"]})
        return [dict(zip(names, row, strict=True)) for row in found]

    return told(sql_text(good.query)), [r for a in aside for r in told(sql_text(a.query))]


def strictly(bench: Bench, operators: str) -> list[dict[str, Any]] | None:
    """The rows of the query that stops at a bad value; None when it does."""
    steps = parse(f"query t {operators}").steps[0].args["operators"]
    query = strict(apply("t", steps, bench.catalog(), bench.typing, "").query)
    try:
        names, found = bench.engine.rows(sql_text(query), {"t": bench.tables["t"]})
    except EngineError:
        return None
    return [dict(zip(names, row, strict=True)) for row in found]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b)) or a == b
    return bool(a == b)


@pytest.mark.parametrize(("operators", "value", "why"), CASES, ids=[c[0][-40:] for c in CASES])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=rows)
def test_what_is_published_and_what_is_set_aside_are_the_input_and_no_value_is_lost(
    bench: Bench, operators: str, value: Callable[[dict[str, Any]], Any], why: str, data: list[dict[str, Any]]
) -> None:
    if operators.startswith("filter"):
        data = [r for r in data if f"'{r['s']}'" in operators]
    bench.put("t", pa.Table.from_pylist(data, schema=SCHEMA))
    good, bad = sorted_out(bench, operators)
    assert sorted(r["id"] for r in (*good, *bad)) == [r["id"] for r in data]
    expected = {r["id"]: value(r) for r in data}
    assert {r["id"] for r in bad} == {i for i, v in expected.items() if v is BAD}
    assert all(same(r["r"], expected[r["id"]]) for r in good), (good, expected)
    by_id = {r["id"]: r for r in data}
    assert all(why in r["_reason"] and same(r["y"], by_id[r["id"]]["y"]) for r in bad)
    first = strictly(bench, operators)
    assert (first is None) == bool(bad)
    assert first is None or [repr(r) for r in first] == [repr(r) for r in good]


def test_only_the_reason_says_what_was_wrong_and_the_row_is_as_it_was(bench: Bench) -> None:
    bench.put("t", pa.table({"id": [1, 2], "amount": ["7", "a'b"], "_step": ["x", "y"], "x": [1, 1], "y": [0.0, 0.0]}))
    good, bad = sorted_out(bench, "derive id = id * 10 cast amount to integer")
    assert [r["amount"] for r in good] == [7]
    assert bad == [
        {
            "id": 20, "amount": "a'b", "_step_": "y", "x": 1, "y": 0.0, "_operator": "2: cast amount to integer",
            "_reason": "`cast amount to integer`: `amount` is no integer (amount = 'a'b')",
        }
    ]  # fmt: skip


def test_a_row_that_is_left_out_anyway_is_not_set_aside(bench: Bench) -> None:
    bench.put(
        "t", pa.table({"id": [1, 2, 3], "x": [2, 0, 0], "y": [1.0, 1.0, 1.0], "s": ["a", "b", "b"], "z": [0, 0, 1]})
    )
    for operators in (
        "derive r = y / x filter s = 'a'",
        "derive r = y / x filter x > 0 and r > 0",
        "filter r > 0 and x > 0",
        "derive r = y / x drop r",
        "derive r = y / x group by s: count",
        "derive r = y / x derive r = 1",
    ):
        text = operators if "derive" in operators else f"derive r = y / x {operators}"
        _, bad = sorted_out(bench, text)
        assert not bad, operators
        assert strictly(bench, text) is not None or "r > 0" in text
    good, bad = sorted_out(bench, "derive r = y / x filter z = 0")
    assert [r["id"] for r in good] == [1] and [r["id"] for r in bad] == [2]


def test_a_group_is_made_of_the_rows_that_have_a_value(bench: Bench) -> None:
    bench.put("t", pa.table({"id": [1, 2, 3], "g": ["a", "a", "b"], "x": [2, 0, 4], "y": [1.0, 1.0, 1.0]}))
    good, bad = sorted_out(bench, "group by g: sum (y / x) as r sort by g")
    assert [(r["g"], r["r"]) for r in good] == [("a", 0.5), ("b", 0.25)]
    assert [r["id"] for r in bad] == [2]


def test_conditions_are_as_early_as_what_they_name() -> None:
    steps = (
        parse("query t derive r = y / x filter s = 'a' and r > 1 and x > 0 sort by id filter id > 3")
        .steps[0]
        .args["operators"]
    )
    moved = [(at, s.verb, s.args.get("condition", "")) for at, s in hoisted(steps)]
    assert moved == [
        (3, "filter", "id > 3"), (1, "filter", "x > 0"), (1, "filter", "s = 'a'"), (0, "derive", ""), (1, "filter", "r > 1"),
        (2, "sort", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("y / x", "ERROR('a row has no value here')"),
        ("x % x", "ERROR("),
        ("power(y, x)", "ERROR("),
        ("y / 2", ""),
        ("y / nullif(x, 0)", ""),
        ("power(y, 2)", ""),
        ("hours_between(a, a)", ""),
    ],
)
def test_only_a_division_that_may_have_no_value_is_tested(bench: Bench, text: str, test: str) -> None:
    bench.put("t", pa.table({"x": [1], "y": [1.0], "a": pa.array([0], pa.timestamp("us"))}))
    steps = parse(f"query t derive r = {text}").steps[0].args["operators"]
    sql = sql_text(strict(apply("t", steps, bench.catalog(), bench.typing, "").query))
    assert test in sql and ("ERROR" in sql) == bool(test)
