"""How fast the service generates and how much it has promised: when will a place be free?

Takes promises of admitted requests and counts of tokens as they come, gives seconds. Knows no clients and no models.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UNKNOWN_S = 1.0  # while nothing was measured
SHORTEST_S, LONGEST_S = 1.0, 40.0  # of an answer; with admission's spread 60, and common clients heed no longer one
GAP_S = 2.0  # the longest silence between two notes that counts: a model that loads says nothing of how fast it is
MEMORY_S = 30.0  # of generating; what was measured before has lost most of its weight


class ThroughputEstimator:
    """Tokens a second over the last time of work, and the tokens that open requests may still take. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._requests = 0
        self._texts = 0
        self._promised = 0
        self._tokens = 0.0  # these two fade together, so that their quotient is a rate
        self._busy_s = 0.0
        self._last: float | None = None  # when tokens came last, while requests are open

    @contextmanager
    def promise(self, tokens: int, texts: int = 1) -> Iterator[None]:
        """An admitted request is open that may generate at most `tokens` in all its `texts` together."""
        self._promise(1, tokens, texts)
        try:
            yield
        finally:
            self._promise(-1, -tokens, -texts)

    def note(self, tokens: int) -> None:
        """So many tokens came, of any request."""
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

        Full, the service ends one request each time that it has generated one request's tokens: what the open ones
        were promised on average. Texts that stop early make it sooner.
        """
        with self._lock:
            if not (self._requests and self._tokens and self._busy_s):
                return UNKNOWN_S
            average = self._promised / self._requests
            return min(max(average * self._busy_s / self._tokens, SHORTEST_S), LONGEST_S)

    def queue_s(self, waiting: int) -> float:
        """Estimated seconds until `waiting` texts have their slots: what they were promised at the measured speed."""
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
                self._last = None  # the next token comes after an idle time, which must not count
