"""A refresh runs when what its table is made of has changed, and not beside its run before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intendant.app import Intendant
from intendant.run.schedules import fire_due

DAY = timedelta(days=1)
START = datetime.now(UTC).replace(hour=0, minute=0, second=30, microsecond=0) + DAY
CSV = "order_id,region,amount\n1,north,10\n2,south,20\n3,north,30\n"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    root = tmp_path / "w"
    (root / "drops").mkdir(parents=True)
    (root / "drops" / "orders.csv").write_text(CSV, encoding="utf-8")
    Intendant.init(root).close()
    (root / "intendant.toml").write_text('[sources.drops]\nkind = "files"\npath = "drops/"\n', encoding="utf-8")
    with Intendant(root) as made:
        for text in (
            "ingest drops.orders replace into sales",
            "provision mart from sales",
            "schedule refresh of mart daily at 00:00",
        ):
            assert made.do(text).status == "succeeded"
        yield made


def fired(app: Intendant, day: int) -> tuple[str, str]:
    """The status and the reason of the one refresh that is due on a day."""
    [result] = fire_due(app, START + day * DAY)
    return result.status, result.reason


def versions(app: Intendant) -> tuple[int, int]:
    return len(app.history("sales")), len(app.history("mart"))


def facts(app: Intendant) -> list[dict[str, Any]]:
    return [dict(e.data) for e in app.journal.events(kinds=["schedule.fired"])]


def test_a_refresh_of_what_has_not_changed_does_nothing(app: Intendant) -> None:
    assert fired(app, 0) == ("succeeded", "")
    before = versions(app)
    assert fired(app, 1) == fired(app, 2) == ("succeeded", "nothing that it is made of has changed")
    assert versions(app) == before
    assert [f.get("note", "") for f in facts(app)] == ["", *["nothing that it is made of has changed"] * 2]


def test_a_changed_file_a_changed_table_and_a_changed_target_are_each_a_reason(app: Intendant) -> None:
    fired(app, 0)
    (app.workspace.root / "drops" / "orders.csv").write_text(CSV + "4,west,40\n", encoding="utf-8")
    assert fired(app, 1) == ("succeeded", "") and app.show("mart")["rows"] == 4
    assert fired(app, 2)[1] == "nothing that it is made of has changed"
    assert app.do("transform mart first 1").status == "succeeded"
    assert fired(app, 3) == ("succeeded", "") and app.show("mart")["rows"] == 1
    assert app.do("drop sales", approve=True).status == "succeeded"
    assert fired(app, 4) == ("succeeded", "") and app.show("sales")["rows"] == 4


def test_a_table_of_another_table_follows_it(app: Intendant) -> None:
    assert app.do("transform sales filter amount > 10 into large").status == "succeeded"
    assert app.load(app.workspace.root / "drops" / "orders.csv", "loaded")["rows"] == 3
    assert (
        app.do("transform loaded filter amount > 10 into big\nschedule refresh of big daily at 00:00").status
        == "succeeded"
    )
    app.journal.append("", "no more mart", "schedule.removed", {"target": "mart"})
    assert fired(app, 0) == ("succeeded", "")
    assert fired(app, 1)[1] == "nothing that it is made of has changed"
    assert app.do("transform loaded derive amount = amount + 100").status == "succeeded"
    assert fired(app, 2) == ("succeeded", "") and app.show("big")["rows"] == 3


def test_a_refresh_does_not_begin_beside_its_run_before(app: Intendant) -> None:
    plan = app.schedules()[0]["plan"]
    app.journal.append("slow", "intent.received", "intent.received", {"text": plan, "by": "schedule"})
    before = versions(app)
    assert fired(app, 0) == ("succeeded", "its run before this one hasn't ended") and versions(app) == before
    app.journal.append("slow", "finished", "run.finished", {"status": "succeeded"})
    assert fired(app, 1) == ("succeeded", "") and versions(app) != before


def test_rows_that_were_archived_are_no_step_of_a_refresh(app: Intendant) -> None:
    assert app.do("archive sales where order_id = 1", approve=True).status == "succeeded"
    assert "archive" not in app.schedules()[0]["plan"]
