"""A table's rules: where each came from, which its rows suggest, and their way to other tools and back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from intendant.app import Intendant
from intendant.checks.rules import rules_of
from intendant.errors import UnknownName, UsageError
from intendant.run import rulebook


def load(app: Intendant, folder: Path, rows: int, name: str = "sales") -> None:
    lines = [
        "sale_id,status,amount",
        *(f"{i},{('paid', 'open', 'void')[i % 3]},{i * 7 % 90 + 0.5}" for i in range(rows)),
    ]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    app.load(folder / f"{name}.csv", name)


@pytest.fixture
def sales(app: Intendant, workspace: Path) -> Intendant:
    load(app, workspace, 300)
    return app


def test_a_rule_tells_where_it_came_from_and_since_which_version(sales: Intendant, workspace: Path):
    assert rulebook.rules(sales, "SALES") == {"table": "sales", "on_failure": "warn", "rules": []}
    first = sales.do("check sales for not null sale_id", by="anna")
    load(sales, workspace, 310)
    sales.do("check sales for not null sale_id, amount at least 0 on failure review", by="ben")
    told = rulebook.rules(sales, "sales")
    assert told["on_failure"] == "review"
    kept = {r["rule"]: r for r in told["rules"]}
    assert {k: (r["since_version"], r["by"], r["problem"]) for k, r in kept.items()} == {
        "not null sale_id": (0, "anna", ""),
        "amount at least 0": (1, "ben", ""),
    }
    assert kept["not null sale_id"]["run_id"] == first.run_id
    assert kept["not null sale_id"]["intent"] == "check sales for not null sale_id"


def test_a_rule_whose_column_is_gone_says_so(sales: Intendant, workspace: Path):
    sales.do("check sales for amount at least 0")
    (workspace / "sales.csv").write_text("sale_id,price\n1,2\n", encoding="utf-8")
    sales.load(workspace / "sales.csv", "sales")
    [rule] = rulebook.rules(sales, "sales")["rules"]
    assert "amount" in rule["problem"]
    [left] = rulebook.exported(sales, "sales", "dbt")["left_out"]
    assert left["what"] == "amount at least 0"


def test_suggestions_are_accepted_by_their_numbers_as_a_plan_in_the_journal(sales: Intendant):
    offered = rulebook.suggestions(sales, "sales")
    assert (offered["table"], offered["version"], offered["rows"]) == ("sales", 0, 300)
    listed = {s["rule"]: s for s in offered["suggestions"]}
    assert {"unique sale_id", "status in ('open', 'paid', 'void')"} <= set(listed)
    assert listed["unique sale_id"]["intent"] == "check sales for unique sale_id"
    result = rulebook.accept(sales, "sales", [listed["unique sale_id"]["n"]], by="anna")
    assert (result.status, result.plan) == ("succeeded", "check sales for unique sale_id")
    [rule] = rulebook.rules(sales, "sales")["rules"]
    assert (rule["rule"], rule["by"]) == ("unique sale_id", "anna, suggested by the data")
    assert "unique sale_id" not in [s["rule"] for s in rulebook.suggestions(sales, "sales")["suggestions"]]


def test_all_suggestions_are_accepted_but_those_that_rows_break(sales: Intendant, workspace: Path):
    text = (workspace / "sales.csv").read_text(encoding="utf-8").replace("\n9,paid,", "\n9,,")
    (workspace / "sales.csv").write_text(text, encoding="utf-8")
    sales.load(workspace / "sales.csv", "sales")
    offered = rulebook.suggestions(sales, "sales")["suggestions"]
    assert [s["rule"] for s in offered if s["breaks"]] == ["not null status"]
    assert rulebook.accept(sales, "sales").status == "succeeded"
    left = [s["rule"] for s in rulebook.suggestions(sales, "sales")["suggestions"]]
    assert left == ["not null status"]
    assert rulebook.accept(sales, "sales").reason == "there is nothing to accept for sales"
    with pytest.raises(UsageError, match="no suggestion 7"):
        rulebook.accept(sales, "sales", [7])


RULES = ("not null sale_id, unique sale_id, status in ('open', 'paid', 'void'), amount between 0 and 100000, "
         "sale_id references sales_log.sale_id, status matches '[a-z]+', row count at least 10, that amount > 0")  # fmt: skip


@pytest.mark.parametrize("form", ["dbt", "great-expectations", "odcs"])
def test_rules_leave_one_table_and_come_to_another(sales: Intendant, workspace: Path, form: str):
    load(sales, workspace, 300, "sales_log")
    load(sales, workspace, 300, "staging.sales")
    assert sales.do(f"check sales for {RULES}").status == "succeeded"
    made = rulebook.exported(sales, "sales", form)
    lost = {x["what"] for x in made["left_out"]}
    assert lost == ({"foreign_key of sale_id"} if form == "great-expectations" else set())
    (workspace / "rules.txt").write_text(made["text"], encoding="utf-8")
    read = rulebook.imported(sales, "staging.sales", workspace / "rules.txt", by="cli")
    assert (read["format"], read["left_out"], read["result"]["status"]) == (form, [], "succeeded")
    kept = [r for r in rules_of(sales.lake.settings("sales")) if r.type != "foreign_key" or not lost]
    assert sorted(map(repr, rules_of(sales.lake.settings("staging.sales")))) == sorted(map(repr, kept))
    assert {r["by"] for r in rulebook.rules(sales, "staging.sales")["rules"]} == {
        f"cli, imported from rules.txt ({form})"
    }


def test_rules_of_a_file_that_do_not_fit_the_table_are_named_and_the_others_declared(sales: Intendant, workspace: Path):
    (workspace / "schema.yml").write_text(
        """
