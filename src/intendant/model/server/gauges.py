"""What the door counts, for Prometheus; llama.cpp's own counters (tokens computed, reused, written) follow them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from intendant.model.server.admission import Admission

__all__ = ["Gauges"]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Gauges:
    """Counters of one server, in a registry of their own."""

    def __init__(self, admission: Admission, facts: dict[str, str]) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("intendant_model_requests", "Requests answered.", ("route", "status"), registry=own)
        self.refused = Counter("intendant_model_refused", "Requests refused, by reason.", ("reason",), registry=own)
        self.left = Counter("intendant_model_disconnects", "Requests whose client left.", registry=own)
        self.seconds = Histogram(
            "intendant_model_request_seconds", "From request to end.", ("route",), registry=own, buckets=SECONDS
        )
        self.first = Histogram(
            "intendant_model_first_byte_seconds", "From request to first byte.", registry=own, buckets=SECONDS
        )
        self.waited = Histogram(
            "intendant_model_queue_seconds", "From request to a slot.", registry=own, buckets=SECONDS
        )
        Gauge("intendant_model_queue_length", "Requests that wait for a slot.", registry=own).set_function(
            lambda: admission.waiting
        )
        Gauge("intendant_model_running", "Requests that hold a slot.", registry=own).set_function(
            lambda: admission.running
        )
        Gauge("intendant_model_slots", "Requests that may run at once.", registry=own).set(admission.slots)
        Info("intendant_model", "The model that is served.", registry=own).info(facts)

    def text(self, engine: str) -> bytes:
        """Prometheus' text format, with the engine's after it."""
        return generate_latest(self.registry) + engine.encode()
