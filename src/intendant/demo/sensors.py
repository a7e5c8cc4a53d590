"""A stream of readings from IoT sensors: a Kafka broker within this process, some of its messages malformed.

The broker is the one that librdkafka brings for tests; it speaks Kafka's protocol and lives as long as its producer.

    python -m intendant.demo.sensors
"""

from __future__ import annotations

import argparse
import json
import random
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType

from confluent_kafka import Producer

__all__ = ["TOPIC", "Sensors", "make_readings"]

TOPIC = "readings"
DEVICES = 40
FIRST = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
MALFORMED = (b"", b'{"device_id": "dev-07", "temperature": 21.', b"not json at all", b"[1, 2, 3]", b"\xff\xfe\x00")
"""What a loose cable, a full buffer and a wrong firmware send."""


def make_readings(count: int = 5000, seed: int = 7) -> Iterator[bytes]:
    """`count` messages: device_id, temperature in Celsius, humidity in %, battery in %, recorded_at.

    One in 211 is malformed; of the others one in 97 has no humidity and one in 601 a temperature no place on Earth has.
    """
    draw = random.Random(seed)
    base = [draw.uniform(17, 24) for _ in range(DEVICES)]
    for i in range(count):
        if i % 211 == 210:
            yield MALFORMED[(i // 211) % len(MALFORMED)]
            continue
        device = i % DEVICES
        temperature = 999.9 if i % 601 == 600 else round(draw.gauss(base[device], 1.2), 2)
        yield json.dumps({
            "device_id": f"dev-{device:02d}",
            "temperature": temperature,
            "humidity": None if i % 97 == 96 else round(draw.uniform(30, 65), 1),
            "battery": round(100 - 60 * i / count - device / 4, 1),
            "recorded_at": (FIRST + timedelta(seconds=15 * (i // DEVICES))).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }).encode()


class Sensors:
    """`with Sensors() as sensors:` has the messages in topic `readings` of `sensors.brokers` until the block ends."""

    def __init__(self, *, count: int = 5000, seed: int = 7) -> None:
        self.count, self.seed = count, seed
        self.brokers = ""

    def __enter__(self) -> Sensors:
        self._producer = Producer({"test.mock.num.brokers": 1, "linger.ms": 5, "log_level": 0})
        for message in make_readings(self.count, self.seed):
            self._producer.produce(TOPIC, message)
        self._producer.flush(30)
        found = self._producer.list_topics(TOPIC, timeout=10).brokers
        self.brokers = ",".join(f"{b.host}:{b.port}" for b in found.values())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        del self._producer


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m intendant.demo.sensors", description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args(arguments)
    with Sensors(count=given.messages, seed=given.seed) as sensors:
        print(f"{sensors.brokers}  (topic {TOPIC}, {given.messages:,} messages)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
