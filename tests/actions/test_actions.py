"""What each verb leaves behind, seen from outside: tables, history, files, the database, the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World, world

from intendant.actions import actions
from intendant.actions.base import Context, Effect, TableAction
from intendant.errors import ApprovalInvalid
from intendant.language import parse
from intendant.types import Stamp


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("WORLD_TOKEN", "t")
    with world(tmp_path) as made:
        yield made


COUNT = "SELECT count(*) FROM orders"
REPEATED = {
    "transform": "transform orders filter amount > 10 into large",
    "provision": "provision mart from orders partition by region",
    "ingest": "ingest crm.people append into staging.people",
    "check": "check orders for not null amount on failure quarantine",
    "archive": "archive orders where status = 'cancelled'",
    "drop": "drop customers",
    "restore": "restore orders to version 0",
    "export": "export orders to 'out/orders.csv'",
    "deliver": "deliver orders to crm.orders append",
    "retain": "retain orders versions 5",
    "schedule": "schedule refresh of orders daily at 00:00",
    "limit": "limit api to 50 requests per second",
    "optimize": "optimize orders for latency",
    "query": "query orders first 1",
}


def test_every_verb_is_repeated_in_a_test() -> None:
    assert set(REPEATED) == set(actions())


def seen(here: World) -> object:
    """Everything that a repeated step must leave as it is: versions, rows and settings of all tables, the database."""
    tables = {t["name"]: (t, here.app.lake.settings(t["name"])) for t in here.app.tables()}
    with sqlite3.connect(here.root / "crm.db") as con:
        names = [r[0] for r in con.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        counts = [con.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in names if not n.startswith("_")]
    con.close()
    return json.dumps([tables, names, counts], default=str, sort_keys=True)


@pytest.mark.parametrize("verb", REPEATED)
def test_a_step_done_again_with_its_stamp_changes_nothing(verb: str, here: World) -> None:
    here.done("transform orders derive doubled = quantity * 2")
    app, step, action = here.app, parse(REPEATED[verb]).steps[0], actions()[verb]
    after = []
    for _ in range(2):
        catalog = app.knowledge.catalog(["crm", "drops"])
        context = Context(
            app.workspace, app.lake, app.engine, catalog, app.journal, Stamp("run", "0"), lambda kind, data: None,
            lambda full: app.knowledge.source(full.partition(".")[0]),
        )
        if verb == "drop" and not app.lake.exists("customers"):
            resolved = step
        else:
            resolved = action.resolve(step, context.catalog, context.typing)
        if isinstance(action, TableAction):
            stage = app.lake.stage(action.target(resolved), context.stamp)
            staged = action.stage(resolved, stage, context)
            app.lake.publish(stage, staged.mode, staged.keys, partition_by=staged.partition_by, sort_by=staged.sort_by)
        else:
            assert isinstance(action, Effect)
            action.act(resolved, context)
        after.append(seen(here))
    assert after[0] == after[1]


# ---------------------------------------------------------------- approvals
def test_what_needs_an_approval_waits_and_changes_nothing(here: World) -> None:
    result = here.app.do("drop customers")
    assert (result.status, result.reason) == ("waiting_approval", "it removes the table 'customers'")
    assert [a["id"] for a in here.app.approvals()] == [result.approval]
    assert here.app.lake.exists("customers")


def test_an_approved_plan_runs_once(here: World) -> None:
    asked = here.app.do("drop customers")
    assert here.app.approve(asked.approval).status == "succeeded"
    assert not here.app.lake.exists("customers") and here.app.approvals() == []
    with pytest.raises(ApprovalInvalid, match="was decided already"):
        here.app.approve(asked.approval)
    with pytest.raises(ApprovalInvalid, match="was decided already"):
        here.app.reject(asked.approval)


def test_a_rejected_plan_never_runs(here: World) -> None:
    asked = here.app.do("drop customers")
    assert here.app.reject(asked.approval).status == "rolled_back"
    with pytest.raises(ApprovalInvalid, match="was decided already"):
        here.app.approve(asked.approval)
    assert here.app.lake.exists("customers")


def test_an_approval_that_was_never_asked_for_is_refused(here: World) -> None:
    with pytest.raises(ApprovalInvalid, match="does not exist"):
        here.app.approve("260101-000000-abcdef.7")


def test_an_approval_runs_the_plan_that_was_shown_and_no_other(here: World) -> None:
    asked = here.app.do("archive orders where status = 'open'")
    other = here.app.do("drop customers")
    done = here.app.approve(asked.approval)
    assert done.plan == "archive orders where status = 'open'" and done.status == "succeeded"
    assert here.app.lake.exists("customers")
    assert [a["plan"] for a in here.app.approvals()] == [other.plan]


def test_a_review_that_is_rejected_undoes_what_the_run_did(here: World) -> None:
    text = "transform orders derive n = 1; check orders for not null amount on failure review"
    result = here.app.do(text)
    assert result.status == "waiting_approval"
    assert "n" in here.app.show("orders")["columns"]
    here.app.reject(result.approval)
    assert "n" not in here.app.show("orders")["columns"]


def test_a_review_that_is_approved_lets_the_rest_run(here: World) -> None:
    result = here.app.do("check orders for not null amount on failure review; transform orders first 2 into two")
    assert result.status == "waiting_approval" and not here.app.lake.exists("two")
    assert here.app.approve(result.approval).status == "succeeded"
    assert here.rows("SELECT count(*) FROM two") == [[2]]


# ---------------------------------------------------------------- one verb after the other
def test_a_drop_is_undone_by_rollback(here: World) -> None:
    here.done("drop customers", approve=True)
    failed = here.app.do("query customers")
    assert failed.error is not None and failed.error["hint"] == "`intendant rollback customers` brings it back."
    assert here.app.rollback("customers").status == "succeeded"
    assert here.rows("SELECT count(*) FROM customers") == [[3]]


def test_a_rollback_makes_the_version_before_current_as_a_new_one(here: World) -> None:
    here.done("transform orders first 2")
    here.done("transform orders first 1")
    result = here.app.rollback("orders")
    assert [o.rows_written for o in result.outputs] == [2]
    assert here.app.rollback("orders", 0).status == "succeeded"
    assert [h["rows"] for h in here.app.history("orders")] == [6, 2, 1, 2, 6]


def test_an_archive_moves_rows_into_a_file_and_says_where(here: World) -> None:
    here.done("archive orders where amount < 20 or region = 'south'", approve=True)
    assert here.rows("SELECT order_id FROM orders ORDER BY 1") == [[3], [4], [6]]
    manifest = next((here.root / ".intendant" / "archive").rglob("manifest.json"))
    assert json.loads(manifest.read_text())["rows"] == 3
    assert here.app.engine.rows(f"SELECT count(*) FROM '{manifest.parent / 'rows-0.parquet'}'", {})[1] == [(3,)]


def test_an_export_writes_each_format(here: World) -> None:
    for end in ("csv", "json", "jsonl", "parquet"):
        here.done(f"export orders where region = 'north' to 'out/north.{end}'")
        back = here.app.load(here.root / "out" / f"north.{end}", f"back_{end}")
        assert back["rows"] == 2


def test_a_link_out_of_the_workspace_is_not_written_through(here: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (here.root / "link").symlink_to(outside)
    result = here.app.do("export orders to 'link/a.csv'")
    assert result.status == "failed" and result.error is not None and result.error["code"] == "path_refused"
    assert list(outside.iterdir()) == []


def test_a_delivery_appends_replaces_and_upserts(here: World) -> None:
    def held() -> list[tuple[object, ...]]:
        con = sqlite3.connect(here.root / "crm.db")
        rows = con.execute("SELECT customer_id, name FROM clients ORDER BY 1, 2").fetchall()
        con.close()
        return rows

    here.done("deliver customers where customer_id < 9 to crm.clients")
    assert held() == [(7, "Ada"), (8, "Ben")]
    here.done("transform customers upper name into loud")
    here.done("deliver loud to crm.clients upsert on customer_id")
    assert [r[1] for r in held()][:2] == ["ADA", "BEN"] and len(held()) == 3
    here.done("deliver customers where customer_id = 7 to crm.clients append")
    assert len(held()) == 4


def test_a_retention_removes_older_versions(here: World) -> None:
    for n in (5, 4, 3):
        here.done(f"transform orders first {n}")
    here.done("retain orders versions 2", approve=True)
    assert [h["version"] for h in here.app.history("orders")] == [3, 2]
    shown = here.app.show("orders")
    assert (shown["snapshots"], shown["retention_days"]) == (2, None)


def test_a_limit_is_kept_and_shown(here: World) -> None:
    here.done("limit api to 1000 rows per 2 minutes")
    here.done("limit api.events to 5 requests per second")
    limits = {s["name"]: s["limits"] for s in here.app.sources()}["api"]
    assert limits == [
        {"source": "api", "rows": 1000, "per_seconds": 120},
        {"source": "api.events", "requests": 5, "per_seconds": 1},
    ]


def test_a_provisioned_store_has_its_layout(here: World) -> None:
    here.done("provision mart from orders partition by region sort by amount")
    shown = here.app.show("mart")
    assert (shown["partition_by"], shown["sort_by"]) == (["region"], ["amount"])
    assert here.rows("SELECT count(*) FROM mart WHERE region IS NULL") == [[1]]


def test_a_step_run_again_by_its_own_sentence_needs_no_approval(here: World) -> None:
    for sentence in (
        "transform orders group by region: sum amount into by_region",
        "provision mart from orders",
        "ingest drops.orders into daily_orders",
    ):
        here.done(sentence)
        here.done(sentence)


def test_a_saved_schedule_refreshes_a_store_from_its_own_steps(here: World) -> None:
    here.done("ingest drops.orders into raw_orders; transform raw_orders filter amount > 10 into big; provision mart from big")
    here.done("schedule refresh of mart every 15 minutes")
    [schedule] = here.app.schedules()
    assert schedule["plan"].split("\n") == [
        "ingest drops.orders replace into raw_orders",
        "transform raw_orders filter amount > 10 into big",
        "provision mart from big sort by created_at",
    ]
    assert (schedule["cron"], schedule["timezone"], schedule["target"]) == ("*/15 * * * *", "UTC", "mart")
    assert here.app.show("mart")["schedule"] == {"cron": "*/15 * * * *", "timezone": "UTC"}


def test_lineage_goes_from_a_column_up_to_the_source_and_the_sentence(here: World) -> None:
    here.done("ingest drops.orders into raw_orders; transform raw_orders derive revenue = amount * quantity into priced")
    here.done("transform priced group by region: sum revenue into by_region")
    tree = here.app.lineage("by_region.sum_revenue")
    assert tree["intent"] == "transform priced group by region: sum revenue into by_region"
    [revenue] = tree["inputs"]
    assert revenue["name"] == "priced.revenue"
    parents = revenue["inputs"]
    assert {p["name"] for p in parents} == {"raw_orders.amount", "raw_orders.quantity"}
    assert [p["inputs"][0]["name"] for p in parents] == ["drops.orders.amount", "drops.orders.quantity"]


def test_a_query_without_operators_shows_the_whole_table(here: World) -> None:
    answer = here.done("query customers").answer
    assert answer["columns"] == ["customer_id", "name", "email"] and len(answer["rows"]) == 3


# ---------------------------------------------------------------- rules
@pytest.mark.parametrize(
    ("policy", "status", "rows", "aside"),
    [("rollback", "rolled_back", 6, 0), ("quarantine", "succeeded", 5, 1),
     ("review", "waiting_approval", 6, 0), ("warn", "succeeded", 6, 0)],
)
def test_a_broken_rule_ends_as_its_policy_says(policy: str, status: str, rows: int, aside: int, here: World) -> None:
    result = here.app.do(f"check orders for not null amount on failure {policy}")
    shown = here.app.show("orders")
    assert (result.status, shown["rows"], shown["quarantined_rows"]) == (status, rows, aside)
    assert [f["check"] for f in result.findings] == ["not_null"]
    assert shown["rules"] == [{"type": "not_null", "column": "amount"}] and shown["on_failure"] == policy


@pytest.mark.parametrize(
    ("policy", "status", "rows", "aside"),
    [("rollback", "rolled_back", 4, 0), ("quarantine", "succeeded", 4, 2),
     ("review", "waiting_approval", 4, 0), ("warn", "succeeded", 6, 0)],
)
def test_a_stored_rule_stands_before_the_next_load(policy: str, status: str, rows: int, aside: int, here: World) -> None:
    here.done("ingest drops.orders where amount > 0 and region is not null into staging.o")
    here.app.do(f"check staging.o for not null amount, not null region on failure {policy}")
    result = here.app.do("ingest drops.orders into staging.o")
    shown = here.app.show("staging.o")
    assert (result.status, shown["rows"], shown["quarantined_rows"]) == (status, rows, aside)
