"""A Kafka topic into a lake beside dlt: the same mock cluster, the same messages, in one run, in turns.

    python bench/ingest_kafka.py --messages 1000000 --dlt-python /tmp/kbench/v/bin/python

Each contestant is a process of its own, measured from its start to its end; the best of `--rounds` counts. dlt has no Kafka
source that yields Arrow, so the fastest resource that can be written for it takes part: batches of confluent-kafka, parsed by
pyarrow.json; json.loads of each message, the usual way, is several times slower. dlt's environment:

    pip install "dlt[duckdb]" confluent-kafka pyarrow
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peak import Peak, run, versions

PARTITIONS = 64
"""The cluster inside librdkafka keeps 5 MB of a partition."""
BATCH = 50_000
TIMEOUT = 900
CPUS = os.cpu_count() or 1
INTENDANT = str(Path(sys.executable).with_name("intendant"))
POISON = b'{"order_id": 1, "amount": oops}'


def message(i: int) -> bytes:
    """About 200 bytes, nested as sensors' messages are."""
    return (f'{{"order_id":{i},"customer":{{"id":{i % 5000},"city":"Oslo"}},"amount":{i * 37 % 90000 / 100},"status":"paid",'
            f'"created_at":"2024-01-{i % 28 + 1:02d}T10:{i % 60:02d}:00Z","tags":["a","b{i % 7}"],'
            f'"note":"order number {i:08d} of this topic"}}').encode()


def serve(messages: int) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.servers.kafka import KafkaServer

    server = KafkaServer()
    for topic, poison in (("orders", 0), ("poisoned", 1000)):
        server.create(topic, PARTITIONS)
        for p in range(PARTITIONS):
            server.produce(topic, *(POISON if poison and i % poison == 0 else message(i)
                                    for i in range(p, messages, PARTITIONS)), partition=p)
    print(server.brokers, flush=True)
    time.sleep(86_400)


# Intendant

def do(topic: str, brokers: str, data: str) -> list[str]:
    """The command of a user: read, parsed, staged, audited, published with its offsets."""
    (Path(data) / "intendant.toml").write_text(
        f'[sources.shop]\nkind = "kafka"\nbrokers = "{brokers}"\ntopics = ["{topic}"]\n')
    return [INTENDANT, "do", f"ingest shop.{topic} new rows into orders", "--yes", "--json", "--workspace", data]


def to_lake(topic: str, brokers: str, data: str) -> int:
    from intendant.actions.ingest import fill
    from intendant.engines.duckdb import DuckDB
    from intendant.lake.lake import Lake
    from intendant.sources import open_source
    from intendant.types import ReadRequest, Stamp

    source = open_source("shop", {"kind": "kafka", "brokers": brokers, "topics": [topic]}, Path(data))
    lake = Lake(Path(data) / "lake", DuckDB())
    stage = lake.stage("orders", Stamp("bench", "1"))
    fill(stage, source.read(ReadRequest(topic), lambda kind, told: None), lambda kind, told: None)
    return lake.publish(stage, "replace").rows


# dlt

