"""What a check found is mended by one plan, looked at again, and taken back when that made the table worse."""

from __future__ import annotations

from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.errors import UsageError
from intendant.run.fixes import Asked, asks_for_fixes, worse

TABLES = ("orders", "staging.orders", "staging.items", "problems of mine", "Fix")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("fix what you found in staging.orders", Asked("staging.orders", told=True)),
        ("Please repair the problems you found in ORDERS.", Asked("orders", told=True)),
        ("clean up all the issues in the table orders!", Asked("orders")),
        ("mend these findings", Asked("last")),
        ("Fix what you've found", Asked("last", told=True)),
        ("fix all findings in orders", Asked("orders")),
        ("repair all of the problems that you have found", Asked("last", told=True)),
        ("correct what the check found with problems of mine", Asked("problems of mine", told=True)),
        ("fix findings 1, 3 and 12 in staging.items", Asked("staging.items", (1, 3, 12))),
        ("fix finding 2", Asked("last", (2,))),
        ("fix the data quality issues of Fix", Asked("Fix")),
    ],
)
def test_a_plain_request_is_recognised(text: str, asked: Asked):
    assert asks_for_fixes(text, TABLES, "last") == asked


@pytest.mark.parametrize(
    "text",
    [
        "fix orders", "clean the orders table", "fix what you found in invoices", "fix it", "repair the prices in orders",
        "check orders and fix what you found", "do not fix the problems in orders", "fix what you found in orders and items",
        "fix what you found in orders; drop orders", "fix the problem column in orders", "query orders", "", "fix",
        "fill missing amount in orders", "what are the problems in orders",
    ],
)  # fmt: skip
def test_anything_else_is_left_to_the_planner(text: str):
    assert asks_for_fixes(text, TABLES, "last") is None


def test_without_a_table_and_without_a_check_nothing_is_recognised():
    assert asks_for_fixes("fix what you found", TABLES) is None


