"""What Prometheus is told: counters and histograms of one application, and how they are written.

Labels are routes of our own table, statuses, outcomes, and names of models that were loaded; nothing that a client
sent. What is measured at the moment of a scrape stands in `gauges.py`. Thread-safe.
"""

import time
from collections import Counter as Count
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from service.engine.contract import Event, TokenEvent
from service.summary import Summary

# A CPU may take seconds for what a GPU does in a millisecond, so each scale spans both. Seconds:
FIRST_TOKEN = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
BETWEEN_TOKENS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5)
QUEUE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
REQUEST = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
ROWS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)

LOADED, FAILED = "ok", "failed"
# Why a worker ended: we ended it, it could not load, a signal ended it (such as the kernel's for want of memory), or it
# went by itself.
STOPPED, NOT_LOADED, KILLED, EXITED = "stopped", "load_failed", "killed", "exited"


class StepMeter:
    """Measures the steps of one worker, in the thread that reads what it says."""

    def __init__(self, rows: Histogram, gaps: Histogram, tokens: Counter, clock: Callable[[], float]) -> None:
        self._rows, self._gaps, self._tokens = rows, gaps, tokens
        self._clock = clock
        self._last = clock()
        self._decoding: set[int] = set()  # jobs that got a token in the last step; whoever goes on is in every step

    def note(self, rows: int, events: Sequence[Event]) -> None:
        """A step of so many rows came back. One that brings a text several tokens counts its time in equal shares."""
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
    """The families that are counted as things happen. Its `registry` is its own: two applications share nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # times of creation as series of their own, which nobody asks for
        self._clock = clock
        self.registry = CollectorRegistry()
        self._answers = self._counter("requests", "Replies, by the route that was asked and status.", "route", "status")
        self._generations = self._counter("generations", "Admitted requests that ended, by outcome.", "outcome")
        self._prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts.")
        self._cached_tokens = self._counter("cached_tokens", "Tokens of prompts that were found computed already.")
        self._tokens = self._counter("generated_tokens", "Tokens that the model has generated.")
        self._loads = self._counter("model_loads", "Loads of a model that ended, by result.", "result")
        self._evictions = self._counter("model_evictions", "Unloads that made room for another model.")
        self._exits = self._counter("worker_exits", "Ends of a model's process, by reason.", "reason")
        self._first = self._histogram("time_to_first_token_seconds", "From a request to its first token.", FIRST_TOKEN)
        self._gaps = self._histogram("inter_token_seconds", "Between two tokens of a text.", BETWEEN_TOKENS)
        self._queue = self._histogram("queue_seconds", "Longest wait of a request's texts for a slot.", QUEUE)
        self._duration = self._histogram("request_duration_seconds", "From an admitted request to its end.", REQUEST)
        self._rows = self._histogram("batch_rows", "Texts that shared a step of the engine.", ROWS)

    def text(self, accept: str) -> tuple[bytes, str]:
        """All families in the form that the header `accept` prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def answered(self, route: str, status: int) -> None:
        """A reply begins to leave; `route` is a rule of our own table."""
        self._answers.labels(route, str(status)).inc()

    def watch(self) -> Callable[[Summary], None]:
        """A request was admitted; gives what counts its end."""
        return self._ended

    def starting(self, model: str) -> StepMeter:
        """A worker starts. Its counters are there from now on, so that Prometheus sees the first event as a rise."""
        for reason in (STOPPED, NOT_LOADED, KILLED, EXITED):
            self._exits.labels(model, reason)
        for result in (LOADED, FAILED):
            self._loads.labels(model, result)
        for family in (self._evictions, self._prompt_tokens, self._cached_tokens, self._first, self._queue):
            family.labels(model)
        rows, gaps, tokens = self._rows.labels(model), self._gaps.labels(model), self._tokens.labels(model)
        return StepMeter(rows, gaps, tokens, self._clock)

    def loaded(self, model: str, result: str) -> None:
        """A load ended: `LOADED` or `FAILED`."""
        self._loads.labels(model, result).inc()

    def evicted(self, model: str) -> None:
        self._evictions.labels(model).inc()

    def exited(self, model: str, reason: str) -> None:
        """A worker ended, for one of the four reasons above."""
        self._exits.labels(model, reason).inc()

    def _ended(self, summary: Summary) -> None:
        model = summary.model
        self._generations.labels(model, summary.outcome).inc()
        self._duration.labels(model).observe(summary.duration_s)
        if summary.first_token_s is not None:
            self._first.labels(model).observe(summary.first_token_s)
        if summary.computed:
            self._queue.labels(model).observe(summary.queue_s)
            self._prompt_tokens.labels(model).inc(summary.prompt_tokens)
            self._cached_tokens.labels(model).inc(summary.cached_tokens)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """A family of a model each, except that of replies, which know no model."""
        own = labels if "route" in labels else ("model", *labels)
        return Counter(f"inkwell_{name}", meaning, own, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"inkwell_{name}", meaning, ("model",), registry=self.registry, buckets=buckets)
