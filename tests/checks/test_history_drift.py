"""Drift: what has changed is found and said, what only moves as it always did isn't."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from intendant.checks.history import METRICS, ColumnProfile, Drift, Limits, Profile, drift, measured
from intendant.checks.history.budget import holm
from intendant.checks.history.forecast import chance_of, spread_of, surprise
from intendant.checks.history.metrics import categories, numbers
from intendant.checks.history.profile import LEVELS
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.types import Column, Snapshot

ROWS = 800
GOOD = """SELECT {seed} * 100000 + i AS id, TIMESTAMP '2024-01-01' + INTERVAL ({seed} * 86400 + i * 100) SECOND AS at,
    (hash(i + {seed} * 7919) % 10000) / 100.0 AS price, ['a', 'b', 'c'][(hash(i + {seed} * 31) % 10 // 4 + 1)::INT] AS kind,
    CASE WHEN hash(i + {seed} * 17) % 50 > 0 THEN 'u' || hash(i + {seed}) || '@x.org' END AS email
    FROM range({rows}) t(i)"""


@pytest.fixture(scope="module")
def load(engine: DuckDB, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Profile]:
    """The profile of day `seed`'s load, whose rows `change` (SQL over the good ones) may have altered."""
    folder = tmp_path_factory.mktemp("loads")

    @functools.cache
    def made(seed: int, change: str = "SELECT * FROM good", rows: int = ROWS) -> Profile:
        path = folder / f"{len(list(folder.iterdir()))}.parquet"
        with engine.connect() as con:
            good = GOOD.format(seed=seed, rows=rows)
            con.execute(f"COPY (WITH good AS ({good}) {change}) TO '{path}' (FORMAT parquet)")
            columns = tuple(Column(r[0], r[1]) for r in con.execute(f"DESCRIBE FROM '{path}'").fetchall())
        return measured(engine, Snapshot("t", seed, "", 0, 0, columns, (str(path),)))

    return made


@pytest.fixture(scope="module")
def past(load: Callable[..., Profile]) -> list[Profile]:
    return [load(day, rows=ROWS + day * 7 % 30) for day in range(10)]


def checks(found: Sequence[Drift]) -> dict[tuple[str, str | None], bool]:
    return {(d.finding.check, d.finding.column): d.breaks for d in found}


FAULTS = {
    "rows that are gone": ("FROM good WHERE hash(id) % 8 < 3", {("drift_volume", None): True}),
    "rows of a second load": (
        "FROM good UNION ALL SELECT * REPLACE (id + 50000 AS id) FROM good",
        {("drift_volume", None): False},
    ),
    "a lost column": ("SELECT * EXCLUDE (kind) FROM good", {("drift_schema", "kind"): True}),
    "a number that is text": (
        "SELECT * REPLACE (price || ' EUR' AS price) FROM good",
        {("drift_schema", "price"): True},
    ),
    "a new column": ("SELECT *, 1 AS extra FROM good", {("drift_schema", "extra"): False}),
    "another unit": ("SELECT * REPLACE (price * 100 AS price) FROM good", {("drift_distribution", "price"): False}),
    "another unit around zero": (
        "SELECT * REPLACE ((price - 50) * 100 + 50 AS price) FROM good",
        {("drift_scale", "price"): False, ("drift_distribution", "price"): False},
    ),
    "gaps": (
        "SELECT * REPLACE (CASE WHEN hash(id) % 5 > 0 THEN email END AS email) FROM good",
        {("drift_missing", "email"): False},
    ),
    "an emptied column": (
        "SELECT * REPLACE (NULL::VARCHAR AS email) FROM good",
        {("drift_missing", "email"): True},
    ),
    "a new value": (
        "SELECT * REPLACE (CASE WHEN id % 12 = 0 THEN 'd' ELSE kind END AS kind) FROM good",
        {("drift_new_values", "kind"): False},
    ),
    "another mix": (
        "SELECT * REPLACE (CASE WHEN kind = 'a' AND id % 3 > 0 THEN 'b' ELSE kind END AS kind) FROM good",
        {("drift_categories", "kind"): False},
    ),
    "texts of another shape": (
        "SELECT * REPLACE (replace(email, '@', ' at ') AS email) FROM good",
        {("drift_categories", "email"): False},
    ),
    "repeated rows": (
        "FROM (SELECT * FROM good LIMIT 700) UNION ALL (SELECT * FROM good LIMIT 100)",
        {("drift_duplicates", None): False, ("drift_duplicates", "id"): False},
    ),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_change_is_found_by_its_metric_and_breaks_only_what_readers_rely_on(
    load: Callable[..., Profile], past: list[Profile], change: str, expected: dict[tuple[str, str | None], bool]
) -> None:
    found = checks(drift(load(10, change), past))
    assert expected.items() <= found.items()
    assert {c for c, _ in found} <= {c for c, _ in expected} | {"drift_duplicates", "drift_categories", "drift_scale"}


def test_the_load_of_the_day_before_again_is_stale(load: Callable[..., Profile], past: list[Profile]) -> None:
    [found] = drift(load(9, rows=ROWS + 9 * 7 % 30), past)
    assert (found.finding.check, found.finding.column) == ("drift_freshness", "at")
    assert "as in the load before; usually it is 24" in found.finding.evidence


def test_a_finding_says_what_was_what_is_how_sure_and_what_to_do(
    load: Callable[..., Profile], past: list[Profile]
) -> None:
    changed = "SELECT * REPLACE (CASE WHEN hash(id) % 4 > 0 THEN email END AS email) FROM good LIMIT 200"
    for d in drift(load(10, changed), past):
        f = d.finding
        assert set(f.samples[0]) == {"before", "now"}
        assert f.evidence.endswith(".") and 0.9 < f.confidence < 1
        assert parse(f.mend).steps


def test_good_loads_are_called_good(load: Callable[..., Profile], past: list[Profile]) -> None:
    assert [drift(load(day), past) for day in range(10, 14)] == [[]] * 4


def test_with_few_loads_only_gross_changes_are_told(load: Callable[..., Profile], past: list[Profile]) -> None:
    few = past[:3]
    assert drift(load(10, "SELECT * EXCLUDE (kind) FROM good LIMIT 300"), few) == []
    assert checks(drift(load(10, "FROM good LIMIT 50"), few)) == {("drift_volume", None): True}
    assert checks(drift(load(10, rows=9000), few[:1])) == {("drift_volume", None): False}
    assert drift(load(10, "FROM good LIMIT 50"), []) == []


def rows(counts: Sequence[int], start: str = "2024-01-01T06:00:00Z", part: bool = False) -> list[Profile]:
    first = datetime.fromisoformat(start)
    return [
        Profile("t", i, (first + timedelta(days=i)).isoformat(), "", "", "ingest", "", part, n, {})
        for i, n in enumerate(counts)
    ]


def test_an_increment_that_is_small_is_no_break() -> None:
    *past, now = rows([1000] * 12 + [5], part=True)
    assert not any(d.breaks for d in drift(now, past))


def test_a_trend_is_no_drift_and_its_end_is_one() -> None:
    grown = [round(1000 * 1.05**i) for i in range(30)]
    *past, now = rows(grown)
    assert drift(now, past) == []
    assert [d.finding.check for d in drift(replace(now, rows=1000), past)] == ["drift_volume"]


def test_a_weekday_is_compared_with_its_like_once_there_are_enough_of_it() -> None:
    week = [1000, 1000, 1000, 1000, 1000, 200, 150]
    *past, now = rows([n + i % 5 for i, n in enumerate(week * 6)])
    assert drift(now, past) == []
    assert [d.finding.check for d in drift(replace(now, rows=1000), past)] == ["drift_volume"]


def test_a_level_shift_is_news_for_a_few_loads_and_then_the_level() -> None:
    counts = [1000 + i % 7 for i in range(20)] + [3000 + i % 7 for i in range(6)]
    loads = rows(counts)
    told = [bool(drift(loads[i], loads[:i])) for i in range(20, 26)]
    assert told[0] and not any(told[3:])


def test_one_bad_load_in_the_past_neither_hides_the_next_nor_makes_the_good_ones_bad() -> None:
    *past, now = rows([1000 + i % 9 for i in range(24)] + [100] + [1003, 1001])
    assert drift(now, past) == []
    assert drift(replace(now, rows=90), past)


def test_empty_loads_in_the_past_and_now_are_compared_like_any() -> None:
    *past, now = rows([0] * 9)
    assert drift(now, past) == []
    assert drift(replace(now, rows=500), past)
    assert [d.breaks for d in drift(replace(now, rows=0), rows([400] * 8))] == [True]


def test_false_alarms_stay_within_the_budget_whatever_the_number_of_columns() -> None:
    r = random.Random(5)

    def noise() -> Profile:
        columns = {}
        for i in range(12):
            values = sorted(r.gauss(50, 10) for _ in range(300))
            quantiles = tuple(values[round(level * 299)] for level in LEVELS)
            columns[f"c{i}"] = ColumnProfile("DOUBLE", 300 - sum(r.random() < 0.05 for _ in range(300)), 300, quantiles)
        return Profile("t", 0, "", "", "", "", "", False, round(1000 * (1 + r.gauss(0, 0.05))), columns)

    loads = [noise() for _ in range(40)]
    alarms = sum(bool(drift(loads[i], [replace(p, at="") for p in loads[:i]])) for i in range(4, 40))
    assert alarms <= 1


def test_holm_spends_the_budget_once() -> None:
    assert holm([0.001, 0.5, 0.004], 0.01) == [0.003, None, 0.008]
    assert holm([0.004, 0.004, 0.004], 0.01) == [None, None, None]
    assert holm([], 0.01) == []


def test_the_chance_of_a_t_is_that_of_the_tables() -> None:
    for t, freedom, chance in ((2.776, 4, 0.05), (2.228, 10, 0.05), (4.604, 4, 0.01), (3.169, 10, 0.01)):
        assert chance_of(t, freedom) == pytest.approx(chance, rel=0.1)


def test_spread_is_a_standard_deviation_that_a_few_values_do_not_move() -> None:
    r = random.Random(3)
    values = [r.gauss(0, 2) for _ in range(60)]
    assert spread_of(values) == pytest.approx(2, rel=0.25)
    assert spread_of([*values[:50], *[1000.0] * 10]) < 4
    assert spread_of([5.0] * 9) == spread_of([1.0]) == 0


def test_a_side_that_is_of_no_interest_is_no_surprise() -> None:
    steady = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0]
    assert surprise(9.0, steady, prior=0.1, side=-1).chance == 1.0
    assert surprise(9.0, steady, prior=0.1, side=1).chance < 0.001


def test_distances_are_zero_for_the_same_and_one_for_strangers() -> None:
    q = tuple(level * 10 for level in LEVELS)
    assert numbers.distance(q, q) == 0
    assert numbers.distance(q, [x + 100 for x in q]) == 1
    assert numbers.distance([5.0] * len(LEVELS), [5.0] * len(LEVELS)) == 0
    assert categories.distance({"a": 1.0}, {"a": 1.0}) == 0
    assert categories.distance({"a": 1.0}, {"b": 1.0}) == 1


def test_a_metric_says_what_it_finds_and_has_a_name_of_its_own() -> None:
    assert len({m.name for m in METRICS}) == len(METRICS)
    assert all(m.summary and m.example and m.name.startswith("drift_") for m in METRICS)
    assert Limits().versions == 4
