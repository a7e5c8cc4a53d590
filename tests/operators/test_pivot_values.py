"""Which columns a pivot makes when no values are said: those of the table as it is, or a plain error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from any_rows import Bench

from intendant.catalog import Catalog, Table
from intendant.engines.duckdb import DuckDB
from intendant.errors import LanguageError
from intendant.lake import Lake
from intendant.language import parse
from intendant.operators._compile import Typing, apply, trace
from intendant.types import Column, Stamp

STEPS = parse("query t pivot g: count").steps[0].args["operators"]


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def typing(engine: DuckDB, tmp_path_factory: pytest.TempPathFactory) -> Typing:
    """Over a lake whose table `t` has two versions."""
    folder: Path = tmp_path_factory.mktemp("pivoted")
    lake = Lake(folder, engine)
    for n, g in enumerate((["b", "a"], ["c"])):
        stage = lake.stage("t", Stamp("made", str(n)))
        stage.add(pa.table({"g": g}))
        lake.publish(stage, "replace")
    return Typing(engine, lake.snapshot)


def catalog(version: int) -> Catalog:
    return Catalog({"t": Table("t", (Column("g", "VARCHAR"),), 1, version)})


@pytest.mark.parametrize(("version", "names"), [(0, ["a", "b"]), (1, ["c"]), (7, ["c"])])
def test_the_values_are_those_of_the_version_that_is_known_or_else_of_the_table_now(
    typing: Typing, version: int, names: list[str]
) -> None:
    assert apply("t", STEPS, catalog(version), typing, "").names == names
    assert list(trace("t", STEPS, catalog(version), typing)) == names


def test_values_that_nobody_can_look_up_have_to_be_said(engine: DuckDB) -> None:
    with pytest.raises(LanguageError) as caught:
        apply("t", STEPS, catalog(0), Typing(engine), "step 2")
    assert str(caught.value) == (
        "the columns of `pivot g` can't be known: the rows are only known when the step runs "
        "(at `pivot g: count` in step 2). Say the values: `pivot g in ('a', 'b')`."
    )


@pytest.mark.parametrize("table", ["t", "new"])
def test_what_an_earlier_step_will_make_has_no_values_yet(typing: Typing, table: str) -> None:
    columns = (Column("g", "VARCHAR"), Column("made", "BIGINT"))
    planned = Catalog({table: Table(table, columns, 0, 2)})
    with pytest.raises(LanguageError, match="only known when the step runs"):
        apply(table, STEPS, planned, typing, "")


def test_a_table_without_rows_has_no_values(bench: Bench) -> None:
    bench.put("t", pa.table({"g": pa.array([], pa.string())}))
    with pytest.raises(LanguageError, match="can't be known: the table has no rows"):
        bench.columns("pivot g: count")
    assert bench.ask("pivot g in ('a'): count") == [{"a": 0}]


def test_more_than_two_hundred_columns_are_too_many(bench: Bench) -> None:
    bench.put("t", pa.table({"x": list(range(201))}))
    assert len(bench.columns("filter x < 200 pivot x: count")) == 200
    for said in ("pivot x: count", "filter x < 101 pivot x: count, sum x"):
        with pytest.raises(LanguageError) as caught:
            bench.columns(said)
        assert "more than 200 columns of the values of 'x'" in str(caught.value)
        assert "Say which values: `pivot x in ('a', 'b'): ...`, or use `group by`." in str(caught.value)


def test_values_become_names_in_their_own_order(bench: Bench) -> None:
    bench.put(
        "t", pa.table({"x": [10, 9, None, -1], "s": ["q\"'; drop", "", None, "🙂 b"], "f": [True, None, False, True]})
    )
    assert [c.name for c in bench.columns("pivot x: count")] == ["-1", "9", "10", "null"]
    assert [c.name for c in bench.columns("pivot s: count")] == ["empty", "q\"'; drop", "🙂 b", "null"]
    assert bench.ask("pivot f: count") == [{"false": 1, "true": 2, "null": 1}]
    assert bench.ask("pivot s: list x") == [{"empty": [9], "q\"'; drop": [10], "🙂 b": [-1], "null": None}]


def test_a_name_given_to_the_aggregate_is_used(bench: Bench) -> None:
    bench.put("t", pa.table({"g": ["a"], "x": [1]}))
    assert bench.ask("pivot g: sum x as total") == [{"a_total": 1}]
    assert bench.ask("pivot g: sum x, max x") == [{"a_sum_x": 1, "a_max_x": 1}]
