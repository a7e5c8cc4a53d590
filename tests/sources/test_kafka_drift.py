"""Messages change their form: between two of them, between two loads, as the table's contract says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.kafka import KafkaServer

from intendant.app import Intendant
from intendant.types import Result

FOLLOW = "ingest telemetry.readings new rows into readings"
Opened = Callable[[str], Intendant]


@pytest.fixture
def server() -> KafkaServer:
    return KafkaServer({"readings": [json.dumps({"id": i, "value": i / 2}).encode() for i in range(10)]})


@pytest.fixture
def opened(server: KafkaServer, tmp_path: Path) -> Iterator[Opened]:
    """Opens a workspace whose table `readings` has the first ten messages, with a contract for its columns."""
    Intendant.init(tmp_path).close()
    apps = []

    def make(contract: str) -> Intendant:
        (tmp_path / "intendant.toml").write_text(
            f'[sources.telemetry]\nkind = "kafka"\nbrokers = "{server.brokers}"\ntopics = ["readings"]\n'
            f'[tables.readings]\nschema = {contract}\n' if contract else
            f'[sources.telemetry]\nkind = "kafka"\nbrokers = "{server.brokers}"\ntopics = ["readings"]\n')
        apps.append(Intendant(tmp_path))
        assert apps[0].do(FOLLOW).status == "succeeded"
        return apps[0]

    yield make
    for app in apps:
        app.close()


def sent(server: KafkaServer, app: Intendant, *messages: Any) -> Result:
    server.produce("readings", *(json.dumps(m).encode() for m in messages))
    return app.do(FOLLOW)


def columns(app: Intendant) -> dict[str, str]:
    return {c.name: c.type for c in app.lake.snapshot("readings").columns}


def test_new_fields_become_columns_within_a_load_and_between_loads(opened: Opened, server: KafkaServer) -> None:
    app = opened("")
    assert sent(server, app, {"id": 10, "value": 1.5}, {"id": 11, "value": 2.5, "unit": "C"},
                {"id": 12, "place": {"x": 1, "y": [2]}}).status == "succeeded"
    assert columns(app) == {"id": "BIGINT", "value": "DOUBLE", "unit": "VARCHAR", "place": "STRUCT(x BIGINT, y BIGINT[])"}
    assert sent(server, app, {"id": 13, "place": {"x": 1.5, "z": "new"}}).status == "succeeded"
    assert app.sql("SELECT count(*), count(unit), count(place) FROM readings")["rows"] == [[14, 1, 2]]


def test_a_widened_number_widens_its_column(opened: Opened, server: KafkaServer) -> None:
    app = opened("")
    assert sent(server, app, {"id": 10.5, "value": 1}).status == "succeeded"
    assert columns(app)["id"] == "DOUBLE"
    assert app.sql("SELECT max(id), count(*) FROM readings")["rows"] == [[10.5, 11]]


def test_a_value_of_another_type_is_set_aside_and_the_stream_goes_on(opened: Opened, server: KafkaServer) -> None:
    app = opened("")
    result = sent(server, app, {"id": 10, "value": "n/a"})
    assert result.status == "succeeded" and result.outputs[0].rows_quarantined == 1
    assert columns(app) == {"id": "BIGINT", "value": "DOUBLE"}
    assert app.sql("SELECT id, value FROM quarantine.readings")["rows"] == [[10, "n/a"]]
    assert sent(server, app, {"id": 11, "value": 1.0}).outputs[0].rows_written == 1


def test_a_load_may_lack_the_columns_that_are_asked_for(opened: Opened, server: KafkaServer) -> None:
    app = opened("")
    server.produce("readings", b'{"id": 10}')
    assert app.do("ingest telemetry.readings new rows where value > 1 into readings").status == "succeeded"
    server.produce("readings", b'{"id": 11}')
    assert app.do("ingest telemetry.readings new rows columns id, value into readings").outputs[0].rows_written == 1
    server.produce("readings", b'{"value": 7.5}')
    result = app.do("ingest telemetry.readings new rows upsert on id into readings")
    assert result.status == "succeeded" and result.outputs[0].rows_quarantined == 1, result
    assert app.sql("SELECT id, value FROM readings WHERE id > 8 ORDER BY id")["rows"] == [[9, 4.5], [11, None]]


def test_a_frozen_table_stops_the_load_and_reads_it_again_later(opened: Opened, server: KafkaServer) -> None:
    app = opened('"freeze"')
    result = sent(server, app, {"id": 10, "value": 1.5, "unit": "C"}, {"id": 11, "value": 2.5})
    assert result.status == "rolled_back" and "unit" in result.reason
    assert app.lake.positions("readings")["telemetry.readings"]["0"]["next"] == 10
    assert app.do("transform readings derive unit = 'K'").status == "succeeded"
    assert app.do(FOLLOW).outputs[0].rows_written == 2


def test_a_contract_may_set_messages_with_new_fields_aside(opened: Opened, server: KafkaServer) -> None:
    app = opened('"quarantine"')
    result = sent(server, app, {"id": 10, "value": 1.5, "unit": "C"}, {"id": 11, "value": 2.5})
    assert result.status == "succeeded", result
    assert (result.outputs[0].rows_written, result.outputs[0].rows_quarantined) == (1, 1)
    assert app.do(FOLLOW).outputs[0].rows_written == 0
    assert app.sql("SELECT id, unit FROM quarantine.readings")["rows"] == [[10, "C"]]


def test_a_load_that_a_person_was_asked_about_is_not_published_over_a_later_one(opened: Opened, server: KafkaServer) -> None:
    app = opened('"ask"')
    asked = sent(server, app, {"id": 10, "value": 1.5, "unit": "C"})
    assert asked.status == "waiting_approval"
    assert app.do("transform readings derive unit = 'K'", approve=True).status == "succeeded"
    assert app.do(FOLLOW).outputs[0].rows_written == 1
    late = app.approve(asked.approval)
    assert late.status == "failed" and late.error is not None
    assert "has got other rows of telemetry.readings meanwhile" in late.error["message"]
    assert app.sql("SELECT count(*), count(DISTINCT id) FROM readings")["rows"] == [[11, 11]]
