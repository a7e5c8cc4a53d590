"""The examples run as they stand, and give the figures that plain Python makes of their files."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.language.plans import parse
from intendant.run.build import build
from intendant.run.pipelines import filled
from intendant.types import Json

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


WORKSPACES = ("shop", "sensors", "ledger")


@contextmanager
def built(name: str, tmp_path: Path) -> Iterator[Intendant]:
    """A copy of an example, all its pipelines run."""
    folder = Path(shutil.copytree(EXAMPLES / name, tmp_path / name))
    with Intendant(folder) as app:
        assert {r["status"] for r in build(app)} == {"succeeded"}
        yield app


def given(name: str, file: str) -> list[dict[str, str]]:
    with (EXAMPLES / name / "drops" / f"{file}.csv").open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def rows(app: Intendant, sql: str) -> list[tuple[Json, ...]]:
    return [tuple(r) for r in app.sql(sql)["rows"]]


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.name)
def test_a_script_runs(script: Path, tmp_path: Path):
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "LOW HIGH" in done.stdout


@pytest.mark.parametrize("pipeline", sorted(EXAMPLES.rglob("*.intent")), ids=lambda p: p.stem)
def test_a_pipeline_parses(pipeline: Path):
    assert parse(filled(pipeline.read_text(encoding="utf-8"), {}, pipeline.name)).steps


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


def test_the_shops_best_customers_are_those_who_brought_most(tmp_path: Path):
    region = {c["customer_id"]: c["region"] for c in given("shop", "customers")}
    brought: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    seen: set[str] = set()
    for o in sorted(given("shop", "orders"), key=lambda o: int(o["customer_id"] or 0)):  # of two the rule keeps the first by it
        good = o["customer_id"] and o["order_id"] not in seen and o["quantity"] and int(o["quantity"]) > 0
        seen.add(o["order_id"])
        if good and o["status"] in ("paid", "shipped"):
            brought[region[o["customer_id"]]][o["customer_id"]] += float(o["price"]) * int(o["quantity"])
    with built("shop", tmp_path) as app:
        found = rows(app, "SELECT region, cust_id, revenue, share FROM best_customers ORDER BY region, revenue DESC")
        sums = dict(rows(app, "SELECT region, revenue FROM revenue_by_region"))
    assert sums == {r: pytest.approx(sum(by.values())) for r, by in brought.items()}
    wanted = [
        (r, int(c), pytest.approx(v), pytest.approx(v / sum(by.values())))
        for r, by in sorted(brought.items())
        for c, v in sorted(by.items(), key=lambda x: -x[1])[:3]
    ]
    assert found == wanted


def test_the_sensors_hours_and_alarms(tmp_path: Path):
    seen, last, broken = set(), dict[str, float](), 0
    hours: dict[tuple[str, datetime], list[float]] = defaultdict(list)
    for r in given("sensors", "readings"):
        if r["temperature"] == "999.0":
            broken += 1
        elif (r["device_id"], r["measured_at"]) not in seen:
            seen.add((r["device_id"], r["measured_at"]))
            last[r["device_id"]] = float(r["temperature"]) if r["temperature"] else last[r["device_id"]]
            at = datetime.fromisoformat(r["measured_at"])
            hours[r["device_id"], at.replace(minute=0)].append(last[r["device_id"]])
    limits = {d["device_id"]: (float(d["lowest"]), float(d["highest"])) for d in given("sensors", "devices")}
    out = {k for k, v in hours.items() if min(v) < limits[k[0]][0] or max(v) > limits[k[0]][1]}
    with built("sensors", tmp_path) as app:
        [(n,), (aside,)] = rows(app, 'SELECT count(*) FROM readings UNION ALL SELECT count(*) FROM quarantine."staging.readings"')
        means = {(d, datetime.fromisoformat(h)): m for d, h, m in rows(app, "SELECT device_id, hour, mean FROM hours")}
        smooth = rows(app, "SELECT smooth FROM hours WHERE device_id = 'd3' ORDER BY hour")
        alarms = {(d, datetime.fromisoformat(h)) for d, h in rows(app, "SELECT device_id, hour FROM alarms")}
    assert (n, aside) == (len(seen), broken) and broken > 0
    assert means == {k: pytest.approx(sum(v) / len(v)) for k, v in hours.items()}
    third = [sum(v) / len(v) for k, v in sorted(hours.items()) if k[0] == "d3"]
    assert [s for (s,) in smooth] == [pytest.approx(sum(p) / len(p)) for i in range(len(third)) for p in [third[max(0, i - 2) : i + 1]]]
    assert alarms == out and {d for d, _ in out} == {"d3"}


def test_the_ledgers_euros_balances_and_statement(tmp_path: Path):
    accounts = {a["account"]: a["name"] for a in given("ledger", "accounts")}
    rates = sorted((r["currency"], r["day"], float(r["rate"])) for r in given("ledger", "rates"))
    euros: dict[str, tuple[str, str, float]] = {}
    bad = 0
    for b in given("ledger", "bookings"):
        if b["booking"] in euros or b["account"] not in accounts:
            bad += 1
            continue
        held = [rate for currency, day, rate in rates if currency == b["currency"] and day <= b["booked_on"]]
        if held:  # before the first rate there is none
            euros[b["booking"]] = b["account"], b["booked_on"], round(float(b["amount"]) * held[-1] + 1e-9, 2)
    with built("ledger", tmp_path) as app:
        found = {n: (a, d, e) for n, a, d, e in rows(app, "SELECT booking, account, booked_on, euros FROM bookings")}
        [(aside,)] = rows(app, 'SELECT count(*) FROM quarantine."staging.bookings"')
        ends = dict(rows(app, "SELECT account, arg_max(balance, booked_on) FROM balances GROUP BY account"))
        statement = {r[0]: r[1:] for r in rows(app, "FROM statement")}
        written = (app.workspace.root / "out" / "statement.csv").read_text(encoding="utf-8").splitlines()
    assert found == {n: (a, d, pytest.approx(e, abs=0.0101)) for n, (a, d, e) in euros.items()} and aside == bad == 5
    assert ends == {a: pytest.approx(sum(e for x, _, e in euros.values() if x == a), abs=0.05) for a in accounts}
    months = [f"2026-0{m}" for m in (1, 2, 3)]
    assert statement == {
        name: tuple(pytest.approx(sum(e for x, d, e in euros.values() if x == a and d[:7] == m), abs=0.05) for m in months)
        for a, name in accounts.items()
    }
    assert written[0] == "name,2026-01,2026-02,2026-03" and len(written) == 5


@pytest.mark.parametrize("name", WORKSPACES)
def test_an_example_has_a_readme_that_names_its_pipelines_and_a_link_in_the_docs(name: str):
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert all(f"`{p.stem}`" in readme for p in (EXAMPLES / name / "pipelines").glob("*.intent"))
    assert f"examples/{name}" in (EXAMPLES.parent / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["sensors", "ledger"])
def test_the_scripts_make_the_same_files_again(name: str, tmp_path: Path):
    folder = Path(shutil.copytree(EXAMPLES / name, tmp_path / name))
    before = {f.name: f.read_bytes() for f in (folder / "drops").iterdir()}
    subprocess.run([sys.executable, str(folder / "make.py")], check=True)
    assert {f.name: f.read_bytes() for f in (folder / "drops").iterdir()} == before
