"""A workspace whose work runs on Spark: the same sentences, tables, versions, lineage and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import CUSTOMERS, ORDERS
from tests.engines.spark_bench import LIGHT, MISSING

from intendant.app import Intendant
from intendant.engines.duckdb import DuckDB
from intendant.engines.spark import Spark
from intendant.engines.spark_session import Settings, acquire, release
from intendant.errors import Damaged, EngineError, WorkspaceError

needs_spark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
ENGINE = '[engine]\nkind = "spark"\nmaster = "local[2]"\ndriver_memory = "1g"\noptions = { "spark.sql.shuffle.partitions" = "2" }\n'


@pytest.fixture(scope="module", autouse=True)
def one_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spark stays up from the first test to the last."""
    if MISSING:
        yield
        return
    acquire(
        Settings(
            "local[2]",
            memory="1g",
            folder=tmp_path_factory.mktemp("spark"),
            options=LIGHT,
        )
    )
    yield
    release()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Intendant]:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(ENGINE, encoding="utf-8")
    for name, text in (("orders", ORDERS), ("customers", CUSTOMERS)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    with Intendant(tmp_path) as app:
        app.load(tmp_path / "orders.csv", "orders")
        app.load(tmp_path / "customers.csv", "customers")
        yield app


PLAN = (
    "transform orders filter amount is not null join customers on customer_id derive total = amount * quantity into sales\n"
    "transform sales group by name: sum total as revenue, sum quantity as units sort by revenue descending into revenue"
)


@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(200)
def test_a_pipeline_on_spark_publishes_versions_with_lineage_that_can_be_undone(shop: Intendant) -> None:
    done = shop.do(PLAN, approve=True)
    assert (done.status, done.error) == ("succeeded", None)
    found = shop.sql("SELECT * FROM revenue")
    assert found["rows"] == [["Ben", 140.0, 3], ["Ada", 21.0, 2], ['O\'Hara "the" 🙂', 5.0, 1]]
    shown = shop.show("revenue")
    assert shown["columns"] == {"name": "VARCHAR", "revenue": "DOUBLE", "units": "BIGINT"}
    assert "orders.amount" in str(shop.lineage("revenue.revenue"))
    again = shop.do("transform revenue filter units > 1", approve=True)
    assert (again.status, shop.show("revenue")["rows"]) == ("succeeded", 2)
    assert shop.rollback("revenue").status == "succeeded"
    assert shop.show("revenue")["rows"] == 3
    asked = shop.do("query revenue top 1 by revenue")
    assert asked.answer == {"columns": ["name", "revenue", "units"], "rows": [["Ben", 140.0, 3]]}


@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(200)
def test_what_spark_wrote_has_the_statistics_that_duckdb_would_have_given(shop: Intendant, tmp_path: Path) -> None:
    assert shop.do("transform orders sort by order_id into copied", approve=True).status == "succeeded"
    shop.engine.worker, worker = None, shop.engine.worker
    assert shop.do("transform orders sort by order_id into twin", approve=True).status == "succeeded"
    shop.engine.worker = worker
    stats = [adds(tmp_path, t) for t in ("copied", "twin")]
    assert stats[0] == stats[1] and stats[0]


def adds(workspace: Path, table: str) -> list[str]:
    logs = sorted((workspace / ".intendant" / "lake").rglob("_delta_log/*.json"))
    lines = [
        json.loads(line) for log in logs if log.parent.parent.name == table for line in log.read_text().splitlines()
    ]
    return [x["add"]["stats"] for x in lines if "add" in x]


@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(200)
def test_a_refused_value_fails_the_step_with_its_place_and_the_mend(shop: Intendant) -> None:
    failed = shop.do("transform orders derive n = integer(status) into broken", approve=True)
    assert failed.status == "failed" and failed.error is not None
    assert failed.error["code"] == "engine" and "status" in failed.error["message"]
    assert "cancelled" in failed.error["message"] or "paid" in failed.error["message"]
    assert "transform orders" in failed.error["where"] and "filter" in failed.error["hint"]
    assert not shop.lake.exists("broken")


@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(200)
def test_a_data_file_that_is_gone_is_named_as_such(shop: Intendant) -> None:
    snapshot, worker = shop.lake.snapshot("orders"), shop.engine.worker
    assert worker is not None
    assert worker.rows("SELECT count(*) AS n FROM main.orders", {"orders": snapshot}) == (["n"], [(6,)])
    Path(snapshot.files[0]).unlink()
    with pytest.raises(Damaged) as e:
        worker.rows("SELECT max(amount) AS m FROM main.orders", {"orders": snapshot})
    assert "'orders'" in e.value.message and e.value.where == snapshot.files[0]


def test_without_pyspark_or_java_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("intendant.engines.spark_session._Shared.session", None)
    duckdb = DuckDB()
    with pytest.raises(EngineError) as e:
        Spark(duckdb, Settings(folder=tmp_path)).rows("SELECT 1 AS one", {})
    assert "pip install 'intendant[spark]'" in e.value.hint
    duckdb.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('kind = "flink"', "duckdb or spark"),
        ('kind = "spark"\nurl = "http://host"', "sc://HOST"),
        ('url = "sc://host"', 'kind = "spark"'),
        ('kind = "spark"\noptions = { threads = 4 }', "Spark's own names"),
        ('kind = "spark"\nchecks_from_rows = -1', "a number of rows"),
    ],
)
def test_an_engine_that_is_none_is_an_error_with_the_mend(tmp_path: Path, said: str, why: str) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(f"[engine]\n{said}\n", encoding="utf-8")
    with pytest.raises(WorkspaceError) as e:
        Intendant(tmp_path)
    assert why in e.value.hint