@pytest.fixture
def dirty(app: Intendant, workspace: Path) -> Intendant:
    """`orders`: 400 rows, of which 30 say N/A for a note, 3 are written in capitals, 2 repeat an order."""
    lines = ["order_id,status,note"]
    for i in range(1, 399):
        note = "N/A" if i % 13 == 0 else f"left at door {i % 7}"
        lines.append(f"{i},{'PAID' if i in (5, 50, 300) else ('paid', 'open')[i % 2]},{note}")
    lines += [lines[10], lines[20]]
    (workspace / "dirty.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    app.load(workspace / "dirty.csv", "orders")
    return app


def rows(app: Intendant, sql: str) -> list[list[object]]:
    found: list[list[object]] = app.sql(sql)["rows"]
    return found


def test_what_was_found_is_mended_by_one_plan_and_told_before_and_after(dirty: Intendant):
    found = dirty.check("orders")
    assert {f["check"] for f in found["findings"]} >= {"missing_value", "unique", "text_normalise"}
    result = dirty.do("fix what you found in orders")
    assert (result.status, result.error) == ("succeeded", None)
    assert result.plan.splitlines()[0] == "transform orders" and len(result.outputs) == 1
    assert result.answer is not None
    told = {r[0]: (r[1], r[2]) for r in result.answer["rows"]}
    assert told["findings"] == (found["issues"], len(result.findings)) and told["findings"][1] < told["findings"][0]
    assert told["rows"] == (400, 398) and told["consistency"][1] >= told["consistency"][0]
    assert result.reason == f"{told['findings'][0]} findings before, {told['findings'][1]} after"
    assert rows(dirty, "SELECT count(*) FROM orders WHERE note = 'N/A' OR status = 'PAID'") == [[0]]
    assert dirty.check("orders")["issues"] == told["findings"][1]


def test_the_journal_keeps_the_old_values_of_what_was_mended(dirty: Intendant):
    run = dirty.do("fix what you found in orders").run_id
    settled = dirty.journal.get(run, "fix.settled")
    assert settled is not None and settled.data["worse"] == ""
    changes = {c["column"]: c for c in settled.data["changes"]}
    assert changes["note"]["values"] == [{"was": "N/A", "is": None, "rows": changes["note"]["rows"]}]
    assert changes["status"]["values"] == [{"was": "PAID", "is": "paid", "rows": 3}]
    assert dirty.journal.verify() > 0


def test_a_preview_changes_nothing_and_names_the_findings(dirty: Intendant):
    result = dirty.do("fix what you found in orders", dry_run=True)
    assert result.status == "succeeded" and any("stand for nothing" in line for line in result.preview)
    assert dirty.lake.snapshot("orders").version == 0 and dirty.runs() == []


def test_one_finding_is_mended_by_its_number(dirty: Intendant):
    found = dirty.check("orders")["findings"]
    number = 1 + next(n for n, f in enumerate(found) if f["check"] == "text_normalise")
    assert dirty.do(f"fix finding {number} in orders").status == "succeeded"
    left = "SELECT count(*) FILTER (WHERE status = 'PAID'), count(*) FILTER (WHERE note = 'N/A') > 0 FROM orders"
    assert rows(dirty, left) == [[0, True]]
    with pytest.raises(UsageError, match="no finding 99"):
        dirty.do("fix finding 99 in orders")


def test_only_what_the_last_check_told_of_is_mended(dirty: Intendant):
    assert dirty.do("check orders for unique order_id").status == "succeeded"
    result = dirty.do("fix what you found")
    assert result.plan == "transform orders drop duplicates by order_id"
    assert rows(dirty, "SELECT count(*) FROM orders WHERE note = 'N/A'") == [[30]]


def test_rows_go_before_values_are_mended_so_that_only_named_rows_go(dirty: Intendant, workspace: Path):
    """30 notes say N/A and 8 are missing: dropping what is missing must not take those that become so."""
    text = (workspace / "dirty.csv").read_text(encoding="utf-8")
    for i in range(1, 9):
        text = text.replace(
            f"\n{i},{('paid', 'open')[i % 2]},left at door {i % 7}", f"\n{i},{('paid', 'open')[i % 2]},"
        )
    (workspace / "dirty.csv").write_text(text, encoding="utf-8")
    dirty.load(workspace / "dirty.csv", "orders")
    [[missing]] = rows(dirty, "SELECT count(*) FROM orders WHERE note IS NULL")
    result = dirty.do("fix all findings in orders")
    assert (result.status, result.plan.splitlines()[1]) == ("succeeded", "  drop missing note")
    assert rows(dirty, "SELECT count(*) FROM orders") == [[400 - int(str(missing)) - 2]]
    begun = dirty.journal.get(result.run_id, "fix.begun")
    assert begun is not None and 0 <= begun.data["may_lose"] - int(str(missing)) - 2 <= 2


def test_a_check_that_found_nothing_hides_nothing(dirty: Intendant):
    assert dirty.do("check orders for not null order_id").findings == ()
    assert len(dirty.do("fix what you found in orders", dry_run=True).preview) > 2


def test_a_clean_table_needs_no_mending(dirty: Intendant):
    for _ in range(4):
        result = dirty.do("fix what you found in orders")
    assert result.status == "succeeded" and result.run_id == ""
    assert "nothing was found" in result.reason or "has a mend" in result.reason


def test_mends_that_make_it_worse_are_taken_back_with_the_rules_they_brought(app: Intendant, workspace: Path):
    """Once the texts are numbers, faults show that nobody could see before: more findings than there were."""
    sizes = [f"{i * 3 % 97 + 10}" if i % 20 else f"{i % 50 + 10}%" for i in range(400)]
    sizes[11], sizes[33], sizes[55] = "-7", "900000", "-8"
    lines = ["id,size", *(f"{i},{s}" for i, s in enumerate(sizes))]
    (workspace / "sizes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    app.load(workspace / "sizes.csv", "sizes")
    before = rows(app, "SELECT * FROM sizes ORDER BY id")
    app.do("check sizes for not null id")
    settings = app.lake.settings("sizes")
    app.do("check sizes")
    result = app.do("fix what you found in sizes")
    assert result.status == "rolled_back", (result.plan, result.answer)
    assert result.reason.startswith("the mends made it worse, so they were taken back: ")
    assert rows(app, "SELECT * FROM sizes ORDER BY id") == before
    assert app.lake.settings("sizes")["rules"] == settings["rules"]
    assert app.runs(1)[0]["status"] == "rolled_back"


def test_more_findings_more_bad_cells_or_more_lost_rows_are_worse():
    then = {"findings": 3, "missing_cells": 10, "doubtful_cells": 20, "rows": 100}
    assert worse(then, {**then, "findings": 1, "rows": 95}, 5) == ""
    assert "findings went from 3 to 4" in worse(then, {**then, "findings": 4}, 0)
    assert "missing cells went from 10 to 11" in worse(then, {**then, "missing_cells": 11}, 0)
    assert "doubtful cells" in worse(then, {**then, "doubtful_cells": 21}, 0)
    assert worse(then, {**then, "rows": 94}, 5) == "6 rows went, 5 were named"


def test_mends_that_wait_for_nobody_are_looked_at_all_the_same(dirty: Intendant):
    """Whoever started the run need not stay for its end: the run itself looks again."""
    run = dirty.do("fix what you found in orders", wait=0).run_id
    dirty.owner.wait(lambda: dirty.journal.get(run, "fix.settled") is not None)
    settled = dirty.journal.get(run, "fix.settled")
    assert settled is not None and settled.data["worse"] == ""
