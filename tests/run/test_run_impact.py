"""Who would break by a change is named before it runs, by resolving them anew against the tables as they would be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.catalog import Catalog, Table
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.operators._compile import Typing
from intendant.run.impact import Impact, Reader, altered, impacts, needs
from intendant.types import Column

ROWS = "id,region,amount\n" + "".join(f"{i},r{i % 3},{i}.5\n" for i in range(9))
TOML = """
[queries.by_region]
sql = "WITH o AS (SELECT * FROM orders) SELECT region, sum(amount) AS total FROM o GROUP BY region"
[queries.count_all]
sql = "SELECT count(*) AS n FROM orders"
[policy]
on_impact = "review"
"""
DAILY = "transform orders group by region: sum amount as total into by_region\n"
ORDERS = (Column("id", "BIGINT"), Column("region", "VARCHAR"), Column("amount", "DOUBLE"))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(TOML)
    (tmp_path / "orders.csv").write_text(ROWS)
    (tmp_path / "pipelines" / "daily.intent").write_text(DAILY)
    (tmp_path / "pipelines" / "ids.intent").write_text("transform orders select id into ids\n")
    with Intendant(tmp_path) as opened:
        opened.load(tmp_path / "orders.csv", "orders")
        yield opened


@pytest.fixture
def typing() -> Iterator[Typing]:
    engine = DuckDB(threads=1)
    yield Typing(engine)
    engine.close()


def catalog(*columns: Column, **others: Table) -> Catalog:
    return Catalog({"orders": Table("orders", columns, 9, 0), **others})


def plan(text: str) -> Reader:
    return Reader("pipeline", "p", parse(text))


# ---------------------------------------------------------------- as a function
def test_only_readers_that_worked_before_and_fail_after_are_named(typing: Typing) -> None:
    who = [plan(DAILY), plan("transform orders select id into ids"), plan("transform orders select gone into g")]
    before, after = catalog(*ORDERS), catalog(ORDERS[0], ORDERS[2])
    [found] = impacts(before, after, who, typing)
    assert found == Impact("pipeline", "p", DAILY.strip(), found.why)
    assert "region" in found.why and str(found).startswith("pipeline 'p' breaks at `transform orders group by region")


def test_a_retyped_column_breaks_who_computes_with_it_and_nobody_else(typing: Typing) -> None:
    before, after = catalog(*ORDERS), catalog(*ORDERS[:2], Column("amount", "VARCHAR"))
    assert altered(before, after) == {"orders"}
    assert len(impacts(before, after, [plan(DAILY)], typing)) == 1
    assert impacts(before, after, [plan("transform orders select amount into a")], typing) == []


def test_a_new_column_and_a_new_table_alter_nothing(typing: Typing) -> None:
    wider = catalog(*ORDERS, Column("note", "VARCHAR"), more=Table("more", ORDERS))
    assert altered(catalog(*ORDERS), wider) == set()


def test_a_word_in_a_text_or_in_a_new_columns_name_is_no_reader(typing: Typing) -> None:
    said = plan("transform orders filter amount > 1 derive region_name = 'region' into a")
    assert impacts(catalog(*ORDERS), catalog(ORDERS[0], ORDERS[2]), [said], typing) == []


def test_what_breaks_two_steps_later_is_found_there(typing: Typing) -> None:
    text = "transform orders select id, region into narrow\ntransform narrow group by region: count into counted"
    [found] = impacts(catalog(*ORDERS), catalog(ORDERS[0], ORDERS[2]), [plan(text)], typing)
    assert found.step.startswith("transform orders select")


def test_tables_that_cant_be_made_again_ask_nobody(typing: Typing) -> None:
    assert needs([Impact("table", "t", "s", "w")]) == ""
    assert needs([Impact("query", "q", "s", "w")]) == "it breaks saved query 'q'"


# ---------------------------------------------------------------- in the preview, and at the approval
def test_a_preview_names_pipelines_queries_and_tables_that_would_break(app: Intendant) -> None:
    assert app.run("daily").status == "succeeded"
    shown = app.plan("transform orders drop region")
    named = [line.partition(":")[0].partition(" at ")[0] for line in shown.preview[1:]]
    assert named == ["break pipeline 'daily'", "break saved query 'by_region'", "break the making of table 'by_region'"]
    assert shown.reason == "it breaks pipeline 'daily', saved query 'by_region'"
    assert "region" in shown.preview[1]


@pytest.mark.parametrize(
    "text", ["transform orders rename region to area", "transform orders cast amount to text", "transform orders select id"]
)
def test_what_breaks_a_pipeline_waits_for_a_person(app: Intendant, text: str) -> None:
    asked = app.do(text)
    assert asked.status == "waiting_approval" and "it breaks pipeline 'daily'" in asked.reason
    assert list(app.show("orders")["columns"]) == ["id", "region", "amount"]
    assert app.approve(asked.approval).status == "succeeded"
    assert app.plan("query by_region").reason == ""


def test_without_a_word_of_the_policy_it_is_named_and_runs(app: Intendant, tmp_path: Path) -> None:
    app.close()
    (tmp_path / "intendant.toml").write_text(TOML.partition("[policy]")[0])
    with Intendant(tmp_path) as later:
        shown = later.plan("transform orders drop region")
        assert len(shown.preview) == 3 and shown.reason == ""
        assert later.do("transform orders drop region").status == "succeeded"


def test_a_change_that_a_later_step_of_the_plan_mends_breaks_nobody(app: Intendant) -> None:
    text = "transform orders rename region to area\ntransform orders rename area to region"
    shown = app.plan(text)
    assert shown.reason == "" and len(shown.preview) == 2


def test_a_dropped_table_names_its_readers_beside_the_drop(app: Intendant) -> None:
    shown = app.plan("drop orders")
    assert "it removes the table 'orders'; it breaks pipeline 'daily', pipeline 'ids'" in shown.reason
    assert "saved query 'count_all'" in shown.reason


def test_a_scheduled_plan_is_named(app: Intendant) -> None:
    assert app.do("transform orders group by region: count as n into counted").status == "succeeded"
    assert app.do("schedule refresh of counted daily at 03:00").status == "succeeded"
    assert "the schedule of 'counted'" in app.plan("transform orders drop region").reason


def test_going_back_to_a_version_without_a_column_names_who_reads_it(app: Intendant, tmp_path: Path) -> None:
    assert app.do("transform orders derive net = amount * 0.8").status == "succeeded"
    (tmp_path / "pipelines" / "net.intent").write_text("transform orders select id, net into nets\n")
    for text in ("restore orders to version 0", "restore orders to previous version"):
        assert "it breaks pipeline 'net'" in app.plan(text).reason
    assert app.rollback("orders").status == "succeeded"
    assert app.plan("restore orders to version 1").reason == ""


def test_a_pipeline_is_not_its_own_victim(app: Intendant, tmp_path: Path) -> None:
    text = "transform orders rename region to area\n"
    (tmp_path / "intendant.toml").write_text("")
    (tmp_path / "pipelines" / "daily.intent").write_text(text)
    with Intendant(tmp_path) as later:
        assert later.plan(text).reason == ""


def test_a_frozen_load_says_whom_its_columns_would_break(app: Intendant, tmp_path: Path) -> None:
    app.close()
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "orders.csv").write_text(ROWS.replace("region", "zone").replace(",r", ",zone "))
    source = '[sources.drops]\nkind = "files"\npath = "drops/"\n[tables."orders"]\nschema = "freeze"\n'
    (tmp_path / "intendant.toml").write_text(TOML + source)
    with Intendant(tmp_path) as later:
        result = later.do("ingest drops.orders into orders", approve=True)
        assert result.status == "rolled_back"
        said = [f["evidence"] for f in result.findings if f["check"] == "schema_impact"]
        assert len(said) == 2 and said[0].startswith("If it is taken, pipeline 'daily' breaks at")
        assert list(later.show("orders")["columns"]) == ["id", "region", "amount"]
