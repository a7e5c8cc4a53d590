"""`deliver` to a topic, said as a sentence: keys, digits, refusals, a process that dies in the middle; dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.harness import Zygote
from tests.servers.kafka import KafkaServer

from intendant.app import Intendant


@pytest.fixture
def server() -> KafkaServer:
    made = KafkaServer()
    for topic in ("alerts", "keyed", "readings", "dead"):
        made.create(topic, 3)
    return made


@pytest.fixture
def workspace(server: KafkaServer, tmp_path: Path) -> Path:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(
        f'[sources.telemetry]\nkind = "kafka"\nbrokers = "{server.brokers}"\ntimeout = 2\n'
        'topics = ["alerts", "keyed", "readings"]\nresources = { keyed = { key = "ID" } }\ndead_letter = "dead"\n')
    (tmp_path / "alerts.csv").write_text("id,level,price\n1,high,12345678901234567890.10\n2,low,0.10\n3,,2.50\n")
    with Intendant(tmp_path) as app:
        app.load(tmp_path / "alerts.csv", "alerts", {"price": "DECIMAL(38,2)"})
    return tmp_path


@pytest.fixture
def app(workspace: Path) -> Iterator[Intendant]:
    with Intendant(workspace) as opened:
        yield opened


def test_rows_become_json_with_all_their_digits(app: Intendant, server: KafkaServer) -> None:
    result = app.do("deliver alerts to telemetry.alerts")
    assert result.status == "succeeded" and result.steps[0]["note"] == "3 rows delivered to telemetry.alerts"
    assert server.held("alerts") == [
        (None, b'{"id":1,"level":"high","price":12345678901234567890.10}'),
        (None, b'{"id":2,"level":"low","price":0.10}'),
        (None, b'{"id":3,"level":null,"price":2.50}'),
    ]


def test_the_declared_key_or_the_one_said_is_the_messages_key(app: Intendant, server: KafkaServer) -> None:
    assert app.do("deliver alerts where id < 3 to telemetry.keyed").status == "succeeded"
    assert [key for key, _ in server.held("keyed")] == [b"1", b"2"]
    assert app.do("deliver alerts where id < 3 to telemetry.alerts upsert on (level, id)").status == "succeeded"
    assert [key for key, _ in server.held("alerts")] == [b'{"level":"high","id":1}', b'{"level":"low","id":2}']


@pytest.mark.parametrize(("text", "said", "hint"), [
    ("deliver alerts to telemetry.alert", "has no topic 'alert'", "Did you mean 'alerts'"),
    ("deliver alerts to telemetry.alerts replace", "can't be replaced", "upsert on COLUMN"),
    ("deliver alerts to telemetry.alerts upsert on lvl", "no column 'lvl'", "Did you mean 'level'"),
    ("deliver alerts to telemetry.alerts upsert on level", "1 rows have no level to be keyed by", "where level is not null"),
])
def test_what_can_not_be_delivered_is_said_with_the_mend(app: Intendant, server: KafkaServer, text: str, said: str,
                                                         hint: str) -> None:
    result = app.do(text)
    assert result.status == "failed" and result.error is not None
    assert said in result.error["message"] and hint in result.error["hint"], result.error
    assert server.held("alerts") == []


def test_brokers_that_are_down_fail_the_step(app: Intendant, server: KafkaServer) -> None:
    server.down()
    result = app.do("deliver alerts to telemetry.alerts")
    assert result.status == "failed" and result.error is not None and "Nothing was delivered" in result.error["message"]
    server.up()
    assert app.do("deliver alerts to telemetry.alerts").status == "succeeded"
    assert len(server.held("alerts")) == 3


@pytest.mark.timeout(90)
def test_a_delivery_killed_after_it_was_made_is_not_made_again(workspace: Path, server: KafkaServer) -> None:
    text = "deliver alerts to telemetry.alerts"
    with Zygote.start() as zygote:
        assert zygote.order(workspace, do=text, run_id="early", at="before:0.act") == 9
        assert zygote.order(workspace, do="", run_id="early") == 0
        assert len(server.held("alerts")) == 3
        assert zygote.order(workspace, do=text, run_id="late", at="after:0.act") == 9
        server.note("intendant.late.0", "alerts", 3)
        assert zygote.order(workspace, do="", run_id="late") == 0
    assert len(server.held("alerts")) == 6


def test_dead_letters_go_to_their_topic_as_they_came(app: Intendant, server: KafkaServer) -> None:
    server.produce("readings", json.dumps({"id": 1}).encode(), b"poison", b"\xff\x00", key=b"k", partition=1)
    got: list[Any] = [app.do("ingest telemetry.readings new rows into readings").outputs[0].rows_quarantined for _ in range(2)]
    assert got == [2, 0]
    assert server.held("dead") == [(b"k", b"poison"), (b"k", b"\xff\x00")]
