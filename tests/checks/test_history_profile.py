"""A load's profile: right numbers, the same each time, small, whatever the table is like."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from intendant.checks.history import ColumnProfile, Profile, drift, measured
from intendant.checks.history.profile import LEVELS, REST
from intendant.engines.duckdb import DuckDB
from intendant.types import Snapshot

Make = Callable[..., Snapshot]

ODD = {
    "an empty table": "SELECT 1 AS a, 'x' AS b, now() AS c WHERE false",
    "NULL alone": "SELECT NULL::BIGINT AS a, NULL::VARCHAR AS b, NULL::TIMESTAMP AS c, NULL::INT[] AS d FROM range(30)",
    "a constant": "SELECT 7 AS a, 'x' AS b, DATE '2024-01-01' AS c, true AS d, 1.5::DOUBLE AS e FROM range(30)",
    "blank texts": "SELECT ' ' AS a, '' AS b, i AS c FROM range(30) t(i)",
    "nested columns": "SELECT {'x': i, 'y': [i]} AS a, [i, i] AS b, MAP {'k': i} AS c FROM range(30) t(i)",
    "no finite number": "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, '-inf'::FLOAT AS c FROM range(30)",
    "endless times": "SELECT 'infinity'::TIMESTAMP AS a, '-infinity'::DATE AS b, '9999-12-31'::DATE AS c FROM range(30)",
    "rarer types": "SELECT uuid() AS a, 'x'::BLOB AS b, TIME '10:00' AS c, INTERVAL 1 DAY AS d, i::HUGEINT AS e, 1.25::"
    "DECIMAL(9, 2) AS f, '2024-01-01 10:00:00+02'::TIMESTAMPTZ AS g, 'a'::ENUM('a', 'b') AS h FROM range(30) t(i)",
    "names that are SQL": """SELECT 1 AS "a""b", 2 AS "select", 3 AS "; DROP TABLE t", 4 AS "" FROM range(30)""".replace(
        ', 4 AS ""', ""
    ),
    "long and odd texts": "SELECT repeat('ä', 10000) || i AS a, chr(9731) || chr(0) AS b FROM range(30) t(i)",
}


@pytest.mark.parametrize("sql", ODD.values(), ids=ODD)
def test_a_table_of_any_kind_has_a_profile_that_json_holds_and_that_compares(
    engine: DuckDB, table: Make, sql: str
) -> None:
    snapshot = table(sql)
    profile = measured(engine, snapshot)
    assert Profile.of(json.loads(json.dumps(profile.as_dict(), allow_nan=False))) == profile
    assert profile.rows == snapshot.rows
    assert list(profile.columns) == [c.name for c in snapshot.columns]
    assert drift(profile, [profile] * 8) == []


def test_counts_quantiles_values_and_the_newest_time_are_those_of_the_rows(engine: DuckDB, table: Make) -> None:
    profile = measured(
        engine,
        table(
            "SELECT i AS id, i::DOUBLE AS x, CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 1 THEN ' ' ELSE 'v' || i % 4 END"
            " AS kind, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS at, 'AB-' || i AS code FROM range(101) t(i)"
        ),
    )
    assert profile.columns["x"].quantiles == pytest.approx([100 * level for level in LEVELS])
    assert profile.columns["kind"].values == {"v2": 25, "v3": 25}
    assert profile.columns["kind"].filled == 50
    assert profile.missing("kind") == pytest.approx(51 / 101)
    assert profile.columns["at"].newest == 1704067200 + 100 * 3600
    assert profile.columns["code"].shapes == {"a-9": 101}
    assert profile.columns["id"].repeats == 0
    assert profile.repeats == 0


def test_repeated_rows_and_repeated_keys_are_counted_exactly(engine: DuckDB, table: Make) -> None:
    profile = measured(engine, table("SELECT i % 90 AS id, 'x' AS b FROM range(100) t(i)"))
    assert profile.repeats == profile.columns["id"].repeats == pytest.approx(0.1)


def test_a_time_in_the_future_of_the_load_is_not_its_newest(engine: DuckDB, table: Make) -> None:
    snapshot = table("SELECT * FROM (VALUES (TIMESTAMP '2024-05-01'), (TIMESTAMP '9999-12-31')) t(a)")
    profile = measured(engine, replace(snapshot, at="2024-05-02T00:00:00Z"))
    assert profile.columns["a"].newest == 1714521600


def test_the_same_rows_have_the_same_profile(engine: DuckDB, table: Make) -> None:
    snapshot = table("SELECT i, hash(i) % 1000 AS h, 'w' || hash(i) AS w, hash(i) % 7 AS few FROM range(30000) t(i)")
    assert measured(engine, snapshot) == measured(engine, snapshot)


def test_rare_values_and_shapes_are_summed_up(engine: DuckDB, table: Make) -> None:
    columns = ", ".join(f"repeat('-', (i % {n})::INT) || 'x' || i AS c{n}" for n in (40, 80))
    profile = measured(engine, table(f"SELECT {columns} FROM range(2000) t(i)"))
    fewer, more = profile.columns["c40"].shapes or {}, profile.columns["c80"].shapes or {}
    assert len(fewer) == 40 and REST not in fewer
    assert len(more) == 51 and more[REST] > 0


def test_a_table_of_2000_columns_is_measured_in_full_for_some_and_for_gaps_in_all(engine: DuckDB, table: Make) -> None:
    columns = ", ".join(f"CASE WHEN i % 2 = 0 THEN i + {n} END AS c{n}" for n in range(2000))
    profile = measured(engine, table(f"SELECT {columns} FROM range(400) t(i)"))
    assert len(profile.columns) == 2000
    assert profile.columns["c0"].quantiles is not None and profile.columns["c1999"].quantiles is None
    assert {c.filled for c in profile.columns.values()} == {200}
    assert len(json.dumps(profile.as_dict())) < 500_000
    emptied = replace(profile, columns={n: ColumnProfile(c.type, 0) for n, c in profile.columns.items()})
    assert {d.finding.check for d in drift(emptied, [profile] * 8)} == {"drift_missing"}
    assert drift(profile, [profile] * 8) == []
