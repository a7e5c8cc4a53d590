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
