"""A run is told to other systems as OpenLineage events; when that fails the run still succeeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from intendant.app import Intendant


def test_the_file_gets_start_and_complete_with_the_lineage_of_columns(workspace: Path) -> None:
    (workspace / "intendant.toml").write_text('[openlineage]\nfile = "out/lineage.jsonl"\n', encoding="utf-8")
    with Intendant(workspace) as app:
        app.load(workspace / "orders.csv", "orders")
        assert app.do("transform orders derive total = amount * quantity into priced").status == "succeeded"
    lines = (workspace / "out" / "lineage.jsonl").read_text(encoding="utf-8").splitlines()
    start, end = (json.loads(line) for line in lines)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE") and start["run"] == end["run"]
    assert [d["name"] for d in end["inputs"]] == ["orders"]
    [priced] = end["outputs"]
    fields = priced["facets"]["columnLineage"]["fields"]
    assert priced["name"] == "priced" and {(f["name"], f["field"]) for f in fields["total"]["inputFields"]} == {
        ("orders", "amount"), ("orders", "quantity"),
    }  # fmt: skip
    assert fields["region"]["inputFields"][0]["field"] == "region"


def test_a_run_that_was_rolled_back_ends_as_abort(workspace: Path) -> None:
    (workspace / "intendant.toml").write_text('[openlineage]\nfile = "lineage.jsonl"\n', encoding="utf-8")
    with Intendant(workspace) as app:
        app.load(workspace / "orders.csv", "orders")
        assert app.do("check orders for not null region on failure rollback").status == "rolled_back"
    lines = (workspace / "lineage.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "ABORT"]


@pytest.mark.parametrize(
    "settings",
    ['url = "http://127.0.0.1:1/lineage"', 'url = "http://[nowhere"', 'file = "../outside"', 'file = "pipelines"', 'namespace = "x"'],
)
def test_lineage_that_can_t_be_told_is_a_fact_and_the_run_succeeds(settings: str, workspace: Path) -> None:
    (workspace / "intendant.toml").write_text(f"[openlineage]\n{settings}\n", encoding="utf-8")
    with Intendant(workspace) as app:
        app.load(workspace / "orders.csv", "orders")
        result = app.do("transform orders first 2 into two")
        assert result.status == "succeeded", result.error
        [failed] = app.journal.events(kinds=["openlineage.failed"])
    assert failed.run == result.run_id and failed.data["error"]["message"] and failed.data["error"]["hint"]
    assert not (workspace.parent / "outside").exists()
