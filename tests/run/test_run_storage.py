"""Room in the lake: retention after each run, housekeeping, and what is offered near the quota, measured before and after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from intendant.app import Intendant
from intendant.run.storage_keeping import tidied
from intendant.types import Stamp

NOW = datetime(2026, 11, 1)
WRITE = "transform tiny first 1"
"""A run that writes something: after it the lake is looked at."""


def opened(folder: Path, settings: str = "") -> Intendant:
    Intendant.init(folder).close()
    (folder / "intendant.toml").write_text(settings, encoding="utf-8")
    return Intendant(folder)


def put(app: Intendant, table: str, rows: int, mode: Any = "replace", *, old: float = 0.0, step: str = "0") -> None:
    """Rows that compress badly; the share `old` of them is ten years old."""
    random = np.random.default_rng(len(step) * 7 + rows)
    cut = int(rows * old)
    at = [NOW - timedelta(days=3650, seconds=i) if i < cut else NOW - timedelta(seconds=i) for i in range(rows)]
    data = pa.table({"id": list(range(rows)), "at": pa.array(at, pa.timestamp("us")), "amount": random.random(rows)})
    stage = app.lake.stage(table, Stamp(f"put {table}", step))
    stage.add(data)
    app.lake.publish(stage, mode, operation="load")


def done(app: Intendant, text: str) -> Any:
    result = app.do(text, approve=True)
    assert result.status == "succeeded", (text, result.error, result.reason)
    return result


def versions(app: Intendant, table: str = "orders") -> list[int]:
    return [h["version"] for h in app.history(table)]


def told(app: Intendant, kind: str) -> list[dict[str, Any]]:
    return [dict(e.data) for e in app.journal.events(kinds=[kind])]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    with opened(tmp_path / "w") as made:
        put(made, "orders", 50)
        yield made


# ---------------------------------------------------------------- retention
def test_a_retention_holds_after_every_run_that_writes_the_table(app: Intendant) -> None:
    done(app, "retain orders versions 2")
    for n in (40, 30, 20):
        done(app, f"transform orders first {n}")
        assert len(versions(app)) == 2
    assert told(app, "table.vacuumed")[-1]["versions"] == 2
    shown = app.show("orders")
    assert (shown["snapshots"], shown["old_files"], len(shown["archives"])) == (2, 1, 0)


def test_a_workspace_can_say_how_many_versions_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "w", "[storage]\nkeep_versions = 3\n") as app:
        put(app, "orders", 50)
        for n in (40, 30, 20, 10):
            done(app, f"transform orders first {n}")
        assert versions(app) == [4, 3, 2]
        done(app, "retain orders versions 2")
        assert versions(app) == [4, 3]
        (tmp_path / "orders.csv").write_text("id,amount\n" + "1,2\n" * 50, encoding="utf-8")
        app.load(tmp_path / "orders.csv", "orders")
        assert versions(app) == [5, 4]


def test_a_run_that_is_taken_back_finds_the_version_before_and_the_retention_before(app: Intendant) -> None:
    done(app, "retain orders versions 5")
    text = "retain orders versions 1\ntransform orders first 10\ncheck orders for amount at least 5 on failure rollback"
    assert app.do(text, approve=True).status == "rolled_back"
    assert app.show("orders")["rows"] == 50 and app.lake.settings("orders")["snapshots"] == 5


def test_what_waits_for_a_person_keeps_its_versions(app: Intendant) -> None:
    waiting = app.do("transform orders first 10\ncheck orders for amount at least 5 on failure review")
    assert waiting.status == "waiting_approval"
    app.lake.set_settings("orders", {"snapshots": 1}, Stamp("by", "hand"))
    assert tidied(app)["versions_bytes"] == 0
    app.reject(waiting.approval)
    assert app.show("orders")["rows"] == 50
    assert tidied(app)["versions_bytes"] > 0


def test_what_waits_for_a_person_keeps_the_versions_of_its_quarantine(tmp_path: Path) -> None:
    with opened(tmp_path / "w", "[storage]\nkeep_versions = 1\n") as app:
        put(app, "orders", 50)
        done(app, "check orders for amount at least 0.1 on failure quarantine")
        before = app.show("quarantine.orders")["rows"]
        waiting = app.do(
            "check orders for amount at least 0.5 on failure quarantine\ncheck orders for amount at least 5 on failure review"
        )
        assert waiting.status == "waiting_approval" and app.show("quarantine.orders")["rows"] > before
        tidied(app)
        app.reject(waiting.approval)
        assert app.show("quarantine.orders")["rows"] == before


def test_a_run_that_begins_during_housekeeping_finds_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path / "w", "[storage]\nkeep_versions = 1\n") as app:
        for table in ("a", "b"):
            put(app, table, 50)
        vacuum = app.lake.vacuum
        waiting: list[Any] = []

        def meanwhile(table: str, *keep: Any) -> int:
            if not waiting:
                waiting.append(app.do("transform b first 10\ncheck b for amount at least 5 on failure review"))
            return vacuum(table, *keep)

        monkeypatch.setattr(app.lake, "vacuum", meanwhile)
        tidied(app)
        app.reject(waiting[0].approval)
        assert app.show("b")["rows"] == 50


def test_a_query_that_runs_while_old_versions_go_ends_with_what_it_began_with(app: Intendant) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for n in range(10):
        put(app, "many", 200, "append", step=f"m{n}")
    done(app, "retain many versions 1")
    slow = "SELECT count(*), sum(a.amount * b.amount) > 0 FROM many a, many b"
    whole = ([[2000 * 2000, True]], [[10 * 10, True]])
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(app.sql, slow) for _ in range(4)]
        done(app, "transform many first 10")
        assert all(r.result()["rows"] in whole for r in running)
    tidied(app)
    shown = app.show("many")
    assert (shown["rows"], shown["files"], shown["old_files"]) == (10, 1, 0)


def test_a_retention_of_nothing_is_refused(app: Intendant) -> None:
    for text in ("retain orders versions 0", "retain orders for 0 days"):
        error = app.do(text, approve=True).error
        assert error is not None and (error["message"], error["hint"]) == (
            "the current version is always kept",
            "Use 1 or more.",
        )


def test_a_table_dropped_with_its_versions_is_gone_for_good(app: Intendant) -> None:
    put(app, "other", 50)
    done(app, "drop other")
    asked = app.do("drop orders with versions")
    assert asked.reason == "it removes the table 'orders' with all its versions, for good"
    app.approve(asked.approval)
    assert [d.table for d in app.lake.dropped()] == ["other"]
    assert told(app, "table.purged")[0]["bytes_freed"] > 0


def test_a_drop_with_versions_is_undone_when_its_run_fails(app: Intendant) -> None:
    put(app, "other", 50)
    text = "drop other with versions\ncheck orders for amount at least 5 on failure rollback"
    assert app.do(text, approve=True).status == "rolled_back"
    assert app.show("other")["rows"] == 50


def test_housekeeping_removes_what_died_and_what_was_dropped_long_ago(tmp_path: Path) -> None:
    import os

    with opened(tmp_path / "w", "[storage]\ntrash_days = 0.0\n") as app:
        put(app, "orders", 50)
        put(app, "other", 50)
        done(app, "drop other")
        dead, young = app.lake.stage("orders", Stamp("dead", "0")), app.lake.stage("orders", Stamp("young", "0"))
        for stage in (dead, young):
            stage.add(pa.table({"id": [1]}))
        for path in [*dead.folder.rglob("*"), dead.folder]:
            os.utime(path, (1, 1))
        freed = tidied(app)
        assert freed["trash_bytes"] > 0 and freed["leftover_bytes"] > 0
        assert (dead.folder.exists(), young.folder.exists(), app.lake.dropped()) == (False, True, [])


# ---------------------------------------------------------------- near the quota
def full(folder: Path, quota: float | None = None) -> None:
    """A workspace over 80% of its quota: old versions, old rows, small files, a staging table that nobody reads."""
    with opened(folder) as app:
        for n in range(6):
            put(app, "versions", 20_000, step=f"v{'x' * n}")
        put(app, "events", 90_000, old=0.6)
        for n in range(10):
            put(app, "small", 40, "append", step=f"s{n}")
        put(app, "staging.left", 30_000)
        put(app, "tiny", 1)
        used = app.lake.size()
    quota = used / 0.9 / 1e9 if quota is None else quota
    (folder / "intendant.toml").write_text(
        f"[policy]\nquota_gb = {quota}\n[storage]\nunused_days = 0.000001\n", encoding="utf-8"
    )


def test_near_the_quota_room_is_offered_ranked_and_each_frees_what_was_said(tmp_path: Path) -> None:
    full(tmp_path / "w")
    with Intendant(tmp_path / "w") as app:
        done(app, "query events first 1")
        assert app.approvals() == []  # nothing was written
        done(app, WRITE)
        offers = app.approvals()
        kinds = [o["plan"].split()[0] for o in offers]
        assert sorted(kinds) == ["archive", "drop", "optimize", "retain"]
        said = {p["kind"]: p for p in told(app, "proposal.made")}
        weights = {"compact": 1.0, "vacuum": 0.9, "archive": 0.7, "drop": 0.5}
        assert [p["rank"] for p in sorted(said.values(), key=lambda p: -p["bytes"] * weights[p["kind"]])] == [
            1,
            2,
            3,
            4,
        ]
        assert "54,000 of 90,000 rows are older than 730 days" in said["archive"]["why"]
        assert "1 of 1 known queries may read them" in said["archive"]["why"]
        assert (
            "6 versions are kept, the last 2 would be" in said["vacuum"]["why"] or "the last 3" in said["vacuum"]["why"]
        )
        for offer in offers:
            before, rows = app.lake.size(), {t["name"]: t["rows"] for t in app.tables()}
            result = app.approve(offer["id"])
            assert result.status == "succeeded", (offer, result.error)
            told_freed = told(app, "storage.freed")[-1]
            assert told_freed["freed_bytes"] == before - told_freed["is_bytes"]
            if offer["plan"].split()[0] != "optimize":  # its log is larger than its few rows
                assert abs(told_freed["freed_bytes"] - told_freed["said_bytes"]) <= 0.05 * told_freed["said_bytes"], (
                    offer
                )
            if offer["plan"].split()[0] in ("retain", "optimize"):
                assert {t["name"]: t["rows"] for t in app.tables()} == rows
        assert app.sql("SELECT count(*) FROM events")["rows"] == [[36_000]]
        done(app, "restore events from archive")
        assert app.sql("SELECT count(*), count(DISTINCT id) FROM events")["rows"] == [[90_000, 90_000]]


def test_an_offer_is_made_once_and_not_again_after_a_no(tmp_path: Path) -> None:
    full(tmp_path / "w")
    with Intendant(tmp_path / "w") as app:
        done(app, WRITE)
        first = app.approvals()
        done(app, WRITE)
        assert app.approvals() == first
        for offer in first:
            app.reject(offer["id"])
        done(app, WRITE)
        assert app.approvals() == []
        assert told(app, "storage.full")[-1]["why"].endswith("raise policy.quota_gb or drop what isn't needed")


def test_an_offer_on_a_table_that_has_changed_is_measured_anew(tmp_path: Path) -> None:
    full(tmp_path / "w")
    with Intendant(tmp_path / "w") as app:
        done(app, WRITE)
        before = {o["run_id"]: o["plan"] for o in app.approvals()}
        done(app, "transform events filter id >= 1000")
        [gone] = set(before) - {o["run_id"] for o in app.approvals()}
        assert before[gone].startswith("archive events older than 730 days")
        assert [(e.run, e.data["why"]) for e in app.journal.events(kinds=["approval.rejected"])] == [
            (gone, "measured anew")
        ]


def test_a_lake_far_from_its_quota_is_offered_nothing(tmp_path: Path) -> None:
    full(tmp_path / "w", quota=1.0)
    with Intendant(tmp_path / "w") as app:
        done(app, WRITE)
        assert app.approvals() == [] and told(app, "storage.near_capacity") == []
