"""A join is counted from its keys before it runs, and one that would explode is told of instead."""

from __future__ import annotations

import time
from collections import Counter

import pyarrow as pa
import pytest
from any_rows import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intendant.errors import TypeMismatch, UnknownName
from intendant.language import parse
from intendant.operators._matches import Budget, Matches, exploding, refused

ANY = 50_000_000


def counted(bench: Bench, operators: str, budget: Budget, sampled_above: int = ANY) -> list[Matches]:
    steps = parse(f"query t {operators}").steps[0].args["operators"]
    return list(exploding("t", steps, bench.catalog(), bench.typing, bench.engine, bench.tables, budget, sampled_above))


def test_a_hundred_thousand_rows_of_one_key_on_each_side_are_told_of_at_once(bench: Bench) -> None:
    n = 100_000
    bench.put("t", pa.table({"k": [1] * n, "a": range(n)}))
    bench.put("u", pa.table({"k": [1] * n, "b": range(n)}))
    counted(bench, "join u on k", Budget(0, 10))
    started = time.perf_counter()
    found = counted(bench, "join u on k", Budget(1_000_000, 10))
    assert time.perf_counter() - started < 0.9
    error = refused(found[0], "`transform t join u on k`")
    assert str(error) == (
        "`join u on k` would make 10,000,000,000 rows of 100,000 and 100,000: k = 1 is in 100,000 rows here and 100,000 there "
        "(at `transform t join u on k`). Make one row of each key first, e.g. `drop duplicates by k` or `group by k: ...`; "
        "match more columns; or allow it: policy.join_budget_rows."
    )


keys = st.lists(st.tuples(st.none() | st.integers(0, 2), st.sampled_from("ab")), max_size=14)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=keys, right=keys)
def test_what_is_counted_is_what_the_join_makes(
    bench: Bench, left: list[tuple[int, str]], right: list[tuple[int, str]]
) -> None:
    schema = pa.schema([("k", pa.int64()), ("g", pa.string())])
    bench.put("t", pa.Table.from_pylist([{"k": k, "g": g} for k, g in left], schema=schema))
    bench.put("u", pa.Table.from_pylist([{"k": k, "g": g} for k, g in right], schema=schema))
    here, there = Counter(p for p in left if p[0] is not None), Counter(p for p in right if p[0] is not None)
    made = sum(n * there[p] for p, n in here.items())
    found = counted(bench, "join u on k and g", Budget(1, 1))
    larger = max(here.total(), there.total())
    assert bool(found) == (made > 1 and made > larger)
    assert not found or (found[0].rows, found[0].left, found[0].right) == (made, here.total(), there.total())


def test_steps_before_a_join_count_also_when_a_value_would_stop_them(bench: Bench) -> None:
    bench.put("t", pa.table({"k": ["1"] * 20 + ["x"], "a": range(21)}))
    bench.put("u", pa.table({"k": [1] * 30}))
    found = counted(bench, "filter a > 4 cast k to integer join u on k", Budget(100, 10))
    assert [(m.rows, m.left, m.right) for m in found] == [(450, 15, 30)]
    assert counted(bench, "cast k to integer drop duplicates by k join u on k", Budget(1, 1)) == []
    assert counted(bench, "cast k to integer semi join u on k", Budget(1, 1)) == []
    assert counted(bench, "cast k to integer join u on k", Budget(0, 1)) == [], "a budget of 0 rows is none"


def test_huge_tables_are_counted_in_a_sample(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intendant.operators._matches.SAMPLE_ROWS", 4_000)
    n = 40_000
    bench.put("t", pa.table({"k": [i if i % 2 else 0 for i in range(n)]}))
    bench.put("u", pa.table({"k": [i if i % 2 else 0 for i in range(n)]}))
    (found,) = counted(bench, "join u on k", Budget(1_000_000, 10), sampled_above=1_000)
    exact = (n // 2) ** 2 + n // 2
    assert not found.exact and "would make about" in found.text
    assert 0.8 * exact < found.rows < 1.25 * exact and found.worst[0].startswith("k = 0 is in ")


def test_keys_that_do_not_fit_are_named(bench: Bench) -> None:
    bench.put("t", pa.table({"id": [1], "l": [[1]]}))
    bench.put("u", pa.table({"key": ["1"], "l": [["a"]]}))
    with pytest.raises(UnknownName) as swapped:
        bench.ask("join u on key = id")
    assert swapped.value.hint == "The column of this table comes first: `on id = key`."
    with pytest.raises(TypeMismatch) as kinds:
        bench.ask("join u on id = key")
    assert str(kinds.value) == (
        "'id' is BIGINT, 'key' is VARCHAR: they can't match (at `join u on id = key`). Cast one first: `cast id to text`."
    )
    with pytest.raises(TypeMismatch, match=r"'l' is BIGINT.., 'l' is VARCHAR.."):
        bench.ask("join u on l")
