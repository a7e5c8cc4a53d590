"""What a plan costs is said before it runs, near to what it costs then; beyond its budget a person is asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intendant import Intendant
from intendant.catalog import Catalog
from intendant.faces.terminal import cost_said
from intendant.language import parse
from intendant.operators._compile import Typing, apply, reads_of
from intendant.run.budget import storage
from intendant.run.changes import changes
from intendant.run.cost import needed_columns, read_bytes, sized, whole_of
from intendant.run.prepare import prepare
from intendant.types import in_bytes

ROWS = 60_000
PLANS = (
    "transform orders filter pieces > 6",
    "transform orders derive total = amount * pieces into totals",
    "transform orders group by person: sum amount as spent, count as orders into people",
    "transform orders join regions on region into placed",
    "transform orders derive total = amount * pieces filter total > 100 select id, total sort by total descending into best",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cost")
    made = (
        f"SELECT range AS id, (hash(range) % 5000) / 7 AS amount, hash(range * 3) % 12 AS pieces, hash(range * 5) % 9000 AS person,"
        f" 'region ' || (range % 40) AS region, md5(range::VARCHAR) AS note FROM range({ROWS})"
    )
    duckdb.sql(f"COPY ({made}) TO '{folder}/orders.parquet'")
    duckdb.sql(
        f"COPY (SELECT 'region ' || range AS region, range % 5 AS zone FROM range(40)) TO '{folder}/regions.parquet'"
    )
    with Intendant.init(folder / "w") as app:
        app.load(folder / "orders.parquet", "orders", {"pieces": "BIGINT", "person": "BIGINT"})
        app.load(folder / "regions.parquet", "regions")
    return folder / "w"


@pytest.fixture
def app(filled: Path, tmp_path: Path) -> Iterator[Intendant]:
    shutil.copytree(filled, tmp_path / "w")
    with Intendant(tmp_path / "w") as app:
        yield app


def factor(a: float, b: float) -> float:
    return max(a, b) / max(1.0, min(a, b))


@pytest.mark.parametrize("plan", PLANS)
def test_what_a_plan_is_said_to_write_is_what_it_writes_within_a_factor_of_two(app: Intendant, plan: str) -> None:
    said = app.plan(plan).changes
    assert said is not None
    cost = said["cost"]
    step, catalog = parse(plan).steps[0], app.knowledge.catalog()
    names = reads_of(step.args["table"], step.args["operators"], catalog)
    typing = Typing(app.engine, app.lake.snapshot)
    guess = sized(
        step,
        catalog,
        typing,
        app.engine,
        {n: app.lake.snapshot(n) for n in names},
        app.workspace.state / "spill",
        ROWS // 6,
    )
    ran = app.do(plan, approve=True)
    written = app.lake.snapshot(ran.outputs[0].table)
    assert cost["rows_written"] == written.rows and factor(cost["bytes_written"], written.bytes) < 1.1
    assert factor(guess.rows, written.rows) < 1.5 and factor(guess.bytes, written.bytes) < 2
    assert guess.how == "from a sample of 10,000 of 60,000 rows"
    assert cost["steps"][0]["how"] == "tried" and cost["seconds"][0] < cost["seconds"][1] < 60


def test_a_result_grows_as_its_sample_does() -> None:
    assert whole_of(5_000, 2_510, 10_000, 60_000) == pytest.approx(30_000, rel=0.1), "rows that are chosen"
    assert whole_of(20_000, 10_000, 10_000, 60_000) == pytest.approx(120_000, rel=0.01), "two for each"
    assert whole_of(40, 40, 10_000, 60_000) == pytest.approx(40, rel=0.01), "groups that are all met"
    assert whole_of(6_037, 3_837, 10_000, 60_000) == pytest.approx(8_990, rel=0.1), "groups of like size"
    assert 60 < whole_of(60, 50, 10_000, 60_000) < 120, "some groups far more frequent than others"
    assert whole_of(0, 0, 10_000, 60_000) == 0


def test_only_the_columns_that_a_step_needs_are_read(app: Intendant) -> None:
    catalog, typing = app.knowledge.catalog(), Typing(app.engine, app.lake.snapshot)
    snapshots = {"orders": app.lake.snapshot("orders"), "regions": app.lake.snapshot("regions")}
    few = parse(
        "query orders filter pieces > 3 derive x = amount * 2 join regions on region group by zone: sum x as s"
    ).steps[0]
    query = apply("orders", few.args["operators"], catalog, typing, "").query
    assert needed_columns(query, snapshots) == {"orders": {"pieces", "amount", "region"}, "regions": {"region", "zone"}}
    all_of_it = read_bytes(
        parse("query orders sort by id").steps[0], catalog, typing, app.engine, {"orders": snapshots["orders"]}
    )
    assert factor(all_of_it, snapshots["orders"].bytes) < 1.05
    assert read_bytes(few, catalog, typing, app.engine, snapshots) < all_of_it / 3


def test_what_is_too_large_to_try_is_worked_out_from_a_sample_and_what_ran_before_from_its_runs(app: Intendant) -> None:
    text = "transform orders filter pieces > 5 into some\ntransform some select id into ids\ningest nowhere.x into y"
    typing = Typing(app.engine, app.lake.snapshot)
    prepared = prepare(text.rpartition("\n")[0], parse(text.rpartition("\n")[0]), app.knowledge, typing, 1.0)
    cost = changes(app, prepared, 1_000)["cost"]
    assert [s["how"] for s in cost["steps"]] == ["worked out", "known once it has run"]
    assert cost["unknown"] == 1 and cost["steps"][1]["rows_read"] is None
    assert app.do(prepared.text, approve=True).status == "succeeded"
    again = changes(app, prepare(prepared.text, prepared.plan, app.knowledge, typing, 1.0), 1_000)["cost"]["steps"]
    assert again[1]["how"] == "as its last run" and again[1]["rows_written"] == app.lake.snapshot("ids").rows


def policy(app: Intendant, text: str) -> Intendant:
    app.close()
    root = app.workspace.root
    (root / "intendant.toml").write_text(f"[policy]\n{text}\n", encoding="utf-8")
    return Intendant(root)


def test_a_plan_beyond_its_budget_waits_for_a_person(app: Intendant, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = "transform orders derive total = amount * pieces into more"
    with policy(app, "plan_budget_gb = 0.001") as small:
        asked = small.do(plan)
        assert asked.status == "waiting_approval"
        assert asked.reason.startswith("it writes about 0.00") and asked.reason.endswith(
            "and policy.plan_budget_gb is 0.001"
        )
        assert small.do("transform regions filter zone > 1 into zones").status == "succeeded"
    used = app.lake.size()
    monkeypatch.setattr("intendant.run.budget.SMALL", 100_000)
    with policy(app, f"quota_gb = {(used + 500_000) / 1e9}") as full:
        asked = full.do(plan)
        assert asked.status == "waiting_approval" and "of policy.quota_gb" in asked.reason, asked
        assert full.do("transform orders filter id < 9 into nine").status == "succeeded"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plan_budget_gb = -1", r"policy.plan_budget_gb is -1.*It is 0 or more"),
        ("join_budget_rows = -1", r"policy.join_budget_rows is -1.*It is 0 or more"),
        ("join_budget_factor = 0.5", r"policy.join_budget_factor is 0.5.*It is 1 or more"),
    ],
)
def test_a_budget_that_is_none_is_named(app: Intendant, text: str, said: str) -> None:
    with pytest.raises(Exception, match=said):
        policy(app, text)
    policy(app, "").close()


def test_a_join_that_would_explode_waits_for_a_person_who_may_allow_it(tmp_path: Path) -> None:
    duckdb.sql(f"COPY (SELECT 1 AS k, range AS a FROM range(2000)) TO '{tmp_path}/a.parquet'")
    with Intendant.init(tmp_path / "w") as app:
        app.load(tmp_path / "a.parquet", "a")
        app.load(tmp_path / "a.parquet", "b")
        said = "`join b on k` would make 4,000,000 rows of 2,000 and 2,000: k = 1 is in 2,000 rows here and 2,000 there"
        waits = app.do("transform a join b on k into c")
        assert (waits.status, waits.reason) == ("waiting_approval", said)
        stops: Any = app.plan("transform a join b on k into c").changes
        assert stops["stops"]["status"] == "waiting_approval" and said in stops["stops"]["why"]
        later = "transform a derive j = k into a2\ntransform a2 join b on j = k into c"
        foreseen: Any = app.plan(later).changes
        assert foreseen["stops"]["status"] == "failed", "nobody is asked in the middle of a run"
        late = app.do(later)
        assert late.status == "failed" and late.error is not None and late.error["code"] == "policy"
        assert "drop duplicates by j" in late.error["hint"] and not app.lake.exists("a2"), "and the run is taken back"
        asked = app.do("query a join b on k aggregate count")
        assert asked.status == "failed" and asked.error is not None and asked.error["message"] == said
        allowed = app.approve(app.approvals()[0]["id"])
        assert allowed.status == "succeeded" and allowed.outputs[0].rows_written == 4_000_000


def test_a_catalog_without_the_tables_says_nothing_of_storage(app: Intendant) -> None:
    step = parse("transform nowhere filter a > 1").steps[0]
    assert storage([(step, Catalog(), ())], app.knowledge, Typing(app.engine)) == []


def test_the_cost_is_said_in_a_line(app: Intendant) -> None:
    said = app.plan("transform orders filter pieces > 6 into few").changes
    assert said is not None
    line = cost_said(said["cost"])
    assert line.startswith("cost: reads ") and "(60,000 rows), writes " in line and line.endswith(" s")
    blind = {**said["cost"], "unknown": 1, "seconds": None}
    assert cost_said(blind).endswith("in the lake then, without what 1 of its steps brings")
    assert [in_bytes(n) for n in (0, 999, 1_000, 470_643, 12e6, 3.4e9, 5e12, 7.2e15)] == [
        "0 B", "999 B", "1.0 kB", "471 kB", "12.0 MB", "3.4 GB", "5.0 TB", "7,200.0 TB"
    ]  # fmt: skip
