"""Rows that were set aside come back once they are mended, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.errors import TypeMismatch, UnknownName, UsageError
from intendant.run.lineage import recipe
from intendant.run.replay import sentence


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    (tmp_path / "orders.csv").write_text("id,amount\n" + "".join(f"{i},{i if i % 10 else -i}\n" for i in range(1, 101)))
    with Intendant.init(tmp_path / "w") as app:
        app.load(tmp_path / "orders.csv", "orders")
        done = app.do("check orders for amount at least 0 on failure quarantine", approve=True)
        assert done.status == "succeeded"
        yield app


def rows(app: Intendant, sql: str) -> list[tuple[object, ...]]:
    return [tuple(r) for r in app.sql(sql)["rows"]]


def test_mended_rows_come_back_and_the_quarantine_is_gone(app: Intendant) -> None:
    assert rows(app, "SELECT count(*) FROM orders") == [(90,)]
    done = app.do(sentence(app, "orders", "derive amount = abs(amount)"), approve=True)
    assert done.status == "succeeded", done
    assert rows(app, "SELECT count(*), min(amount), count(DISTINCT id) FROM orders") == [(100, 1, 100)]
    assert not app.lake.exists("quarantine.orders")
    assert not app.lake.exists("staging.replayed_orders")
    assert [c.name for c in app.lake.snapshot("orders").columns] == ["id", "amount"]


def test_rows_that_still_break_a_rule_are_set_aside_again(app: Intendant) -> None:
    done = app.do(sentence(app, "orders", "derive amount = case when id > 50 then abs(amount) else amount end"), approve=True)
    assert done.status == "succeeded", done
    assert rows(app, "SELECT count(*) FROM orders") == [(95,)]
    back = rows(app, "SELECT id, _reason FROM quarantine.orders ORDER BY id")
    assert [r[0] for r in back] == [10, 20, 30, 40, 50]
    assert all("amount" in str(r[1]) for r in back)


def test_it_can_be_undone(app: Intendant) -> None:
    done = app.do(sentence(app, "orders", "derive amount = abs(amount)"), approve=True)
    assert done.status == "succeeded"
    app.rollback("orders")
    app.rollback("quarantine.orders")
    assert rows(app, "SELECT count(*) FROM orders") == [(90,)]
    assert rows(app, "SELECT count(*) FROM quarantine.orders") == [(10,)]


def test_a_mend_that_fails_leaves_everything_as_it_was(app: Intendant) -> None:
    done = app.do(sentence(app, "orders", "derive amount = number(_reason)"), approve=True)
    assert done.status == "failed"
    assert rows(app, "SELECT count(*) FROM orders") == [(90,)]
    assert rows(app, "SELECT count(*) FROM quarantine.orders") == [(10,)]


@pytest.mark.parametrize("mend", ["abs amount", "derive amount = abs(amount) into elsewhere", "drop orders\ndrop orders", "; drop orders"])
def test_a_mend_is_made_of_operators(mend: str, app: Intendant) -> None:
    with pytest.raises(UsageError, match="are no operators") as e:
        sentence(app, "orders", mend)
    assert "derive amount = abs(amount)" in e.value.hint


def test_what_isnt_there_is_said(app: Intendant) -> None:
    with pytest.raises(UnknownName, match="order"):
        sentence(app, "ordrs")
    app.do("drop quarantine.orders", approve=True)
    with pytest.raises(UsageError, match="no rows of 'orders' are set aside"):
        sentence(app, "orders")


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[Intendant]:
    (tmp_path / "sales.csv").write_text("id,amount,pieces\n1,10,2\n2,1O,2\n3,9,0\n4,,1\n5,soon,1\n")
    with Intendant.init(tmp_path / "w") as app:
        app.load(tmp_path / "sales.csv", "sales", {"amount": "VARCHAR"})
        done = app.do("transform sales cast amount to integer derive each = amount / pieces into prices", approve=True)
        assert done.status == "succeeded", done.error
        assert [(o.rows_written, o.rows_quarantined) for o in done.outputs] == [(2, 3)]
        yield app


def test_rows_that_a_transform_could_not_work_on_take_the_rest_of_it(texts: Intendant) -> None:
    mend = "derive amount = replace(amount, 'O', '0') derive amount = if(amount = 'soon', null, amount)"
    plan = sentence(texts, "prices", mend)
    done = texts.do(plan, approve=True)
    assert done.status == "succeeded", (plan, done.error)
    assert rows(texts, "SELECT id, _reason FROM quarantine.prices") == [
        (3, "`derive each = amount / pieces`: `amount / pieces` divides by zero (amount = 9, pieces = 0)")
    ], "the mend is for texts, and this row's amount is a number by now"
    done = texts.do(sentence(texts, "prices", "derive pieces = 1"), approve=True)
    assert done.status == "succeeded", done.error
    assert rows(texts, "SELECT id, amount, pieces, each FROM prices ORDER BY id") == [
        (1, 10, 2, 5.0), (2, 10, 2, 5.0), (3, 9, 1, 9.0), (4, None, 1, None), (5, None, 1, None)
    ]  # fmt: skip
    assert not texts.lake.exists("quarantine.prices")


def test_rows_that_have_no_value_still_stay_where_they_are(texts: Intendant) -> None:
    done = texts.do(sentence(texts, "prices", "derive amount = replace(amount, 'O', '0')"), approve=True)
    assert done.status == "failed" and done.error is not None
    assert "a row of 'quarantine.prices' has no value" in done.error["message"] and "'soon'" in done.error["message"]
    assert done.error["hint"] == "They are still in quarantine.prices: mend them there, or leave them out with `filter`."
    assert rows(texts, "SELECT count(*) FROM prices") == [(2,)]
    assert rows(texts, "SELECT count(*) FROM quarantine.prices") == [(3,)]


def test_a_mend_that_fits_no_row_is_an_error(texts: Intendant) -> None:
    with pytest.raises(UnknownName, match="there is no column 'price'"):
        sentence(texts, "prices", "derive amount = price")


def test_rows_of_a_group_are_mended_where_they_come_from(texts: Intendant) -> None:
    texts.do("transform sales group by pieces: sum (integer(amount)) as total into totals", approve=True)
    with pytest.raises(UsageError) as caught:
        sentence(texts, "totals")
    assert "looks at all rows" in str(caught.value) and "Mend them in 'sales'" in str(caught.value)


def test_rows_that_a_condition_met_before_its_place_take_what_it_was_before(texts: Intendant) -> None:
    plan = "transform sales derive each = id / pieces filter integer(amount) > 8 and id < 6 into dear"
    done = texts.do(plan, approve=True)
    assert [(o.rows_written, o.rows_quarantined) for o in done.outputs] == [(1, 3)], done.error
    assert rows(texts, "SELECT id, _operator FROM quarantine.dear ORDER BY id") == [
        (2, "2: filter integer(amount) > 8"), (3, "1: derive each = id / pieces"), (5, "2: filter integer(amount) > 8")
    ]  # fmt: skip
    mend = "derive pieces = 1 derive amount = case when id = 2 then '10' when id = 3 then '7' else '20' end"
    done = texts.do(sentence(texts, "dear", mend), approve=True)
    assert done.status == "succeeded", done.error
    assert rows(texts, "SELECT id, amount, pieces, each FROM dear ORDER BY id") == [
        (1, "10", 2, 0.5), (2, "10", 1, 2.0), (5, "20", 1, 5.0)
    ]  # fmt: skip
    assert not texts.lake.exists("quarantine.dear")


def test_a_mend_of_another_kind_than_the_column_is_said_before_anything_runs(texts: Intendant) -> None:
    texts.do("transform sales derive each = integer(amount) / pieces into dear", approve=True)
    with pytest.raises(TypeMismatch, match="the mended 'amount' is INTEGER, and VARCHAR in 'dear'") as caught:
        sentence(texts, "dear", "derive amount = 3")
    assert caught.value.hint == "Mend it as text: `derive amount = ...`, or `cast` it."


def test_rows_of_a_table_changed_in_place_are_mended_as_they_were_before_it_changed(texts: Intendant) -> None:
    done = texts.do("transform sales cast amount to integer derive each = amount / pieces", approve=True)
    assert [(o.rows_written, o.rows_quarantined) for o in done.outputs] == [(2, 3)], done.error
    mend = "derive amount = if(amount = 'soon', null, replace(amount, 'O', '0'))"
    assert texts.do(sentence(texts, "sales", mend), approve=True).status == "succeeded"
    assert rows(texts, "SELECT id FROM quarantine.sales") == [(3,)]
    assert texts.do(sentence(texts, "sales", "derive pieces = 3"), approve=True).status == "succeeded"
    assert rows(texts, "SELECT id, amount, pieces, each FROM sales ORDER BY id") == [
        (1, 10, 2, 5.0), (2, 10, 2, 5.0), (3, 9, 3, 3.0), (4, None, 1, None), (5, None, 1, None)
    ]  # fmt: skip


def test_a_column_that_the_table_got_since_is_the_mends_to_make(texts: Intendant) -> None:
    texts.do("transform prices derive double = amount * 2", approve=True)
    with pytest.raises(UsageError, match="the mended rows have no 'double', and 'prices' has") as caught:
        sentence(texts, "prices", "derive amount = '1'")
    assert caught.value.hint == "Let the mend make it: `derive double = ...`."
    made = "derive amount = '1' derive double = integer(amount) * 2"
    assert texts.do(sentence(texts, "prices", made), approve=True).status == "succeeded"
    assert rows(texts, "SELECT id, double FROM prices ORDER BY id") == [(1, 20), (2, 2), (4, None), (5, 2)]


def test_of_a_table_made_again_only_the_last_runs_rows_come_back(texts: Intendant) -> None:
    made = "transform sales cast amount to integer derive each = amount / pieces into prices"
    assert texts.do(made, approve=True).status == "succeeded"
    assert rows(texts, "SELECT count(*) FROM quarantine.prices") == [(6,)]
    mend = "derive amount = if(amount = 'soon', null, replace(amount, 'O', '0'))"
    assert texts.do(sentence(texts, "prices", mend), approve=True).status == "succeeded"
    assert rows(texts, "SELECT id FROM prices ORDER BY id") == [(1,), (2,), (4,), (5,)]
    assert rows(texts, "SELECT DISTINCT id FROM quarantine.prices") == [(3,)]
    texts.do("transform sales drop rows where id in (2, 3, 5)", approve=True)
    assert texts.do(made, approve=True).status == "succeeded"
    with pytest.raises(UsageError, match="no rows of 'prices' are set aside any more"):
        sentence(texts, "prices", "derive pieces = 1")


def test_a_refresh_does_not_repeat_a_replay(texts: Intendant) -> None:
    assert texts.do(sentence(texts, "prices", "derive amount = '1'"), approve=True).status == "succeeded"
    assert recipe(texts.journal, "prices") == [
        "transform sales cast amount to integer derive each = amount / pieces into prices"
    ]
