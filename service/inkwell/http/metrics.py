"""`/metrics` for Prometheus: the endpoint, the count of replies, and the gauges measured at each scrape.

Counters and histograms are in observability/metrics.py.
"""

from collections.abc import Iterable, Iterator

from flask import Flask, Response, g, request
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inkwell.access.admission import Admission
from inkwell.access.keys import METRICS
from inkwell.access.throughput import ThroughputEstimator
from inkwell.http.access_log import route
from inkwell.http.auth import ScopedBlueprint
from inkwell.http.openapi import KEY_ERRORS, Spec, documented, error_responses
from inkwell.models.registry import Registry
from inkwell.models.worker_load import WorkerLoad
from inkwell.observability.metrics import Metrics
from inkwell.system.resources import limit_bytes, resident_bytes

SPEC: Spec = {
    "tags": ["service"],
    "summary": "Metrics for Prometheus",
    "description": "In Prometheus' text format, or in OpenMetrics if `Accept` prefers it.",
    "responses": {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    | error_responses(*KEY_ERRORS),
}


def register(app: Flask, metrics: Metrics) -> None:
    """Serve the endpoint, and count every reply when its first byte is sent; error codes are in `g.log_entry`."""
    routes = ScopedBlueprint("metrics", __name__, scope=METRICS)

    @routes.get("/metrics")
    @documented(SPEC)
    def scrape() -> Response:
        text, content_type = metrics.text(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    def count(response: Response) -> Response:
        metrics.answered(route(), response.status_code)
        if g.log_entry.code is not None:
            metrics.refused(g.log_entry.code)
        return response

    app.register_blueprint(routes)
    app.after_request(count)


class Gauges(Collector):
    """Reads the registry and the admission at each scrape."""

    def __init__(self, registry: Registry, admission: Admission, throughput: ThroughputEstimator, version: str) -> None:
        self._registry = registry
        self._admission = admission
        self._throughput = throughput
        self._version = version

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All gauges, of the same moment."""
        loads = self._registry.worker_loads()
        wait_s = self._throughput.queue_s(sum(load.queued for load in loads))
        yield GaugeMetricFamily("inkwell_requests_admitted", "Running and queued requests.", self._admission.requests)
        yield _by_model("requests_queued", "Texts that wait for a slot, or requests that wait for their model to load.",
                        ((load, load.queued) for load in loads))  # fmt: skip
        yield _by_model("requests_running", "Texts in a slot.", ((load, load.running) for load in loads))
        yield GaugeMetricFamily("inkwell_estimated_wait_seconds", "Time until everything queued has a slot.", wait_s)
        yield _slots(loads)
        yield _by_model("worker_memory_bytes", "Memory of a model's process, without GPU memory.",
                        ((load, load.memory_bytes) for load in loads))  # fmt: skip
        yield _by_model("worker_gpu_memory_bytes", "GPU memory of a model's weights and cache.",
                        ((load, load.gpu_bytes) for load in loads))  # fmt: skip
        yield GaugeMetricFamily("inkwell_web_memory_bytes", "Memory of the web process.", resident_bytes())
        yield GaugeMetricFamily("inkwell_memory_limit_bytes", "Memory limit of all processes together.", limit_bytes())
        build = GaugeMetricFamily("inkwell_build_info", "Always 1; the version is in the label.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build


def _by_model(name: str, meaning: str, values: Iterable[tuple[WorkerLoad, int | None]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"inkwell_{name}", meaning, labels=["model"])
    for load, value in values:
        if value is not None:
            family.add_metric([load.model], value)
    return family


def _slots(loads: Iterable[WorkerLoad]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("inkwell_slots", "Slots of a model's cache, by state.", labels=["model", "state"])
    for load in loads:
        family.add_metric([load.model, "used"], load.running)
        family.add_metric([load.model, "free"], load.slots - load.running)
    return family