def values(topic: str, brokers: str) -> Iterator[list[bytes]]:
    """Batches of messages, as confluent-kafka's documentation has it."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "dlt", "enable.auto.commit": False, "log_level": 0})
    left = sum(high - low for low, high in (
        consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20) for p in range(PARTITIONS)))
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    while left:
        found = [m.value() for m in consumer.consume(min(BATCH, left), timeout=5) if m.error() is None]
        left -= len(found)
        if found:
            yield found
    consumer.close()


def dlt_run(batches: Iterator[Any], data: str) -> int:
    """Extract, normalise and load into local Parquet files, with the settings that run fastest."""
    import dlt

    home = Path(data) / "dlt"
    os.environ.update({
        "DLT_DATA_DIR": str(home), "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR",
        "EXTRACT__WORKERS": str(CPUS), "NORMALIZE__WORKERS": str(CPUS), "LOAD__WORKERS": str(CPUS),
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000", "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "100000",
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "500000", "SCHEMA__NAMING": "direct"})
    pipeline = dlt.pipeline("bench", pipelines_dir=str(home),
                            destination=dlt.destinations.filesystem(bucket_url=(home / "out").as_uri()))
    pipeline.run(dlt.resource(batches, name="orders"), table_name="orders", write_disposition="append",
                 loader_file_format="parquet")
    return int(pipeline.last_trace.last_normalize_info.row_counts["orders"])


def dlt_arrow(topic: str, brokers: str, data: str) -> int:
    import io

    from pyarrow import json as reader

    blocks = reader.ReadOptions(block_size=16 << 20)
    return dlt_run((reader.read_json(io.BytesIO(b"\n".join(found)), blocks) for found in values(topic, brokers)), data)


@dataclass(frozen=True)
class Contestant:
    """A function of this file in a process of its own, or a command."""

    side: str
    topics: tuple[str, ...]
    inside: Callable[[str, str, str], int] | None = None
    command: Callable[[str, str, str], list[str]] | None = None


CONTESTANTS = {
    "`intendant do`, audited": Contestant("ours", ("orders",), command=do),
    "Intendant, to the lake": Contestant("ours", ("orders", "poisoned"), to_lake),
    "dlt, pyarrow.json": Contestant("dlt", ("orders",), dlt_arrow),
}


def once(name: str, topic: str, brokers: str, python: str) -> tuple[Peak, int]:
    """What it took, and how many rows it brought (-1: it failed)."""
    contestant = CONTESTANTS[name]
    with tempfile.TemporaryDirectory(prefix="bench-kafka-") as data:
        if contestant.command:
            peak = run(contestant.command(topic, brokers, data), TIMEOUT)
            outputs = json.loads(peak.out)["outputs"] if peak.code == 0 else []
            return peak, outputs[0]["rows_written"] + outputs[0]["rows_quarantined"] if outputs else -1
        python = python if contestant.side == "dlt" else sys.executable
        peak = run([python, __file__, "--contest", name, "--topic", topic, "--brokers", brokers, "--data", data], TIMEOUT)
    found = [line for line in peak.out.splitlines() if line.startswith("ROWS ")]
    return peak, int(found[0][5:]) if found else -1


def table(messages: int, rounds: int, brokers: str, python: str) -> list[str]:
    lines = []
    for topic in ("orders", "poisoned"):
        names = [n for n, c in CONTESTANTS.items() if topic in c.topics]
        best: dict[str, tuple[Peak, int]] = {}
        for _ in range(rounds):
            for name in names:
                peak, rows = once(name, topic, brokers, python)
                if name not in best or (rows >= 0 and peak.seconds < best[name][0].seconds):
                    best[name] = peak, rows
        peers = [messages / p.seconds for n, (p, rows) in best.items() if n.startswith("dlt") and rows >= 0]
        for name, (peak, rows) in best.items():
            speed, ahead = messages / peak.seconds, ""
            if peers and not name.startswith("dlt"):
                ahead = f"{speed / max(peers):.1f}"
            said = f"{rows:,}" if rows >= 0 else f"failed: {(peak.err.strip().splitlines() or ['?'])[-1][:120]}"
            lines.append(f"| {topic} | {name} | {said} | {speed:,.0f} | {peak.seconds:.1f} | {peak.cpu:.1f} | {peak.mib:,.0f} | {ahead} |")
            print(lines[-1], flush=True)
    return lines


def page(lines: list[str], messages: int, python: str) -> str:
    own, theirs = ("duckdb", "pyarrow", "confluent-kafka"), ("dlt", "pyarrow", "confluent-kafka")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join([
        "# A Kafka topic beside dlt", "",
        f"{messages:,} messages of about {len(message(messages - 1))} bytes of nested JSON in {PARTITIONS} partitions, from the "
        "cluster inside librdkafka, a process on the same machine and cores. In the topic `poisoned` every thousandth message is "
        "no JSON; the rows are then those of the table and of its quarantine. The last column is the speed as a multiple of dlt's "
        "fastest way.", "",
        "| topic | contestant | rows | rows/s | s | CPU s | peak MiB | times dlt |", "|---|---|---|---|---|---|---|---|", *lines, "",
        f"Machine: {platform.machine()}, {CPUS} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}.", "",
        f"Here: {versions(sys.executable, own)}. dlt's: {versions(python, theirs)}.", "",
        "Each contestant is a fresh process, taken turns with; seconds go from its start to its end, imports and exit included, the "
        "best round counts; memory is that of it and its children. `intendant do` reads, parses, stages, audits, and publishes a "
        "version with the offsets it reached. dlt writes Parquet files to a folder and keeps no offsets.", "",
        f"`python {' '.join(sys.argv)}` on {datetime.now(UTC):%Y-%m-%d}, load average {os.getloadavg()[0]:.1f} at the end.", ""])


def main(given: argparse.Namespace) -> None:
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(given.messages)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        brokers = server.stdout.readline().strip()
        lines = table(given.messages, given.rounds, brokers, given.dlt_python)
        given.out.write_text(page(lines, given.messages, given.dlt_python))
    finally:
        server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dlt-python", default="python3")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--serve", type=int)
    for name in ("contest", "topic", "brokers", "data"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    elif given.contest:
        inside = CONTESTANTS[given.contest].inside
        assert inside is not None
        print("ROWS", inside(given.topic, given.brokers, given.data))
    else:
        main(given)
