"""A store's layout: chosen from rows and queries when nothing is said, and measured by what queries then skip."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from intendant.app import Intendant
from intendant.engines.base import text

ROWS = 400_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intendant]:
    root = tmp_path_factory.mktemp("w")
    with duckdb.connect() as con:
        con.execute(
            "COPY (SELECT i AS id, (hash(i) % 40)::INTEGER AS region, (hash(i * 3) % 100000)::INTEGER AS customer, i * 1.5 AS amount, "
            f"TIMESTAMP '2025-01-01' + to_seconds((hash(i * 7) % 31536000)::BIGINT) AS created_at FROM range({ROWS}) t(i)) "
            f"TO {text(str(root / 'orders.parquet'))} (FORMAT parquet)"
        )
    with Intendant.init(root) as made:
        made.load(root / "orders.parquet", "orders")
        yield made


def read_bytes(app: Intendant, table: str, column: str, low: str, high: str) -> int:
    """Bytes of the row groups that a query between two values must read, by their smallest and largest value."""
    files = ", ".join(text(f) for f in app.lake.snapshot(table).files)
    sql = (
        f"SELECT coalesce(sum(total_compressed_size), 0) FROM parquet_metadata([{files}]) WHERE (file_name, row_group_id) IN "
        f"(SELECT (file_name, row_group_id) FROM parquet_metadata([{files}]) WHERE path_in_schema = '{column}' "
        f"AND stats_min_value <= '{high}' AND stats_max_value >= '{low}')"
    )
    with duckdb.connect() as con:
        return int(con.execute(sql).fetchall()[0][0])


def test_the_layout_that_is_chosen_reads_less_for_the_queries_that_ran(app: Intendant) -> None:
    for month in ("02", "03", "04", "05"):
        app.sql(
            f"SELECT sum(amount) FROM orders WHERE created_at >= '2025-{month}-01' AND created_at < '2025-{month}-04'"
        )
    app.do("query orders group by region: sum amount as total")
    result = app.do("provision mart from orders")
    assert result.status == "succeeded", result.error
    assert result.plan == "provision mart from orders sort by created_at"
    size = app.lake.snapshot("orders").bytes / 1e6
    assert (
        result.steps[0]["note"]
        == f"sort by created_at: 4 of 5 queries filter it; too small for partitions; {size:.1f} MB"
    )
    published = app.journal.events(result.run_id, kinds=["table.published"])[0]
    assert published.data["note"] == result.steps[0]["note"]
    unsorted = read_bytes(app, "orders", "created_at", "2025-03-01 00:00:00", "2025-03-04 00:00:00")
    laid = read_bytes(app, "mart", "created_at", "2025-03-01 00:00:00", "2025-03-04 00:00:00")
    assert unsorted >= 0.9 * app.lake.snapshot("orders").bytes
    assert laid <= 0.5 * unsorted
    same = "SELECT count(*), sum(id), sum(amount) FROM {}"
    assert app.sql(same.format("mart"))["rows"] == app.sql(same.format("orders"))["rows"]


def test_what_is_said_wins_and_gives_no_reason(app: Intendant) -> None:
    result = app.do("provision said from orders partition by region sort by id")
    assert result.status == "succeeded" and "note" not in result.steps[0]
    shown = app.show("said")
    assert (shown["partition_by"], shown["sort_by"], shown["files"]) == (["region"], ["id"], 40)


def test_saved_queries_count_by_how_often_they_run(app: Intendant) -> None:
    settings = app.workspace.root / "intendant.toml"
    settings.write_text('[queries.often]\nsql = "SELECT * FROM orders WHERE customer = 5"\nruns_per_day = 500\n')
    app.close()
    with Intendant(app.workspace.root) as again:
        assert again.plan("provision other from orders").plan.endswith("sort by customer, created_at")
    settings.write_text("")


def test_too_many_partitions_are_refused_with_the_mend(app: Intendant) -> None:
    result = app.do("provision fine from orders partition by customer")
    assert result.status == "failed" and result.error is not None
    assert "more than 2000" in result.error["message"] and "coarser" in result.error["hint"]
    assert not app.lake.exists("fine")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("provision m from nothing", "there is no table 'nothing'"),
        ("provision m from orders sort by nope", "there is no column 'nope'"),
        ("provision m from orders partition by month(amount)", "month(amount) needs a date or time"),
        ("provision orders from orders", "'orders' can't be provisioned from itself"),
    ],
)
def test_a_store_that_cannot_be_made_says_why(app: Intendant, said: str, message: str) -> None:
    result = app.do(said)
    assert result.status == "failed" and result.error is not None and message in result.error["message"]
