"""What `mtcnn serve` counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Of one server.

    Attributes:
        content_type: of `text`.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter("mtcnn_requests", "Requests for faces, by status.", ["code"], registry=self._registry)
        self.faces = Counter("mtcnn_faces", "Faces found.", registry=self._registry)
        self.seconds = Histogram(
            "mtcnn_request_seconds", "From a request's head to its answer.", registry=self._registry, buckets=_SECONDS
        )
        self.waited = Histogram(
            "mtcnn_wait_seconds", "Before a thread took a picture.", registry=self._registry, buckets=_SECONDS
        )
        self.batch = Histogram(
            "mtcnn_batch_pictures", "Taken together.", registry=self._registry, buckets=(1, 2, 4, 8, 16)
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
