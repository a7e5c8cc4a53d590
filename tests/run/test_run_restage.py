"""A stage that is gone before its publish is made anew; a person's yes holds for the same findings only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from intendant.app import Intendant
from intendant.types import Result

LOAD = "ingest drops.orders into orders\ncheck orders for amount at least 0 on failure review"
DO = "import sys\nfrom intendant.app import Intendant\nIntendant(sys.argv[1]).do(sys.argv[2], run_id='the-run')"
RESUME = "import sys\nfrom intendant.app import Intendant\nIntendant(sys.argv[1]).resume()"


def workspace(folder: Path, bad: int = 2) -> Path:
    Intendant.init(folder).close()
    (folder / "intendant.toml").write_text('[sources.drops]\nkind = "files"\npath = "drops/"\n')
    (folder / "drops").mkdir()
    return written(folder, bad)


def written(folder: Path, bad: int) -> Path:
    """Ten orders, of which so many have an amount below 0."""
    lines = "".join(f"{i},{-i if i <= bad else i}\n" for i in range(1, 11))
    (folder / "drops" / "orders.csv").write_text(f"id,amount\n{lines}")
    return folder


def waiting(app: Intendant) -> str:
    """The approval that a load with bad rows asks for, once the table has its rule; its stage is then gone."""
    assert app.do("ingest drops.orders into orders").status == "succeeded"
    assert app.do("check orders for amount at least 0 on failure review").status == "waiting_approval"
    app.approve(app.approvals()[0]["id"])
    asked = app.do("ingest drops.orders into orders")
    assert asked.status == "waiting_approval", asked
    gone(app)
    [found] = [a["id"] for a in app.approvals() if a["run_id"] == asked.run_id]
    return str(found)


def gone(app: Intendant) -> None:
    stages = list(app.lake.root.glob("*/*/_stage"))
    assert stages
    for stage in stages:
        shutil.rmtree(stage)


def kinds(app: Intendant, result: Result) -> list[str]:
    return [e.kind for e in app.journal.events(result.run_id)]


def test_an_accepted_load_whose_stage_is_gone_is_read_again_and_published_when_it_is_the_same(tmp_path: Path) -> None:
    with Intendant(workspace(tmp_path)) as app:
        approval = waiting(app)
        before = app.lake.snapshot("orders").version
        done = app.approve(approval)
        assert done.status == "succeeded", done
        assert kinds(app, done).count("step.restaged") == kinds(app, done).count("table.published") == 1
        assert app.lake.snapshot("orders").version == before + 1 and app.lake.snapshot("orders").rows == 10
        assert app.journal.verify()


def test_a_person_is_asked_again_when_the_audit_finds_something_else(tmp_path: Path) -> None:
    with Intendant(workspace(tmp_path)) as app:
        approval = waiting(app)
        before = app.lake.snapshot("orders").version
        written(tmp_path, bad=3)
        again = app.approve(approval)
        assert again.status == "waiting_approval", again
        assert app.lake.snapshot("orders").version == before
        [asked] = [a for a in app.approvals() if a["run_id"] == again.run_id]
        assert asked["id"] != approval
        done = app.approve(asked["id"])
        assert done.status == "succeeded" and app.lake.snapshot("orders").version == before + 1
        assert kinds(app, done).count("table.published") == 1 and app.approvals() == []


def killed(folder: Path, text: str, boundary: str) -> None:
    """A process that says the text, or goes on with what is unfinished, dies at the boundary."""
    process = subprocess.run(
        [sys.executable, "-c", DO if text else RESUME, str(folder), text],
        env={**os.environ, "INTENDANT_FAULT_AT": boundary},
    )
    assert process.returncode == -signal.SIGKILL


def test_rows_that_a_lost_stage_had_set_aside_are_there_once(tmp_path: Path) -> None:
    with Intendant(workspace(tmp_path)) as app:
        assert app.do("ingest drops.orders into orders").status == "succeeded"
        assert app.do("check orders for amount at least 0 on failure quarantine").status == "succeeded"
        assert app.lake.snapshot("quarantine.orders").rows == 2
    killed(tmp_path, "ingest drops.orders into orders", "between:0.publish")
    written(tmp_path, bad=4)
    with Intendant(tmp_path) as app:
        gone(app)
        app.resume()
        assert app.result("the-run").status == "succeeded"
        assert app.lake.snapshot("orders").rows == 6
        assert app.lake.snapshot("quarantine.orders").rows == 2 + 4
        [fact] = app.journal.events("the-run", kinds=["step.restaged"])
        assert fact.data["quarantine_taken_back"] == 2


def test_rows_that_an_earlier_stage_left_on_a_disk_are_not_taken_for_those_of_a_later_one(tmp_path: Path) -> None:
    """A worker dies, another one stages anew and dies too, and the first one goes on: its disk has the stage from before."""
    text, left = "ingest drops.orders into orders", tmp_path / "left"
    stages = workspace(tmp_path / "w").joinpath(".intendant", "lake", "main", "orders", "_stage")
    killed(tmp_path / "w", text, "recorded:0.audit")
    stages.rename(left)
    written(tmp_path / "w", bad=4)
    killed(tmp_path / "w", "", "between:0.publish")
    shutil.rmtree(stages)
    left.rename(stages)
    with Intendant(tmp_path / "w") as app:
        app.resume()
        assert app.result("the-run").status == "succeeded"
        assert app.sql("SELECT count(*) FROM orders WHERE amount < 0")["rows"] == [[4]]
        assert len(app.journal.events("the-run", kinds=["step.restaged"])) == 2


def test_a_row_of_the_wrong_type_is_in_quarantine_though_its_stage_was_made_anew(tmp_path: Path) -> None:
    lines = [f"{i},{i}" for i in range(1, 201)]
    drop = workspace(tmp_path) / "drops" / "orders.csv"
    drop.write_text("\n".join(["id,amount", *lines]) + "\n")
    with Intendant(tmp_path) as app:
        assert app.do("ingest drops.orders append into orders").status == "succeeded"
    drop.write_text("\n".join(["id,amount", *lines[:-1], "200,none yet"]) + "\n")
    killed(tmp_path, "ingest drops.orders append into orders", "recorded:0.audit")
    with Intendant(tmp_path) as app:
        gone(app)
        app.resume()
        assert app.result("the-run").status == "succeeded"
        assert app.lake.snapshot("orders").rows == 200 + 199 and app.lake.snapshot("quarantine.orders").rows == 1
        assert app.result("the-run").outputs[0].rows_quarantined == 1


def test_a_step_that_renames_its_tables_column_ends_when_it_was_killed_right_behind_its_publish(tmp_path: Path) -> None:
    with Intendant(workspace(tmp_path)) as app:
        assert app.do("ingest drops.orders into orders").status == "succeeded"
    killed(tmp_path, "transform orders rename amount to total", "after:0.publish")
    with Intendant(tmp_path) as app:
        assert app.resume() == ["the-run"]
        assert app.result("the-run").status == "succeeded"
        assert [*app.show("orders")["columns"]] == ["id", "total"] and len(app.lake.history("orders")) == 2
