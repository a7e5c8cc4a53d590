"""The ingestion agent: how a source is best read, and what to do when it can't keep up."""

from __future__ import annotations

import re
from collections.abc import Mapping

from intendant.agents.base import Agent, Decision
from intendant.catalog import Catalog
from intendant.errors import UsageError
from intendant.types import Json

__all__ = ["DataIngestionAgent", "Strategy", "gigabytes_per_day"]

Strategy = dict[str, Json]
SIZE = re.compile(
    r"\s*([\d.,]+)\s*([KMGT]?)i?B\s*(?:/|per)\s*(second|sec|s|minute|min|hour|h|day|d|week|month)\s*\Z", re.I
)
FACTOR = {"": 1e-9, "K": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3}
PER_DAY = {
    "s": 86400.0,
    "sec": 86400.0,
    "second": 86400.0,
    "min": 1440.0,
    "minute": 1440.0,
    "h": 24.0,
    "hour": 24.0,
    "d": 1.0,
    "day": 1.0,
    "week": 1 / 7,
    "month": 1 / 30,
}
STREAMS = ("real-time", "realtime", "real time", "streaming", "continuous")
MICRO = ("minute", "hourly", "near real-time", "micro")


class DataIngestionAgent(Agent):
    role = "ingestion"

    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """A source that throttled us again and again is read at half the speed from now on."""
        if event != "source.throttled":
            return Decision()
        rate = max(1, int(float(facts.get("requests_per_second") or 4) / 2))
        limit = {"source": facts["source"], "what": "requests", "count": rate, "per_seconds": 1}
        why = f"{facts['source']} asked {facts['count']} times to slow down"
        return Decision(facts=(("limit.set", {**limit, "why": why}),), why=why)

    def analyze_data_source(self, source: Mapping[str, Json]) -> Strategy:
        """How to read a described source: streaming, micro-batch or batch, with what, and why.

        `source` has "type", "volume" ("10GB/day") and "frequency" ("real-time", "hourly", "daily" ...). Real time is
        streamed; minutes to hours are micro-batches; the rest is batch, in parallel parts above 100 GB a day.
        Raises UsageError for a volume that can't be read.
        """
        kind, frequency = str(source.get("type", "")), str(source.get("frequency", "daily")).lower()
        volume = gigabytes_per_day(str(source.get("volume", "0GB/day")))
        out: Strategy = {"source_type": kind, "volume_gb_per_day": round(volume, 3), "frequency": frequency}
        if any(w in frequency for w in STREAMS):
            via = "Kafka" if "kafka" not in kind.lower() else "the existing Kafka topics"
            bridge = (
                "a poller that follows the newest rows and writes them to Kafka"
                if "rest" in kind.lower() or "api" in kind.lower()
                else "a Kafka producer at the source"
            )
            return {
                **out,
                "strategy": "streaming",
                "technology": via,
                "method": bridge if via == "Kafka" else "consumer groups, offsets committed with the data",
                "reason": f"{frequency} data is only fresh when it flows: {kind or 'the source'} at {volume:g} GB/day goes through {via}",
            }
        if any(w in frequency for w in MICRO):
            return {
                **out,
                "strategy": "micro-batch",
                "technology": "incremental loads by cursor",
                "method": "new rows by cursor, every few minutes",
                "reason": f"{frequency} loads at {volume:g} GB/day fit small incremental batches",
            }
        parts = "in parallel parts" if volume > 100 else "in one pass"
        return {
            **out,
            "strategy": "batch",
            "technology": "bulk load",
            "method": f"bulk load {parts}",
            "reason": f"{frequency} loads at {volume:g} GB/day need no stream: a bulk load {parts} is simplest",
        }


def gigabytes_per_day(volume: str) -> float:
    """ "10GB/day" to 10.0. Raises UsageError with the form that is understood."""
    m = SIZE.match(volume)
    if not m:
        raise UsageError(f"the volume {volume!r} can't be read", hint="Write it like 10GB/day or 500 MB/hour.")
    try:
        number = float(m[1].replace(",", ""))
    except ValueError:
        raise UsageError(f"the volume {volume!r} has no number", hint="Write it like 10GB/day.") from None
    return number * FACTOR[m[2].upper()] * PER_DAY[m[3].lower()]
