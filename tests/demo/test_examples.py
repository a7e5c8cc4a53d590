"""The examples run as they stand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.language import parse

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.name)
def test_a_script_runs(script: Path, tmp_path: Path):
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "LOW HIGH" in done.stdout


@pytest.mark.parametrize("pipeline", sorted(EXAMPLES.rglob("*.intent")), ids=lambda p: p.stem)
def test_a_pipeline_parses(pipeline: Path):
    assert parse(pipeline.read_text(encoding="utf-8")).steps


def test_the_shop_keeps_bad_orders_in_quarantine_and_sums_up_the_others(tmp_path: Path):
    folder = Path(shutil.copytree(EXAMPLES / "shop", tmp_path / "shop"))
    with Intendant(folder) as app:
        assert app.run("daily").status == "succeeded"
        rows = {t["name"]: t["rows"] for t in app.tables()}
        sums = app.sql("SELECT (SELECT sum(total_revenue) FROM orders), (SELECT sum(revenue) FROM revenue_by_region)")
    assert rows == {"customers": 60, "staging.orders": 393, "quarantine.staging.orders": 7, "orders": 363,
                    "revenue_by_region": 4}
    assert sums["rows"][0][0] == pytest.approx(sums["rows"][0][1])
    assert len((folder / "out" / "revenue_by_region.csv").read_text(encoding="utf-8").splitlines()) == 5
