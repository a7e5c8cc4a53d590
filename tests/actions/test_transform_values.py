"""A transform publishes what it can compute and sets aside the rest; a query says what it can't."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.errors import EngineError

SALES = "id,amount,pieces\n1,10,2\n2,abc,2\n3,9,0\n4,,1\n"
PLAN = "transform sales cast amount to number derive each = amount / pieces into prices"
LEFT = "SELECT id, each FROM prices ORDER BY id"


def made(root: Path, policy: str = "") -> Intendant:
    (root / "sales.csv").write_text(SALES, encoding="utf-8")
    Intendant.init(root / "w").close()
    (root / "w" / "intendant.toml").write_text(policy, encoding="utf-8")
    app = Intendant(root / "w")
    app.load(root / "sales.csv", "sales", {"amount": "VARCHAR"})
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    with made(tmp_path) as app:
        yield app


def test_bad_rows_are_set_aside_with_reason_and_origin_and_the_rest_is_published(app: Intendant) -> None:
    done = app.do(PLAN)
    assert done.status == "succeeded", done.error
    assert [(o.table, o.rows_written, o.rows_quarantined) for o in done.outputs] == [("prices", 2, 2)]
    assert app.sql(LEFT)["rows"] == [[1, 5.0], [4, None]]
    aside = app.sql("SELECT id, amount, pieces, _reason, _operator, _step FROM quarantine.prices ORDER BY id")["rows"]
    assert aside == [
        [2, "abc", 2, "`cast amount to number`: `amount` is no number (amount = 'abc')", "1: cast amount to number", PLAN],
        [3, "9.0", 0, "`derive each = amount / pieces`: `amount / pieces` divides by zero (amount = 9.0, pieces = 0)",
         "2: derive each = amount / pieces", PLAN],
    ]  # fmt: skip
    assert [(f["check"], f["rows"], f["total"]) for f in done.findings] == [("value", 1, 4), ("value", 1, 4)]
    assert done.findings[0]["evidence"].startswith(
        "1 row is set aside in quarantine.prices, e.g. `cast amount to number`"
    )


def test_a_dry_run_counts_what_would_be_published(app: Intendant) -> None:
    said = app.plan(PLAN).changes
    assert said is not None and {t["table"]: t["rows_after"] for t in said["tables"]} == {
        "prices": 2,
        "quarantine.prices": 2,
    }
    assert not app.lake.exists("prices") and not app.lake.exists("quarantine.prices")


def test_a_step_that_would_leave_no_row_stops(app: Intendant) -> None:
    failed = app.do("transform sales derive each = id / (pieces - pieces) into none_left")
    assert failed.status == "failed" and failed.error is not None
    assert "4 rows of 'sales' have no value: " in failed.error["message"]
    assert failed.error["hint"].startswith("No row would be left. Say what shall stand there: `a / nullif(b, 0)`")
    assert not app.lake.exists("none_left") and not app.lake.exists("quarantine.none_left")


def test_a_gate_that_stops_the_rest_sets_nothing_aside(app: Intendant) -> None:
    app.do("transform sales select id into prices")
    app.do("check prices for row count at least 3 on failure rollback")
    rolled = app.do(PLAN, approve=True)
    assert rolled.status == "rolled_back", rolled
    assert not app.lake.exists("quarantine.prices")


def test_a_policy_may_stop_the_step_or_keep_the_rows_without_the_value(tmp_path: Path) -> None:
    with made(tmp_path, '[policy]\non_bad_value = "fail"\n') as app:
        failed = app.do(PLAN)
        assert failed.status == "failed" and failed.error is not None
        assert failed.error["message"] == (
            "2 rows of 'sales' have no value: `cast amount to number`: `amount` is no number (amount = 'abc')"
        )
        assert failed.error["where"] == f"`{PLAN}`" and "`cast a to integer or empty`" in failed.error["hint"]
        assert not app.lake.exists("prices") and not app.lake.exists("quarantine.prices")
    (tmp_path / "w" / "intendant.toml").write_text('[policy]\non_bad_value = "null"\n', encoding="utf-8")
    with Intendant(tmp_path / "w") as app:
        done = app.do(PLAN)
        assert done.status == "succeeded", done.error
        assert app.sql(LEFT)["rows"] == [[1, 5.0], [2, None], [3, None], [4, None]]
        assert [f["evidence"].partition(",")[0] for f in done.findings] == ["1 row is kept"] * 2
        none = app.do("transform sales derive all = number(amount) * pieces filter all > 1000 into dear")
        assert none.status == "succeeded" and none.outputs[0].rows_written == 0, "none is left since none is dear"
        assert not app.lake.exists("quarantine.prices")


def test_a_bad_value_within_an_expression_is_set_aside_as_one_alone_is(app: Intendant) -> None:
    done = app.do("transform sales derive total = number(amount) * pieces + integer(amount) into totals")
    assert done.status == "succeeded", done.error
    assert app.sql("SELECT id, total FROM totals ORDER BY id")["rows"] == [[1, 30.0], [3, 9.0], [4, None]]
    assert app.sql("SELECT id FROM quarantine.totals")["rows"] == [[2]]


def test_a_value_that_is_left_out_anyway_stops_nothing(app: Intendant) -> None:
    done = app.do("transform sales derive each = id / pieces filter each > 0.7 and pieces > 0 into cheap")
    assert done.status == "succeeded", done.error
    assert [(o.rows_written, o.rows_quarantined) for o in done.outputs] == [(2, 0)]
    assert not app.lake.exists("quarantine.cheap") and not done.findings


def test_an_engine_that_is_not_there_is_no_bad_value(app: Intendant) -> None:
    class Gone:
        def rows(self, sql: str, tables: object) -> tuple[list[str], list[tuple[object, ...]]]:
            raise EngineError("no such engine", hint="Install it.")

        def parts(self, sql: str, tables: object, folder: Path, stored: object) -> None:
            raise EngineError("no such engine", hint="Install it.")

        def close(self) -> None: ...

    app.engine.worker = Gone()  # type: ignore[assignment]
    for plan in (PLAN, "query sales derive each = id / pieces"):
        failed = app.do(plan)
        assert failed.status == "failed" and failed.error is not None and failed.error["message"] == "no such engine"


def test_an_unknown_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"policy.on_bad_value is 'drop'.*It is quarantine, fail or null"):
        made(tmp_path, '[policy]\non_bad_value = "drop"\n')


def test_a_query_leaves_no_row_out_of_its_answer_and_says_what_is_empty_there(app: Intendant) -> None:
    done = app.do("query sales derive each = id / pieces select each sort by each")
    assert done.answer is not None and done.answer["rows"] == [[0.5], [1.0], [4.0], [None]]
    assert [f["evidence"] for f in done.findings] == [
        "1 row has no value, and is empty there, e.g. `derive each = id / pieces`: `id / pieces` divides by zero "
        "(id = 3, pieces = 0)."
    ]
    failed = app.do("query sales derive n = integer(concat('x', id))")
    assert failed.status == "failed" and failed.error is not None
    assert "4 rows of 'sales' have no value: " in failed.error["message"] and "or empty`" in failed.error["hint"]
    answered = app.do("query sales derive each = id / nullif(pieces, 0) select each sort by each")
    assert answered.answer is not None and answered.answer["rows"] == [[0.5], [1.0], [4.0], [None]]


def test_what_coalesce_has_another_value_for_is_no_bad_value(app: Intendant) -> None:
    done = app.do("transform sales derive each = coalesce(id / pieces, 0) derive n = coalesce(integer(amount), -1) into all_of_them")
    assert done.status == "succeeded" and not done.findings
    assert app.lake.snapshot("all_of_them").rows == 4 and not app.lake.exists("quarantine.all_of_them")
    assert app.sql("SELECT each FROM all_of_them WHERE id = 3")["rows"] == [[0.0]]
    aside = app.do("transform sales derive each = coalesce(nullif(id, id), id / pieces) into three_of_them")
    assert [o.rows_quarantined for o in aside.outputs] == [1]


def test_no_number_and_infinity_are_numbers_that_can_be_stored_and_not_cast(app: Intendant) -> None:
    text = "transform sales filter id < 3 derive x = number(if(id = 1, 'nan', 'inf')) derive more = x > 5 select id, x, more into odd"
    assert app.do(text).status == "succeeded"
    assert app.sql("SELECT id, x, more FROM odd ORDER BY id")["rows"] == [[1, "nan", True], [2, "inf", True]]
    assert app.do("query odd aggregate sum x as s, max x as m, count as n").answer["rows"] == [["nan", "nan", 2]]  # type: ignore[index]
    assert app.do("transform odd derive w = if(id = 1, 7, integer(x)) into whole").outputs[0].rows_quarantined == 1
    failed = app.do("query odd aggregate stddev x as s")
    assert failed.error is not None and "out of range" in failed.error["message"]


def test_rows_that_wait_and_are_gone_stop_the_publish(tmp_path: Path) -> None:
    made(tmp_path).close()
    code = f"from intendant import Intendant\nwith Intendant({str(tmp_path / 'w')!r}) as app: app.do({PLAN!r}, run_id='r1')"
    env = {**os.environ, "INTENDANT_FAULT_AT": "recorded:0.audit"}
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=60, check=False).returncode == -signal.SIGKILL
    (waiting,) = (tmp_path / "w" / ".intendant" / "lake").rglob("aside")
    shutil.rmtree(waiting)
    with Intendant(tmp_path / "w") as app:
        app.resume()
        failed = app.result("r1")
        assert failed.status == "failed" and failed.error is not None
        assert failed.error["message"] == "the 2 rows of 'prices' that were to be set aside are gone"
        assert failed.error["hint"] == "Nothing was published. Run it again."
        assert not app.lake.exists("prices") and not app.lake.exists("quarantine.prices")


@pytest.mark.parametrize(
    "boundary", ["after:0.stage", "recorded:0.audit", "aside:0", "between:0.publish", "after:0.publish"]
)
def test_a_run_killed_while_it_sets_rows_aside_ends_with_each_row_once(tmp_path: Path, boundary: str) -> None:
    made(tmp_path).close()
    code = f"from intendant import Intendant\nwith Intendant({str(tmp_path / 'w')!r}) as app: app.do({PLAN!r}, run_id='r1')"
    killed = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "INTENDANT_FAULT_AT": boundary}, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    with Intendant(tmp_path / "w") as app:
        assert app.resume() == ["r1"]
        assert app.result("r1").status == "succeeded"
        assert app.sql(LEFT)["rows"] == [[1, 5.0], [4, None]]
        assert app.sql("SELECT id FROM quarantine.prices ORDER BY id")["rows"] == [[2], [3]]
        assert [(o.rows_written, o.rows_quarantined) for o in app.result("r1").outputs] == [(2, 2)]
