"""What programs rely on, as the command line prints it: the shapes of `--json`, and the exit statuses."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.app.test_advice import SALES
from tests.conftest import ORDERS

from intendant.app import Intendant

SHOW = {
    "name", "version", "rows", "columns", "partition_by", "sort_by", "indexes", "rules", "on_failure", "retention_days",
    "snapshots", "schedule", "quarantined_rows",
}  # fmt: skip
DO = {
    "status", "run_id", "intent", "plan", "steps", "confidence", "questions", "reason", "outputs", "answer", "findings",
    "error", "timing_ms",
}  # fmt: skip
TOML = """
[sources.drops]
kind = "files"
path = "drops/"

[queries.top]
sql = "SELECT * FROM orders ORDER BY amount DESC LIMIT 1"
runs_per_day = 50
"""
IOT = {
    "id": "iot",
    "source": {"type": "Kafka", "volume": "50GB/day", "frequency": "real-time"},
    "quality_metrics": {"completeness": 95, "consistency": 88, "issues": 5},
    "infrastructure_metrics": {"cpu_usage": 65, "memory_usage": 71, "query_latency": 150},
}


def cli(folder: Path, words: Sequence[str]) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "intendant.faces.cli", *words, "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("contract")
    (root / "drops").mkdir()
    (root / "drops" / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (root / "intendant.toml").write_text(TOML, encoding="utf-8")
    (root / "codes.csv").write_text("code,n\n007,1\n008,2\n", encoding="utf-8")
    cells = [f"{i},paid,{10 + i % 7}" for i in range(200)]
    cells[17] = "17,,1000000"
    (root / "dirty.csv").write_text("Order ID,st-atus,amount\n" + "\n".join(cells) + "\n", encoding="utf-8")
    (root / "sales.json").write_text(json.dumps(SALES), encoding="utf-8")
    (root / "iot.json").write_text(json.dumps(IOT), encoding="utf-8")
    with Intendant.init(root) as app:
        for text in (
            "ingest drops.orders into orders",
            "check orders for not null region, amount between 0 and 50 on failure quarantine",
            "provision mart from orders partition by month(created_at) sort by order_id",
            "schedule refresh of mart daily at 00:00",
            "limit drops.orders to 1000 rows per 2 seconds",
        ):
            result = app.do(text)
            assert result.status == "succeeded", result.error
    return root


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, tuple[int, Any]]:
    """What each command said; those that only look run side by side."""
    commands: dict[str, list[str]] = {
        "tables": ["tables"], "show": ["show", "orders"], "mart": ["show", "mart"], "schedules": ["schedules"],
        "sql": ["sql", "SELECT order_id, created_at FROM orders ORDER BY 1 LIMIT 1"], "sources": ["sources"],
        "check": ["check", "dirty.csv", "--cells", "cells.csv"], "sales": ["advise", "sales.json"],
        "iot": ["advise", "iot.json"], "doctor": ["doctor"], "dry": ["do", "query orders top 1 by amount", "--dry-run"],
        "history": ["history", "orders"], "lineage": ["lineage", "mart.amount"], "runs": ["runs"],
    }  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(commands, pool.map(lambda w: cli(folder, w), commands.values()), strict=True))


def test_looking_succeeds_with_exit_status_0(said: dict[str, tuple[int, Any]]) -> None:
    assert {name: status for name, (status, _) in said.items() if status} == {}


def test_tables_are_name_version_and_rows(said: dict[str, tuple[int, Any]]) -> None:
    out = {t["name"]: t for t in said["tables"][1]}
    assert out["orders"] == {"name": "orders", "version": 1, "rows": 5}
    assert out["quarantine.orders"]["rows"] == 1 and all(set(t) == {"name", "version", "rows"} for t in out.values())


def test_show_has_every_key_of_the_contract(said: dict[str, tuple[int, Any]]) -> None:
    orders, mart = said["show"][1], said["mart"][1]
    assert set(orders) >= SHOW and set(mart) >= SHOW
    assert (orders["quarantined_rows"], orders["on_failure"], orders["schedule"]) == (1, "quarantine", None)
    assert [(r["type"], r["column"]) for r in orders["rules"]] == [("not_null", "region"), ("range", "amount")]
    assert (orders["rules"][1]["min"], orders["rules"][1]["max"]) == (0, 50)
    assert orders["columns"]["order_id"] == "BIGINT" and orders["retention_days"] is None
    assert mart["schedule"] == {"cron": "0 0 * * *", "timezone": "UTC"}
    assert mart["partition_by"] == ["month(created_at)"] and mart["sort_by"] and mart["rows"] == 5


def test_sql_is_columns_and_rows_of_plain_values(said: dict[str, tuple[int, Any]]) -> None:
    assert said["sql"][1] == {"columns": ["order_id", "created_at"], "rows": [[1, "2025-01-01T10:00:00"]]}


def test_schedules_say_target_plan_cron_timezone_and_next(said: dict[str, tuple[int, Any]]) -> None:
    [schedule] = said["schedules"][1]
    assert {"target", "plan", "cron", "timezone", "next"} <= set(schedule)
    assert (schedule["target"], schedule["cron"], schedule["timezone"]) == ("mart", "0 0 * * *", "UTC")
    assert schedule["plan"].splitlines()[0] == "ingest drops.orders replace into orders"


def test_sources_say_resources_and_limits(said: dict[str, tuple[int, Any]]) -> None:
    assert said["sources"][1] == [
        {
            "name": "drops",
            "kind": "files",
            "resources": ["orders"],
            "limits": [{"source": "drops.orders", "rows": 1000, "per_seconds": 2}],
        }
    ]


def test_cells_are_rows_from_0_and_columns_as_in_the_file(folder: Path, said: dict[str, tuple[int, Any]]) -> None:
    with (folder / "cells.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    assert rows[0] == ["row", "column", "reason", "confidence"]
    assert {("17", "st-atus"), ("17", "amount")} <= {(r[0], r[1]) for r in rows[1:]}
    assert {r[1] for r in rows[1:]} <= {"Order ID", "st-atus", "amount"} and all(0 < float(r[3]) <= 1 for r in rows[1:])
    assert said["check"][1]["cells"]["count"] == len(rows) - 1 and said["check"][1]["rows"] == 200


def test_advice_on_the_described_pipelines(said: dict[str, tuple[int, Any]]) -> None:
    sales, iot = said["sales"][1], said["iot"][1]
    assert (sales["strategy"], sales["severity"], sales["priority"]) == ("streaming", "LOW", "HIGH")
    assert (iot["severity"], iot["priority"]) == ("LOW", "NORMAL")
    assert "no immediate action" in " ".join(iot["recommendations"]).lower()


def test_a_dry_run_has_the_keys_of_do_and_changes_nothing(folder: Path, said: dict[str, tuple[int, Any]]) -> None:
    out = said["dry"][1]
    assert set(out) >= DO and out["status"] == "succeeded" and out["plan"] == "query orders top 1 by amount"
    assert len(said["runs"][1]) == 5 and {r["status"] for r in said["runs"][1]} == {"succeeded"}


def test_load_with_types_and_exit_statuses_of_what_acts(folder: Path) -> None:
    loaded = cli(folder, ["load", "codes.csv", "codes", "--types", '{"code": "VARCHAR"}'])
    assert loaded == (0, {"table": "codes", "version": 0, "rows": 2})
    status, out = cli(folder, ["do", "query codes filter code = '007'"])
    assert (status, out["answer"]) == (0, {"columns": ["code", "n"], "rows": [["007", 1]]}) and set(out) >= DO
    status, out = cli(folder, ["do", "transform codes derive m = n * 2 into doubled"])
    assert (status, out["outputs"]) == (0, [{"table": "doubled", "version": 0, "rows_written": 2, "rows_quarantined": 0}])
    status, out = cli(folder, ["do", "check codes for n above 1 on failure rollback"])
    assert (status, out["status"]) == (1, "rolled_back") and out["findings"]
    status, out = cli(folder, ["do", "drop codes"])
    assert (status, out["status"]) == (4, "waiting_approval")
    assert cli(folder, ["approvals"])[1][0]["plan"] == "drop codes"
    assert cli(folder, ["do", "what is the meaning of life?"])[0] == 3
    status, out = cli(folder, ["load", "nowhere.csv", "codes"])
    assert (status, set(out["error"])) == (2, {"code", "message", "where", "hint"})


def test_history_says_the_sentence_behind_each_version(said: dict[str, tuple[int, Any]]) -> None:
    newest, first = said["history"][1]
    assert (newest["version"], newest["rows"], first["rows"]) == (1, 5, 6)
    assert newest["intent"].startswith("check orders for") and first["intent"] == "ingest drops.orders into orders"


def test_doctor_ends_with_1_and_the_mend_when_something_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "intendant.toml").write_text(
        '[sources.lost]\nkind = "files"\npath = "nowhere/"\n[sources.typo]\nkind = "filse"\n', encoding="utf-8"
    )
    status, out = cli(tmp_path, ["doctor"])
    assert status == 1 and {"what", "state", "detail", "mend"} == set(out[0])
    bad = {r["what"]: (r["state"], r["mend"]) for r in out if r["state"] in ("problem", "warning")}
    assert bad == {
        "source lost": ("warning", "Check its path, address or topics in intendant.toml."),
        "source typo": ("problem", "Did you mean 'files'?"),
    }
