"""Estimates of waiting times, from the measured throughput and the tokens that open requests may still generate.

Takes promises of admitted requests and counts of tokens as they come; returns seconds. Knows no clients and no models.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UNKNOWN_S = 1.0  # until something is measured
SHORTEST_S, LONGEST_S = 1.0, 40.0  # of a wait; with admission's spread 60, the most that common clients respect
GAP_S = 2.0  # longest gap between two notes that counts as work: the time of a load says nothing about throughput
MEMORY_S = 30.0  # of generating, after which a measurement has lost most of its weight


class ThroughputEstimator:
    """Recent tokens per second, and the tokens promised to open requests. Thread-safe."""

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
        """An admitted request is open that may generate at most `tokens` in all its `texts` together."""
        self._promise(1, tokens, texts)
        try:
            yield
        finally:
            self._promise(-1, -tokens, -texts)

    def note(self, tokens: int) -> None:
        """This many tokens were generated, for any request."""
        with self._lock:
            now = self._clock()
            if self._last is not None:
                gap_s = min(now - self._last, GAP_S)
                keep = 1 - gap_s / MEMORY_S
                self._tokens = self._tokens * keep + tokens
                self._busy_s = self._busy_s * keep + gap_s
            self._last = now

    def wait_s(self) -> float:
        """Estimated seconds until a place is free.

        A full service finishes one request each time that it has generated the tokens of one: the average promise of
        the open ones. Texts that stop early shorten the wait.
        """
        with self._lock:
            if not (self._requests and self._tokens and self._busy_s):
                return UNKNOWN_S
            average = self._promised / self._requests
            return min(max(average * self._busy_s / self._tokens, SHORTEST_S), LONGEST_S)

    def queue_s(self, waiting: int) -> float:
        """Estimated seconds until `waiting` texts have slots: their promised tokens at the measured throughput."""
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
                self._last = None  # the next token follows an idle time, which must not count
