"""What a dry run says of rows, held against what the run then does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.run.build import build
from intendant.run.changes import changes, plan_diff
from intendant.types import Json, Result

ROWS = [(i, "ES" if i % 2 else "DE", round(i * 1.1, 2), None if i == 4 else "x") for i in range(1, 11)]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    lines = [",".join("" if v is None else str(v) for v in row) for row in ROWS]
    (tmp_path / "orders.csv").write_text("\n".join(["id,country,amount,note", *lines]) + "\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "intendant.toml").write_text(f'[sources.drops]\nkind = "files"\npath = "{tmp_path}/orders.csv"\n')
    with Intendant.init(tmp_path / "w") as app:
        app.load(tmp_path / "orders.csv", "orders")
        yield app


def table(result: Result, name: str) -> dict[str, Json]:
    assert result.changes is not None, result.error
    return next(t for t in result.changes["tables"] if t["table"] == name)


def counts(t: dict[str, Json]) -> tuple[Json, ...]:
    return t["added"], t["changed"], t["removed"]


def rows(app: Intendant, name: str) -> list[tuple[Json, ...]]:
    return [tuple(r) for r in app.sql(f"FROM {name}")["rows"]] if app.lake.exists(name) else []


# ---------------------------------------------------------------- rows
def test_rows_of_a_table_with_a_unique_rule_are_told_apart_by_it(app: Intendant) -> None:
    app.do("check orders for unique id")
    said = app.plan("transform orders derive amount = case when id < 4 then amount * 2 else amount end filter id < 8")
    t = table(said, "orders")
    assert (t["state"], t["by"], counts(t), t["rows_before"], t["rows_after"]) == ("known", ["id"], (0, 3, 3), 10, 7)
    assert t["samples"]["changed"][0] == {"key": {"id": 1}, "before": {"amount": 1.1}, "after": {"amount": 2.2}}
    assert [r["id"] for r in t["samples"]["removed"]] == [8, 9, 10]
    assert app.lake.snapshot("orders").version == 0 and not list((app.workspace.state / "spill").glob("preview-*"))


def test_without_a_key_versions_are_compared_as_multisets(app: Intendant) -> None:
    app.do("transform orders select country, note into pairs")
    t = table(
        app.plan("transform pairs derive note = case when note = 'x' and country = 'ES' then 'y' else note end"),
        "pairs",
    )
    assert (t["by"], counts(t)) == ([], (5, 0, 5))
    assert t["samples"]["added"] == [{"country": "ES", "note": "y"}] * 3


def test_a_rule_that_the_rows_do_not_keep_is_no_key(app: Intendant) -> None:
    app.do("check orders for unique country on failure warn")
    assert table(app.plan("transform orders filter id > 3"), "orders")["by"] == []


def test_groups_are_the_key_of_what_they_made(app: Intendant) -> None:
    text = (
        "transform orders filter amount > {} into big\ntransform big group by country: sum amount as total into totals"
    )
    app.do(text.format(0))
    t = table(app.plan(text.format(3), answers={}), "totals")
    es = sum(a for _, c, a, _ in ROWS if c == "ES")
    assert (t["by"], counts(t)) == (["country"], (0, 2, 0))
    changed = {c["key"]["country"]: (c["before"]["total"], c["after"]["total"]) for c in t["samples"]["changed"]}
    assert changed["ES"] == (pytest.approx(es), pytest.approx(es - 1.1))


def test_columns_that_come_go_and_change_their_type_are_named(app: Intendant) -> None:
    app.do("check orders for unique id")
    t = table(app.plan("transform orders derive net = amount / 2 drop note cast id to text"), "orders")
    assert t["columns"] == {"added": ["net"], "removed": ["note"], "retyped": [["id", "BIGINT", "VARCHAR"]]}
    assert (t["by"], counts(t)) == (["id"], (0, 0, 0))


PLANS = [
    "transform orders filter amount > 3 into big",
    "transform orders fill note with 'none'",
    "transform orders union orders into twice\ntransform twice group by country: count as n into counted",
    "check orders for amount below 9, not null note on failure quarantine",
    "check orders for amount below 9 on failure quarantine\ntransform orders derive amount = amount * 9 into more\n"
    "transform more derive amount = 1 into orders",
    "provision mart from orders sort by amount",
    "drop orders",
    "archive orders where amount > 5",
    "transform orders filter id < 3\nrestore orders to version 0",
]


@pytest.mark.parametrize("plan", PLANS)
def test_what_is_said_is_what_the_run_does(app: Intendant, plan: str) -> None:
    names = ["orders", "big", "twice", "counted", "mart", "more", "quarantine.orders"]
    before = {n: rows(app, n) for n in names}
    said = app.plan(plan)
    assert said.changes is not None and said.changes["stops"] is None, said
    told = {t["table"]: t for t in said.changes["tables"]}
    assert app.do(plan, approve=True).status == "succeeded"
    for name in names:
        t = told.get(name, {"state": "known", "added": 0, "changed": 0, "removed": 0})
        after = rows(app, name)
        old, new = (Counter(r[:4] for r in x) for x in (before[name], after))
        assert t["state"] == "known"
        assert (t["added"] + t["changed"], t["removed"] + t["changed"]) == ((new - old).total(), (old - new).total()), (
            name
        )


# ---------------------------------------------------------------- where it stops
@pytest.mark.parametrize(
    ("plan", "status", "why"),
    [
        ("check orders for amount below 9 on failure rollback", "rolled_back", "2 of 10 rows break"),
        ("check orders for amount below 9 on failure review", "waiting_approval", "2 of 10 rows break"),
        ("transform orders derive n = number(concat('x', note)) into bad", "failed", "10 rows of 'orders' have no value"),
        ("transform orders filter id > 99", "failed", "would empty"),
    ],
)
def test_where_the_run_would_end_is_told(app: Intendant, plan: str, status: str, why: str) -> None:
    said = app.plan(f"transform orders filter id < 3 into two\n{plan}\ntransform two filter id < 2 into one")
    assert said.changes is not None and said.changes["stops"]["status"] == status
    assert why in said.changes["stops"]["why"]
    assert [t["table"] for t in said.changes["tables"] if t["table"] == "one"] == []
    assert app.do(plan).status == status


# ---------------------------------------------------------------- what is not tried
def test_what_is_loaded_is_only_described_and_what_needs_it_is_unknown(app: Intendant) -> None:
    said = app.plan(
        "ingest drops.orders upsert on id into orders\ntransform orders filter id > 3 into some\n"
        "export some to 'out/some.csv'"
    )
    assert said.changes is not None, said
    assert [d["step"].partition(" ")[0] for d in said.changes["described"]] == ["ingest", "transform"]
    assert {t["table"]: (t["state"], t["rows_before"], t["added"]) for t in said.changes["tables"]} == {
        "orders": ("unknown", 10, None), "some": ("unknown", 0, None)}  # fmt: skip
    assert table(said, "some")["why"] == "it needs orders, and what drops.orders holds is known once it is loaded"
    assert not (app.workspace.root / "out").exists()


def test_the_key_of_an_upsert_tells_rows_apart(app: Intendant) -> None:
    app.do("ingest drops.orders upsert on id into bought")
    t = table(app.plan("transform bought derive amount = amount + 1 filter id > 1"), "bought")
    assert (t["by"], counts(t)) == (["id"], (0, 9, 1))


def test_more_rows_than_the_budget_are_estimated_and_it_is_said(app: Intendant) -> None:
    prepared = app.compiled("transform orders filter id > 3 into some\ntransform some filter id > 4 into one", {}, {})
    assert not isinstance(prepared, Result)
    some, one = changes(app, prepared, most=9)["tables"]
    assert some["state"] == "estimated" and some["added"] is None and 0 < some["rows_after"] <= 10
    assert some["why"] == "it reads 10 rows, and a preview reads 9: its rows are estimated, not counted"
    assert one["state"] == "unknown" and one["why"].startswith("it needs some, and it reads 10 rows")


def test_a_preview_before_an_approval_tries_nothing(app: Intendant, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, tried = [], []
    monkeypatch.setattr("intendant.run.changes.Preview", lambda *given: tried.append(given))
    app.do("drop orders", confirm=lambda prepared: bool(seen.append(prepared.preview)))
    assert seen and not tried
    assert app.do("query orders top 1 by amount").changes is None


# ---------------------------------------------------------------- pipelines
def write(app: Intendant, name: str, text: str) -> None:
    (app.workspace.root / "pipelines" / f"{name}.intent").write_text(text)


def test_a_pipelines_plan_is_held_against_that_of_its_last_success(app: Intendant) -> None:
    write(app, "p", "transform orders filter id > 1 derive net = amount / 2 into some")
    first = app.run("p", dry_run=True)
    assert first.changes is not None and first.changes["plan"] is None and not app.lake.exists("some")
    done = app.run("p")
    write(app, "p", "transform orders filter id > 2 derive net = amount / 2 into some\ncheck some for unique id")
    again = app.run("p", dry_run=True)
    assert again.changes is not None and again.changes["plan"] == {
        "last_run": done.run_id, "new": ["filter id > 2", "check some for unique id"], "gone": ["filter id > 1"]}  # fmt: skip
    assert counts(table(again, "some")) == (0, 0, 1)
    assert plan_diff("a\nb\na", "a\nc") == {"new": ["c"], "gone": ["b", "a"]}


def test_a_build_tries_each_pipeline_over_what_those_before_it_leave(app: Intendant) -> None:
    write(app, "b_total", "transform big group by country: count as n into totals")
    write(app, "a_big", "transform orders filter amount > 5 into big")
    said = {r["pipeline"]: r for r in build(app, dry_run=True)}
    assert [r["status"] for r in said.values()] == ["due", "due"] and not app.lake.exists("big")
    [total] = said["b_total"]["changes"]["tables"]
    assert (total["table"], total["added"]) == ("totals", 2)
    assert sorted((r["country"], r["n"]) for r in total["samples"]["added"]) == [("DE", 3), ("ES", 3)]
    assert {r["status"] for r in build(app)} == {"succeeded"}
    assert sorted(rows(app, "totals")) == [("DE", 3), ("ES", 3)]


def test_the_commands_print_it_for_people_and_programs(app: Intendant) -> None:
    write(app, "p", "transform orders filter id < 4 into some")
    app.close()

    def run(*args: str) -> str:
        command = [sys.executable, "-m", "intendant.faces.cli", *args, "-w", str(app.workspace.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    said = run("plan", "transform orders filter id < 10")
    assert (
        "orders: 10 -> 9 rows   +0 ~0 -1  without a key" in said and "- id=10, country=DE, amount=11.0, note=x" in said
    )
    assert "some: new, 3 rows" in run("run", "p", "--dry-run")
    assert "some: new, 3 rows" in run("build", "--dry-run")
    shown = json.loads(run("do", "transform orders filter id < 10", "--dry-run", "--json"))
    assert shown["changes"]["tables"][0]["removed"] == 1 and shown["plan"] == "transform orders filter id < 10"
