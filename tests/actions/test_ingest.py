"""Rows from real sources: how many, which, how they meet what is there, and what happens to bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import EVENTS, World, world

ROWS = "SELECT id FROM staging.events ORDER BY 1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("WORLD_TOKEN", "t")
    with world(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("latest 3 by id", [58, 59, 60]),
        ("oldest 3 by id", [1, 2, 3]),
        ("latest 3 by id where kind = 'buy'", [54, 57, 60]),
        ("where value > 29", [59, 60]),
        ("latest 2 by id columns id", [59, 60]),
    ],
)
def test_the_rows_asked_for_are_the_rows_that_come(asked: str, expected: list[int], here: World) -> None:
    here.done(f"ingest api.events {asked}")
    assert [r[0] for r in here.rows(ROWS)] == expected


def test_latest_without_a_column_goes_by_the_declared_time(here: World) -> None:
    here.done("ingest api.events latest 4 into staging.newest")
    times = [r[0] for r in here.rows('SELECT "at" FROM staging.newest ORDER BY 1 DESC')]
    assert [t[:10] for t in times] == [e["at"][:10] for e in sorted(EVENTS, key=lambda e: e["at"], reverse=True)[:4]]


def test_first_takes_just_so_many_and_columns_just_those(here: World) -> None:
    here.done("ingest api.events first 7 columns kind, id into staging.few")
    shown = here.app.show("staging.few")
    assert (shown["rows"], list(shown["columns"])) == (7, ["kind", "id"])


def test_new_rows_come_once_and_nothing_new_changes_nothing(here: World) -> None:
    sentence = "ingest api.changing new rows by id into staging.events"
    here.done(sentence)
    here.changing.rows = EVENTS[:13]
    assert [o.rows_written for o in here.done(sentence).outputs] == [3]
    again = here.done(sentence)
    assert [(o.rows_written, o.version) for o in again.outputs] == [(0, 1)]
    assert [r[0] for r in here.rows(ROWS)] == list(range(1, 14))
    assert len(here.app.history("staging.events")) == 2


def test_append_adds_replace_replaces_and_upsert_meets_by_key(here: World) -> None:
    here.done("ingest api.changing into staging.events")
    here.done("ingest api.changing append into staging.events")
    assert len(here.rows(ROWS)) == 20
    here.done("ingest api.changing into staging.events")
    assert len(here.rows(ROWS)) == 10
    here.changing.rows = [{**e, "value": -1.0} for e in EVENTS[5:15]]
    here.done("ingest api.changing upsert on id into staging.events")
    assert here.rows("SELECT count(*), count(*) FILTER (WHERE value = -1) FROM staging.events") == [[15, 10]]


def test_a_load_that_would_shrink_the_table_stops_and_the_table_stays(here: World) -> None:
    here.done("ingest api.changing into staging.events")
    here.changing.rows = EVENTS[:2]
    result = here.app.do("ingest api.changing into staging.events")
    assert result.status == "failed" and result.error is not None and result.error["code"] == "volume_guard"
    here.changing.rows = []
    assert here.app.do("ingest api.changing into staging.events").status == "failed"
    assert len(here.rows(ROWS)) == 10


def test_a_column_that_comes_late_is_empty_before(here: World) -> None:
    here.done("ingest api.changing into staging.events")
    here.changing.rows = [{**e, "note": "new"} for e in EVENTS[10:12]]
    here.done("ingest api.changing append into staging.events")
    assert here.rows("SELECT note, count(*) FROM staging.events GROUP BY 1 ORDER BY 1") == [["new", 2], [None, 10]]


def test_cells_of_the_wrong_type_are_set_aside_with_their_reason(here: World) -> None:
    here.done("ingest api.changing into staging.events")
    here.changing.rows = [*EVENTS[10:30], {**EVENTS[30], "value": "n/a"}]
    here.done("ingest api.changing append into staging.events")
    assert here.app.show("staging.events")["columns"]["value"] == "DOUBLE"
    assert here.rows("SELECT count(*) FROM staging.events") == [[30]]
    [[row, reason]] = here.rows('SELECT id, _reason FROM quarantine."staging.events"')
    assert row == 31 and "value" in reason


def test_a_first_load_sets_the_few_texts_among_numbers_aside(here: World) -> None:
    here.changing.rows = [{"id": i, "price": i / 4, "quantity": 2} for i in range(1000)]
    for i, odd in zip((3, 500, 999), ("12,50 EUR", "n/a", "free"), strict=True):
        here.changing.rows[i] = {"id": i, "price": odd, "quantity": 2}
    here.done("ingest api.changing into staging.prices")
    assert here.app.show("staging.prices")["columns"]["price"] == "DOUBLE"
    assert here.rows("SELECT count(*), sum(price * quantity) > 0 FROM staging.prices") == [[997, True]]
    odd = here.rows('SELECT id, price, _reason FROM quarantine."staging.prices" ORDER BY id')
    assert odd == [[i, value, "price: not a number"] for i, value in ((3, "12,50 EUR"), (500, "n/a"), (999, "free"))]


def test_a_first_load_with_many_texts_among_numbers_stays_text(here: World) -> None:
    here.changing.rows = [{"id": i, "price": "n/a" if i % 10 < 3 else i / 4} for i in range(1000)]
    here.done("ingest api.changing into staging.prices")
    assert here.app.show("staging.prices")["columns"]["price"] == "VARCHAR"
    assert here.rows("SELECT count(price), count(*) FILTER (WHERE price = 'n/a') FROM staging.prices") == [[1000, 300]]


def test_a_source_that_fails_changes_nothing(here: World) -> None:
    here.done("ingest api.changing into staging.events")
    del here.api.collections["/changing"]
    result = here.app.do("ingest api.changing into staging.events")
    assert result.status == "failed" and result.error is not None and result.error["code"] == "source_refused"
    assert len(here.rows(ROWS)) == 10


def test_a_database_and_a_file_are_read_like_an_api(here: World) -> None:
    here.done("ingest crm.people latest 2 into staging.people")
    assert here.rows("SELECT id FROM staging.people ORDER BY 1") == [[4], [5]]
    here.done("ingest drops.orders where region = 'north' into staging.north")
    assert here.rows("SELECT order_id FROM staging.north ORDER BY 1") == [[1], [3]]
