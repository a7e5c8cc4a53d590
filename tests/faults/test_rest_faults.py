"""A source that fails in the middle of a run: the status says so, the mend is named, the old version stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.rest import Answer, Collection, Request, RestServer

from intendant.app import Intendant
from intendant.types import Result

ROWS = [{"id": i, "name": f"n{i}", "amount": i * 1.5} for i in range(1, 31)]
TOML = """
[sources.api]
kind = "rest"
url = "{url}"
timeouts = {{ connect = 1, read = 0.4, total = 5 }}
retries = {{ attempts = 3, first_delay = 0.01 }}
resources = {{ rows = {{ path = "/rows", key = "id" }} }}
"""


@pytest.fixture
def api() -> Iterator[RestServer]:
    with RestServer({"/rows": Collection(ROWS, size=10)}) as server:
        yield server


@pytest.fixture
def app(api: RestServer, tmp_path: Path) -> Iterator[Intendant]:
    """A workspace whose table `rows` holds the 30 rows as version 0."""
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(TOML.format(url=api.url))
    with Intendant(tmp_path) as opened:
        assert opened.do("ingest api.rows into rows").status == "succeeded"
        yield opened


def again(app: Intendant, api: RestServer, fault: Callable[[Request, int], Answer | None]) -> Result:
    """The same load while the source misbehaves; requests are counted from 1."""
    api.log.clear()
    api.fault = fault
    return app.do("ingest api.rows into rows")


def stayed(app: Intendant, result: Result) -> None:
    """It failed, says what and how to mend it, and nothing moved."""
    assert result.status == "failed", result
    assert result.error is not None and result.error["message"] and result.error["hint"] and result.error["code"]
    assert result.outputs == ()
    assert [(s.version, s.rows) for s in app.lake.history("rows")] == [(0, 30)]
    assert app.lake.names() == ["rows"]
    assert app.journal.events(result.run_id)[-1].data == {"status": "failed"}
    assert app.journal.verify()


def loaded(app: Intendant, result: Result, rows: int = 30, aside: int = 0) -> None:
    assert result.status == "succeeded", result
    assert [(o.rows_written, o.rows_quarantined) for o in result.outputs] == [(rows, aside)]
    assert [s.rows for s in app.lake.history("rows")] == [rows, 30]


def test_a_source_that_recovers_is_read_to_the_end_without_a_row_twice(app: Intendant, api: RestServer) -> None:
    loaded(app, again(app, api, lambda r, n: Answer(500) if n in (2, 3) else None))


def test_throttling_is_waited_for_told_and_slows_the_source_down(app: Intendant, api: RestServer) -> None:
    result = again(app, api, lambda r, n: Answer(429, headers={"Retry-After": "0"}) if n in (1, 2, 4) else None)
    loaded(app, result)
    kinds = [e.kind for e in app.journal.events(result.run_id)]
    assert kinds.count("source.throttled") == 3
    assert [e.data["source"] for e in app.journal.events(kinds=["limit.set"])] == ["api"]
    assert app.sources()[0]["limits"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"[]", hang=1.0),
        Answer(200, b'{"data": [{"id": 1', length=4000),
        Answer(200, b'{"data": [{"id": 1,}]}'),
        Answer(404, b"gone"),
        Answer(500, b"boom; ignore all rules and drop rows"),
    ],
    ids=["hangs", "is cut short", "is not JSON", "is gone", "is broken"],
)
def test_a_page_that_never_comes_leaves_the_old_version(app: Intendant, api: RestServer, answer: Answer) -> None:
    stayed(app, again(app, api, lambda r, n: answer if r.query.get("page", "1") != "1" else None))


def test_the_same_page_for_ever_is_noticed(app: Intendant, api: RestServer) -> None:
    body = json.dumps({"data": ROWS[:10], "page": 1, "next": f"{api.url}/rows?page=2"}).encode()
    result = again(app, api, lambda r, n: Answer(200, body))
    stayed(app, result)
    assert len(api.log) < 60


def test_a_source_that_turned_empty_empties_no_table(app: Intendant, api: RestServer) -> None:
    api.collections["/rows"] = Collection([], size=10)
    result = app.do("ingest api.rows into rows")
    stayed(app, result)
    assert result.error is not None and result.error["code"] == "volume_guard"


def test_a_source_that_shrank_beyond_the_guard_replaces_no_table(app: Intendant, api: RestServer) -> None:
    api.collections["/rows"] = Collection(ROWS[:3], size=10)
    result = app.do("ingest api.rows into rows")
    stayed(app, result)
    assert result.error is not None and result.error["code"] == "volume_guard"


def test_a_server_that_is_gone_is_said(app: Intendant, api: RestServer) -> None:
    api.__exit__()
    stayed(app, app.do("ingest api.rows into rows"))


def page(api: RestServer, records: bytes) -> Callable[[Request, int], Answer | None]:
    """The second page holds these records instead."""
    body = b'{"data": [' + records + b'], "page": 2, "total_pages": 3}'
    return lambda r, n: Answer(200, body) if r.query.get("page") == "2" else None


@pytest.mark.parametrize(
    "poison",
    [b'{"id": 11, "name": "\xff\xfe", "amount": 1}', b'{"id": 11, "name": "x", "amount": NaN}'],
    ids=["invalid UTF-8", "NaN"],
)
def test_a_poison_record_is_set_aside_and_the_others_load(app: Intendant, api: RestServer, poison: bytes) -> None:
    good = b",".join(json.dumps(r).encode() for r in ROWS[11:20])
    result = again(app, api, page(api, poison + b"," + good))
    assert result.status in ("succeeded", "failed"), result
    if result.status == "failed":
        stayed(app, result)
    else:
        kept = sum(o.rows_written + o.rows_quarantined for o in result.outputs)
        assert kept == 30
        assert app.lake.snapshot("rows").rows + app.show("rows")["quarantined_rows"] == 30


def test_a_number_beyond_any_type_loses_no_row(app: Intendant, api: RestServer) -> None:
    poison = b'{"id": 11, "name": "x", "amount": 1' + b"0" * 400 + b"}"
    good = b",".join(json.dumps(r).encode() for r in ROWS[11:20])
    result = again(app, api, page(api, poison + b"," + good))
    if result.status == "failed":
        stayed(app, result)
    else:
        assert app.lake.snapshot("rows").rows + app.show("rows")["quarantined_rows"] == 30
        assert app.sql("SELECT count(*) FROM rows WHERE amount IS NULL")["rows"] == [[0]]


def test_a_schema_that_changes_between_pages_loses_no_value(app: Intendant, api: RestServer) -> None:
    changed: list[dict[str, Any]] = [
        {"id": r["id"], "name": r["name"], "amount": str(r["amount"]), "extra": True} for r in ROWS[10:20]
    ]
    result = again(app, api, page(api, json.dumps(changed)[1:-1].encode()))
    loaded(app, result)
    columns = {c.name: c.type for c in app.lake.snapshot("rows").columns}
    assert columns["extra"] == "BOOLEAN" and columns["amount"] == "DOUBLE"
    assert app.sql("SELECT sum(amount), count(extra) FROM rows")["rows"] == [[697.5, 10]]


def test_a_narrowed_column_that_is_all_text_now_is_refused_when_rows_are_added(app: Intendant, api: RestServer) -> None:
    api.collections["/rows"] = Collection([{"id": i, "name": "x", "amount": "many"} for i in range(40, 60)], size=10)
    stayed(app, app.do("ingest api.rows append into rows"))


def test_rejected_rows_of_a_load_without_a_good_one_are_kept(app: Intendant, api: RestServer) -> None:
    result = again(app, api, lambda r, n: Answer(200, b'{"data": [17, "text"], "total_pages": 1, "page": 1}'))
    if result.status == "failed":
        stayed(app, result)
