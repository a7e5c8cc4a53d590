"""The demo's stream of sensor readings is a real Kafka topic with some bad messages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from intendant.demo.sensors import TOPIC, Sensors, make_readings
from intendant.sources import open_source
from intendant.types import ReadRequest


def is_reading(message: bytes) -> bool:
    try:
        return isinstance(json.loads(message), dict)
    except ValueError:
        return False


def test_the_same_seed_makes_the_same_messages():
    assert list(make_readings(300, 3)) == list(make_readings(300, 3)) != list(make_readings(300, 4))


def test_most_messages_are_readings_and_some_are_malformed():
    good = Counter(is_reading(m) for m in make_readings())
    assert good[True] + good[False] == 5000
    assert 10 <= good[False] <= 50


def test_the_stream_is_read_whole_and_malformed_messages_are_told(tmp_path: Path):
    told: Counter[str] = Counter()
    with Sensors(count=600) as sensors:
        config = {"kind": "kafka", "brokers": sensors.brokers, "topics": [TOPIC]}
        source = open_source("telemetry", config, tmp_path)
        batches = list(source.read(ReadRequest(TOPIC), lambda kind, data: told.update([kind])))
    good = Counter(is_reading(m) for m in make_readings(600))
    assert sum(b.num_rows for b in batches) == good[True]
    assert told["source.row_rejected"] == good[False] > 0
    assert set(batches[0].column_names) == {"device_id", "temperature", "humidity", "battery", "recorded_at"}