models:
  - name: sales
    columns:
      - {name: SALE_ID, tests: [not_null]}
      - {name: colour, tests: [unique]}
      - {name: status, tests: [{dbt_utils.accepted_range: {min_value: 3}}, {relationships: {to: "ref('x')", field: y}}]}
""",
        encoding="utf-8",
    )
    read = rulebook.imported(sales, "sales", workspace / "schema.yml")
    assert read["imported"] == ["not null sale_id"]
    assert [x["what"] for x in read["left_out"]] == ["unique colour", "status at least 3", "status references x.y"]


def test_names_and_values_of_a_file_are_only_data(sales: Intendant, workspace: Path):
    evil = "paid') on failure rollback; drop sales; check sales for status in ('x"
    suite = {"expectations": [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "status", "value_set": ["open", evil]}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": 'sale_id; drop sales; "'}},
    ]}  # fmt: skip
    (workspace / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    read = rulebook.imported(sales, "sales", workspace / "suite.json")
    assert len(read["imported"]) == len(read["left_out"]) == 1
    [rule] = rules_of(sales.lake.settings("sales"))
    assert rule.values == ("open", evil)
    assert sales.lake.names() == ["sales"]


def test_a_file_without_a_fitting_rule_runs_nothing(sales: Intendant, workspace: Path):
    (workspace / "s.yml").write_text("models: [{name: sales, columns: [{name: x, tests: [unique]}]}]", encoding="utf-8")
    read = rulebook.imported(sales, "sales", workspace / "s.yml")
    assert (read["imported"], read["result"], sales.runs()) == ([], None, [])


def test_what_is_not_there_is_told(sales: Intendant, workspace: Path):
    with pytest.raises(UnknownName, match="no table 'sale'"):
        rulebook.rules(sales, "sale")
    with pytest.raises(UsageError, match="can't be read"):
        rulebook.imported(sales, "sales", workspace / "nowhere.yml")
    (workspace / "latin.yml").write_bytes(b"models: [\xe9]")
    with pytest.raises(UsageError, match="UTF-8"):
        rulebook.imported(sales, "sales", workspace / "latin.yml")


def test_many_rules_are_declared_by_several_plans(sales: Intendant, workspace: Path):
    values = [[f"value {i} of many, which is long enough to matter {n}" for i in range(60)] for n in range(12)]
    suite = {"expectations": [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "status", "value_set": v}} for v in values
    ]}  # fmt: skip
    (workspace / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    read = rulebook.imported(sales, "sales", workspace / "suite.json")
    assert len(read["imported"]) == len(rules_of(sales.lake.settings("sales"))) == 12
    assert len(sales.runs()) > 1


def cli(folder: Path, *words: str) -> tuple[int, Any, str]:
    done = subprocess.run(
        [sys.executable, "-m", "intendant.faces.cli", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout) if "--json" in words else done.stdout, done.stderr


def test_the_command_suggests_accepts_exports_imports_and_fixes(sales: Intendant, workspace: Path):
    sales.close()
    status, out, _ = cli(workspace, "rules", "sales", "--suggest", "--json")
    assert status == 0 and out["suggestions"][0]["n"] == 1
    status, out, _ = cli(workspace, "rules", "sales", "--accept", "all", "--on-failure", "review", "--json")
    assert (status, out["status"]) == (0, "succeeded") and out["plan"].endswith("on failure review")
    status, out, err = cli(workspace, "rules", "sales", "--export", "great-expectations", "suite.json")
    assert status == 0 and "suite.json" in out and err == ""
    assert len(json.loads((workspace / "suite.json").read_text(encoding="utf-8"))["expectations"]) > 3
    status, out, err = cli(workspace, "rules", "sales", "--export", "great-expectations", "suite.json")
    assert status == 2 and "there already" in err
    status, out, _ = cli(workspace, "rules", "sales", "--import", "suite.json", "--json")
    assert (status, out["left_out"], out["result"]["status"]) == (0, [], "succeeded")
    status, out, _ = cli(workspace, "fix", "sales", "--json")
    assert (status, out["status"]) == (0, "succeeded")
    status, out, err = cli(workspace, "rules", "sales", "--suggest", "--export", "dbt")
    assert status == 2 and "exclude each other" in err
