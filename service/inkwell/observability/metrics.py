"""Prometheus metrics: counters and histograms of one application, and their text form.

Label values are routes from the URL map, statuses, error codes, outcomes, and folder names; never text from a client.
Gauges, which are measured at each scrape, are in http/metrics.py. Thread-safe.
"""

import time
from collections import Counter as Count
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from inkwell.engine.contract import Event, TokenEvent
from inkwell.observability.outcome import REFUSED, RequestOutcome

# Histogram buckets in seconds. A CPU may take seconds for what a GPU does in a millisecond, so they cover both.
FIRST_TOKEN = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
BETWEEN_TOKENS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5)
QUEUE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
REQUEST = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
ROWS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)

# These codes show whether the service or a client is at its limit. Their series exist from the start, so that the first
# refusal is seen as an increase.
LIMITS = ("queue_full", "rate_limit_exceeded")
LOADED, FAILED = "ok", "failed"
# Why a worker ended: the service stopped it, it could not load, a signal killed it (for example when memory ran out),
# or it exited on its own.
STOPPED, NOT_LOADED, KILLED, EXITED = "stopped", "load_failed", "killed", "exited"
CRASHED = frozenset({KILLED, EXITED})


class StepMeter:
    """Measures the steps of one worker, in the thread that reads its messages."""

    def __init__(self, rows: Histogram, gaps: Histogram, tokens: Counter, clock: Callable[[], float]) -> None:
        self._rows, self._gaps, self._tokens = rows, gaps, tokens
        self._clock = clock
        self._last = clock()
        # Jobs that got a token in the last step; a running job gets one in every step.
        self._decoding: set[int] = set()

    def note(self, rows: int, events: Sequence[Event]) -> None:
        """Record a step of `rows` rows. Its time is divided equally among several tokens of one text."""
        now = self._clock()
        counts = Count(event.key for event in events if isinstance(event, TokenEvent) and event.token is not None)
        self._rows.observe(rows)
        for key, count in counts.items():
            self._tokens.inc(count)
            if key in self._decoding:
                for _ in range(count):
                    self._gaps.observe((now - self._last) / count)
        self._decoding, self._last = set(counts), now


class Metrics:
    """Metrics that are updated when something happens. Each application has its own `registry`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Otherwise every counter has a second series with its creation time.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's function has no types
        self._clock = clock
        self.registry = CollectorRegistry()
        self._answers = self._counter("requests", "Responses, by route and status.", "route", "status")
        self._refusals = self._counter("refusals", "Error responses, by code.", "code")
        for code in LIMITS:
            self._refusals.labels(code)
        self._generations = self._counter("generations", "Admitted requests that have ended, by outcome.", "outcome")
        self._prompt_tokens = self._counter(
            "prompt_tokens", "Prompt tokens, including those reused from the prefix cache."
        )
        self._cached_tokens = self._counter("cached_tokens", "Prompt tokens reused from the prefix cache.")
        self._tokens = self._counter("generated_tokens", "Tokens generated.")
        self._loads = self._counter("model_loads", "Completed model loads, by result.", "result")
        self._evictions = self._counter("model_evictions", "Models unloaded to make room for another one.")
        self._exits = self._counter("worker_exits", "Worker process exits, by reason.", "reason")
        self._restarts = self._counter("worker_restarts", "Workers restarted after a crash.")
        self._first = self._histogram(
            "time_to_first_token_seconds", "Time from a request to its first token.", FIRST_TOKEN
        )
        self._gaps = self._histogram("inter_token_seconds", "Time between two tokens of a text.", BETWEEN_TOKENS)
        self._queue = self._histogram(
            "queue_seconds", "Longest wait for a slot, or until the request ended without one.", QUEUE
        )
        self._duration = self._histogram(
            "request_duration_seconds", "Time from admission to the end of a request.", REQUEST
        )
        self._rows = self._histogram("batch_rows", "Texts in one step of the engine.", ROWS)

    def text(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that the Accept header prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def answered(self, route: str, status: int) -> None:
        """Count a response when its first byte is sent; `route` is a rule of the URL map."""
        self._answers.labels(route, str(status)).inc()

    def refused(self, code: str) -> None:
        """Count an error response when its first byte is sent; `code` is one of ours."""
        self._refusals.labels(code).inc()

    def listen(self) -> Callable[[RequestOutcome], None]:
        """Called when a request is admitted; returns the function that counts its end."""
        return self._ended

    def starting(self, model: str) -> StepMeter:
        """A worker starts. Creates its counters at 0, so that Prometheus sees the first event as an increase."""
        for reason in (STOPPED, NOT_LOADED, KILLED, EXITED):
            self._exits.labels(model, reason)
        for result in (LOADED, FAILED):
            self._loads.labels(model, result)
        tokens = (self._prompt_tokens, self._cached_tokens)
        for family in (self._evictions, self._restarts, *tokens, self._first, self._queue):
            family.labels(model)
        rows, gaps = self._rows.labels(model), self._gaps.labels(model)
        return StepMeter(rows, gaps, self._tokens.labels(model), self._clock)

    def restarted(self, model: str) -> None:
        """Count a worker that replaces a crashed one."""
        self._restarts.labels(model).inc()

    def loaded(self, model: str, result: str) -> None:
        """Count a completed load: `LOADED` or `FAILED`."""
        self._loads.labels(model, result).inc()

    def evicted(self, model: str) -> None:
        self._evictions.labels(model).inc()

    def exited(self, model: str, reason: str) -> None:
        """Count the exit of a worker, for one of the four reasons above."""
        self._exits.labels(model, reason).inc()

    def _ended(self, outcome: RequestOutcome) -> None:
        model = outcome.model or ""
        self._generations.labels(model, outcome.result).inc()
        if outcome.result != REFUSED:  # refused requests end at once and would lower the distribution
            self._duration.labels(model).observe(outcome.duration_s)
        if outcome.first_token_s is not None:
            self._first.labels(model).observe(outcome.first_token_s)
        # Includes requests that were cancelled or failed in the queue: without them a long queue would look short.
        if outcome.submitted_s is not None:
            self._queue.labels(model).observe(outcome.queue_s)
        if outcome.computed:
            self._prompt_tokens.labels(model).inc(outcome.prompt_tokens)
            self._cached_tokens.labels(model).inc(outcome.cached_tokens)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """A counter labelled by model, except counters of responses, which have no model."""
        own = labels if labels[:1] in (("route",), ("code",)) else ("model", *labels)
        return Counter(f"inkwell_{name}", meaning, own, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"inkwell_{name}", meaning, ("model",), registry=self.registry, buckets=buckets)
