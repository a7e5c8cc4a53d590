"""The demo does its job: every sentence, in a folder of its own, with a report that tells what became of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from intendant.app import Intendant
from intendant.demo import run
from intendant.errors import UsageError

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Exit status, report and folder of one demo."""
    folder = tmp_path_factory.mktemp("tour") / "demo"
    told = io.StringIO()
    status = run(folder, Console(file=told, width=200, record=True))
    return status, told.getvalue(), folder


def test_every_sentence_of_the_demo_does_its_job(told: tuple[int, str, Path]):
    status, text, _ = told
    assert status == 0, text
    assert "8 of 8 sentences did their job" in text


def test_the_report_tells_plan_gate_quarantine_lineage_severity_and_priority(told: tuple[int, str, Path]):
    _, text, folder = told
    for said in ("ingest sales_api.orders latest 10000", "gate →", "in quarantine", "offered mend", "severity LOW",
                 "priority HIGH", "priority NORMAL", "Where total_revenue came from", "measured:"):
        assert said in text, said
    assert "total_revenue" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_revenue_in_the_lake_and_in_quarantine_is_the_revenue_of_the_source(told: tuple[int, str, Path]):
    _, text, folder = told
    with Intendant(folder) as app:
        rows = {table["name"]: table["rows"] for table in app.tables()}
    assert rows["staging.orders"] + rows.get("quarantine.staging.orders", 0) == 10_000
    assert "the same to the cent" in text


def test_the_demo_can_be_run_again_but_takes_no_folder_that_is_somebody_elses(tmp_path: Path):
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds something else"):
        run(tmp_path, Console(file=io.StringIO()))
    assert json.dumps([p.name for p in tmp_path.iterdir()]) == '["precious.txt"]'
