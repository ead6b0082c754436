"""Estimates of waiting times, from the measured throughput and the tokens that open requests may still generate.

Takes the maximum tokens of admitted requests and counts of generated tokens as they arrive; returns seconds. Knows no
clients and no models.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UNKNOWN_S = 1.0  # until something is measured
SHORTEST_S, LONGEST_S = (
    1.0,
    40.0,
)  # of a wait; with admission's spread at most 60, the longest Retry-After that common clients respect
GAP_S = 2.0  # longest gap between two tokens that counts as busy: loading a model says nothing about throughput
DECAY_S = 30.0  # busy time after which a measurement has lost most of its weight


class ThroughputEstimator:
    """Recent tokens per second, and the tokens reserved by open requests. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._requests = 0
        self._texts = 0
        self._promised = 0
        self._tokens = 0.0  # these two decay together, so that their quotient is a rate
        self._busy_s = 0.0
        self._last: float | None = None  # time of the last tokens, while requests are open

    @contextmanager
    def promise(self, tokens: int, texts: int = 1) -> Iterator[None]:
        """Reserve the most `tokens` that an admitted request may generate in all its `texts`, until the block ends."""
        self._promise(1, tokens, texts)
        try:
            yield
        finally:
            self._promise(-1, -tokens, -texts)

    def note(self, tokens: int) -> None:
        """Count tokens generated for any request."""
        with self._lock:
            now = self._clock()
            if self._last is not None:
                gap_s = min(now - self._last, GAP_S)
                keep = 1 - gap_s / DECAY_S
                self._tokens = self._tokens * keep + tokens
                self._busy_s = self._busy_s * keep + gap_s
            self._last = now

    def wait_s(self) -> float:
        """Estimated seconds until another request can be admitted.

        A full service is taken to finish one request for every average reservation of tokens that it generates. Texts
        that stop early shorten the wait.
        """
        with self._lock:
            if not (self._requests and self._tokens and self._busy_s):
                return UNKNOWN_S
            average = self._promised / self._requests
            return min(max(average * self._busy_s / self._tokens, SHORTEST_S), LONGEST_S)

    def queue_s(self, waiting: int) -> float:
        """Estimated seconds until `waiting` texts have slots: their reserved tokens at the measured throughput."""
        with self._lock:
            if not (waiting and self._texts and self._tokens and self._busy_s):
                return waiting * UNKNOWN_S
            return waiting * self._promised / self._texts * self._busy_s / self._tokens

    def _promise(self, requests: int, tokens: int, texts: int) -> None:
        with self._lock:
            self._requests += requests
            self._texts += texts
            self._promised += tokens
            if not self._requests:
                self._last = None  # idle time before the next token must not count
