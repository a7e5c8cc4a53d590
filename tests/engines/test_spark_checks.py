"""Declared rules counted by Spark: the same findings as from DuckDB, with the same counts, examples and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.spark_bench import MISSING, Pair

from intendant import checks
from intendant.engines.duckdb import DuckDB
from intendant.engines.spark import Spark
from intendant.engines.spark_session import Settings, _Shared
from intendant.errors import EngineError, TypeMismatch
from intendant.types import Finding, Rule

on_spark = [pytest.mark.spark, pytest.mark.skipif(bool(MISSING), reason=MISSING), pytest.mark.timeout(200)]
pytestmark = on_spark

RULES: dict[str, Rule] = {
    "missing": Rule("not_null", column="i"),
    "not missing": Rule("not_null", column="id"),
    "repeated": Rule("unique", column="k"),
    "not repeated": Rule("unique", column="id"),
    "repeated text": Rule("unique", column="g"),
    "repeated pairs": Rule("unique", columns=("g", "k")),
    "numbers": Rule("range", column="n", min=0, max=3),
    "whole numbers, open": Rule("range", column="i", min=2, min_exclusive=True),
    "decimals": Rule("range", column="d", max=1),
    "days": Rule("range", column="day", min="2025-01-01"),
    "moments": Rule("range", column="a", max="2025-04-01 10:00"),
    "allowed texts": Rule("allowed_values", column="g", values=("a", "c")),
    "allowed numbers": Rule("allowed_values", column="k", values=(0, 1)),
    "pattern": Rule("pattern", column="s", regex=r"[A-Za-z ,-]+"),
    "pattern without case": Rule("pattern", column="s", regex=r"(?i).*É.*|x|"),
    "pattern of lines": Rule("pattern", column="german", regex=r"\d+\.\d+\.\d{4}.*"),
    "key elsewhere": Rule("foreign_key", column="g", ref="staging.o.g"),
    "number elsewhere": Rule("foreign_key", column="id", ref="staging.o.k"),
    "old": Rule("freshness", column="a", seconds=3600),
    "fresh": Rule("freshness", column="a", seconds=10**10),
    "few rows": Rule("row_count", min=100),
    "enough rows": Rule("row_count", min=1, max=100),
    "expression": Rule("expression", expression="n > i or s starts with 'x'"),
    "expression of one column": Rule("expression", expression="coalesce(k, 0) < 2"),
    "expression of times": Rule("expression", expression="days_between(a, b) >= 0"),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("checks"))
    yield made
    made.spark.close()
    made.duckdb.close()


def found(pair: Pair, rules: list[Rule], table: str = "t", *, spark: bool) -> list[Finding]:
    others = {"staging.o": pair.tables["staging.o"]}
    pair.duckdb.worker = Counted(pair.spark) if spark else None
    try:
        return checks.audit(pair.duckdb, table, pair.tables[table], rules, others)
    finally:
        pair.duckdb.worker = None


class Counted:
    """A worker that counts what it is asked."""

    queries = 0

    def __init__(self, spark: Spark) -> None:
        self.spark, self.checks_from, self.parts, self.close = spark, 1, spark.parts, spark.close
        self.takes = spark.takes

    def rows(self, sql, tables):
        Counted.queries += 1
        return self.spark.rows(sql, tables)


def test_every_kind_of_rule_finds_the_same_on_both_engines(pair: Pair) -> None:
    rules, before = list(RULES.values()), Counted.queries
    wanted = found(pair, rules, spark=False)
    got = found(pair, rules, spark=True)
    assert [f.as_dict() for f in got] == [f.as_dict() for f in wanted]
    assert len(wanted) > 15 and any(len(f.samples) == 3 for f in wanted)
    assert Counted.queries - before > 15, "it was Spark that counted"
    assert {r.type for r in rules} == set(checks.rules.kinds())


def test_a_table_without_a_broken_rule_is_read_once(pair: Pair) -> None:
    before = Counted.queries
    assert found(pair, [RULES["not missing"], RULES["enough rows"], RULES["fresh"]], spark=True) == []
    assert Counted.queries == before + 1


def test_a_rule_that_spark_cannot_say_is_counted_by_duckdb_beside_the_others(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = pair.spark.takes
    monkeypatch.setattr(pair.spark, "takes", lambda sql, tables: "'%U'" not in sql and takes(sql, tables))
    rules = [RULES["missing"], Rule("expression", expression="format_date(a, '%U') = '13'"), RULES["repeated"]]
    assert [f.as_dict() for f in found(pair, rules, spark=True)] == [
        f.as_dict() for f in found(pair, rules, spark=False)
    ]


def test_a_rule_that_does_not_fit_the_table_is_refused_in_the_same_words(pair: Pair) -> None:
    rule = Rule("expression", expression="integer(s) > 1")
    for spark in (False, True):
        with pytest.raises(TypeMismatch) as e:
            found(pair, [rule], spark=spark)
        assert e.value.message.startswith("a rule doesn't fit the table: ") and "try_cast" in e.value.hint


def test_a_small_table_stays_with_duckdb(pair: Pair) -> None:
    pair.duckdb.worker = pair.spark
    pair.spark.checks_from, before = 21, pair.spark.checks_from
    monkey, pair.spark.rows = pair.spark.rows, None  # type: ignore[method-assign, assignment]
    try:
        assert [f.check for f in checks.audit(pair.duckdb, "t", pair.tables["t"], [RULES["missing"]])] == ["not_null"]
    finally:
        pair.duckdb.worker, pair.spark.checks_from, pair.spark.rows = None, before, monkey  # type: ignore[method-assign]


def test_a_server_that_is_gone_is_no_fault_of_the_rule(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Shared, "session", None)
    away = Spark(pair.duckdb, Settings(url="sc://127.0.0.1:9", folder=tmp_path, checks_from=1))
    engine: DuckDB = pair.duckdb
    engine.worker = away
    try:
        with pytest.raises(EngineError) as e:
            checks.audit(engine, "t", pair.tables["t"], [RULES["missing"]])
    finally:
        engine.worker = None
    assert "does not answer" in e.value.message and e.value.where == "sc://127.0.0.1:9" and "15002" in e.value.hint
