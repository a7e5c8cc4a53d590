"""Rows that were set aside come back once they are mended, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.errors import UnknownName, UsageError
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
