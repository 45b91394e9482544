"""What a service counts, in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from segdata.labels import Labels

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds, at most, of the requests that are counted together."""


class Metrics:
    """The figures of one service."""

    def __init__(self, labels: Labels, waiting: Callable[[], int], at_work: Callable[[], int]) -> None:
        self._labels = labels
        self._registry = found = CollectorRegistry()
        ProcessCollector(registry=found)
        self._seconds = Histogram(
            "segdata_request_seconds", "Seconds from the arrival of an image to its answer.", ["format", "status"],
            buckets=BUCKETS, registry=found,
        )  # fmt: skip
        self._waits = Histogram(
            "segdata_wait_seconds", "Seconds from the arrival of an image until work on it began.",
            buckets=BUCKETS, registry=found,
        )  # fmt: skip
        self._errors = Counter("segdata_errors", "Requests without a mask, by error.", ["code"], registry=found)
        self._lost = Counter("segdata_signals_lost", "Rows of signals that could not be written.", registry=found)
        self._pixels = Counter("segdata_pixels", "Predicted pixels by class.", ["class"], registry=found)
        queue = Gauge("segdata_queue", "Requests that wait, or are on their way in.", registry=found)
        queue.set_function(waiting)
        busy = Gauge("segdata_at_work", "Requests that are worked on.", registry=found)
        busy.set_function(at_work)
        for value in (*range(len(labels.classes)), labels.ignore):
            self._pixels.labels(labels.name(value))

    def answered(self, format: str, status: int, start: float) -> None:
        """A request that came at a time of `monotonic` has its answer."""
        self._seconds.labels(format, str(status)).observe(monotonic() - start)

    def refused(self, code: str) -> None:
        """A request gets no mask."""
        self._errors.labels(code).inc()

    def waited(self, start: float) -> None:
        """Work begins on a request that came at a time of `monotonic`."""
        self._waits.observe(monotonic() - start)

    def predicted(self, counts: Mapping[int, int]) -> None:
        """A mask in which each value occurs so often."""
        for value, pixels in counts.items():
            self._pixels.labels(self._labels.name(value)).inc(pixels)

    def lost(self) -> None:
        """A row of signals could not be written."""
        self._lost.inc()

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
