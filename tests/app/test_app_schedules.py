"""Schedules fire each due time once, whoever looks, and repeat the steps that made a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.actions.world import World, world

from intendant.app import Intendant
from intendant.run.schedules import fire_due, refill, schedules

DAY = timedelta(days=1)
START = datetime.now(UTC).replace(hour=0, minute=0, second=30, microsecond=0) + DAY
"""Half a minute after the next midnight: the first due time of what is set now to run daily at 00:00."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "w") as made:
        yield made


def fired(app: Intendant) -> list[tuple[str, str]]:
    return [(e.data["target"], e.data["status"]) for e in app.journal.events(kinds=["schedule.fired"])]


def test_a_nightly_refresh_ingests_again_transforms_again_and_provisions_again(here: World) -> None:
    here.done("ingest drops.orders into sales")
    here.done("transform sales filter status = 'paid' derive total = price_of * 1".replace("price_of", "amount"))
    here.done("provision mart from sales sort by order_id")
    here.done("schedule refresh of mart daily at 00:00")
    assert here.rows("SELECT count(*) FROM mart") == [[4]]
    assert fire_due(here.app, START - 2 * timedelta(minutes=1)) == []
    here.file("orders.csv", (here.root / "drops" / "orders.csv").read_text(encoding="utf-8") + "7,west,paid,9,1,7,2025-02-01\n")
    [result] = fire_due(here.app, START)
    assert result.status == "succeeded", result.error
    assert here.rows("SELECT order_id, total FROM mart ORDER BY 1") == [[1, 10.5], [3, None], [4, 40.25], [6, 60.0], [7, 9.0]]
    assert here.app.runs(1)[0]["by"] == "schedule"
    assert here.app.show("mart")["schedule"] == {"cron": "0 0 * * *", "timezone": "UTC"}


def test_a_due_time_fires_once_whoever_looks_and_however_often(here: World) -> None:
    here.done("transform orders derive twice = amount * 2 into double")
    here.done("schedule refresh of double daily at 00:00")
    assert [len(fire_due(here.app, START + s)) for s in (timedelta(), timedelta(), timedelta(hours=5), -DAY)] == [1, 0, 0, 0]
    here.app.owner.release()
    with Intendant(here.root) as other:
        assert fire_due(other, START + timedelta(hours=6)) == []
        assert other.do("transform orders sort by order_id").status == "succeeded"
        assert [len(fire_due(other, START + DAY)), len(fire_due(here.app, START + DAY))] == [1, 0]
    here.done("transform orders sort by order_id descending")
    assert len(fire_due(here.app, START + 9 * DAY)) == 1  # of the nights missed, the last is made up for
    assert fired(here.app) == [("double", "succeeded")] * 3 and len(here.app.history("double")) == 4


def test_two_clocks_at_the_same_time_start_one_run(here: World) -> None:
    here.done("transform orders derive twice = amount * 2 into double")
    here.done("schedule refresh of double daily at 00:00")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        results = [r for out in pool.map(lambda _: fire_due(here.app, START), range(2)) for r in out]
    assert {r.status for r in results} == {"succeeded"} and len({r.run_id for r in results}) == 1
    assert len(here.app.history("double")) == 2


def test_a_pipeline_runs_on_its_schedule(here: World) -> None:
    (here.root / "pipelines" / "load_people.intent").write_text("ingest crm.people into people\n", encoding="utf-8")
    here.done("schedule run of load_people every 15 minutes")
    assert here.app.schedules()[0]["plan"] == "run load_people"
    assert [r.status for r in fire_due(here.app, START)] == ["succeeded"]
    assert here.rows("SELECT count(*) FROM people") == [[5]]


def test_a_failing_schedule_is_recorded_and_stops_no_other(here: World) -> None:
    lost, bytes_, good = (here.root / "pipelines" / f"{n}.intent" for n in ("lost", "bytes", "good"))
    for file in (lost, bytes_, good):
        file.write_text("transform orders first 1 into one\n", encoding="utf-8")
        here.done(f"schedule run of {file.stem} daily at 00:00")
    here.done("ingest drops.orders into sales")
    here.done("schedule refresh of sales daily at 00:00")
    lost.unlink()
    bytes_.write_bytes(b"\xff\xfe")
    (here.root / "drops" / "orders.csv").unlink()
    good.write_text("transform orders first 2 into one\n", encoding="utf-8")
    statuses = {r.intent[:20] or r.status: r.status for r in fire_due(here.app, START)}
    assert sorted(fired(here.app)) == [
        ("bytes", "failed"), ("good", "succeeded"), ("lost", "failed"), ("sales", "failed"),
    ], statuses  # fmt: skip
    said = {e.data["target"]: e.data["error"]["message"] for e in here.app.journal.events(kinds=["schedule.failed"])}
    assert said["lost"] == "there is no pipeline 'lost'" and "can't be read" in said["bytes"]
    assert here.rows("SELECT count(*) FROM one") == [[2]]
    assert here.rows("SELECT count(*) FROM sales") == [[6]]
    assert fire_due(here.app, START + timedelta(hours=1)) == []


def test_the_last_schedule_set_counts_and_a_dropped_table_has_none(here: World) -> None:
    here.done("transform orders first 1 into one")
    here.done("schedule refresh of one daily at 00:00")
    here.done("schedule refresh of one every 15 minutes")
    now = datetime(2030, 1, 1, 10, 7, tzinfo=UTC)
    [s] = schedules(here.app.journal, now)
    assert (s["cron"], s["next"]) == ("*/15 * * * *", "2030-01-01T10:15:00+00:00")
    here.done("drop one", approve=True)
    assert here.app.schedules() == [] and fire_due(here.app, START) == []


def test_a_loaded_table_is_refreshed_from_the_one_resource_of_its_name(here: World) -> None:
    assert refill(here.app, "orders") == ""
    here.app.sources()
    assert refill(here.app, "orders") == "ingest drops.orders into orders" and refill(here.app, "customers") == ""
