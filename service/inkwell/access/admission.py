"""How many requests the service has taken on, and whether it still takes more.

No layer below the application refuses quickly: what Apache cannot serve waits in its queues. So the bound lies here,
below the number of threads, and a thread is always free to say no. Knows no HTTP and no models.

What is being received comes before that, and needs a bound of its own for the sake of memory alone.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inkwell.access.throughput import ThroughputEstimator
from inkwell.errors import QueueFull, ShuttingDown

DRAIN_FLAG = "draining"  # the launcher, or a container's stop hook, puts this file into the state folder
SPREAD = 0.5  # of a wait, added at random: those who were refused together must not come back together
LARGE_BYTES = 65_536  # the longest prompt; smaller requests are received however many there are
MOST_LARGE = 32
RECEIVED_S = 1.0  # what a large request usually takes


class Admission:
    """A counter with an upper bound, which a flag file closes. Thread-safe."""

    def __init__(self, limit: int, state_dir: Path | None, throughput: ThroughputEstimator) -> None:
        self._limit = limit
        self._flag = state_dir / DRAIN_FLAG if state_dir else None
        self._throughput = throughput
        self._lock = threading.Lock()
        self._requests = 0
        self._large = threading.BoundedSemaphore(MOST_LARGE)

    @property
    def requests(self) -> int:
        """Admitted requests that have not ended."""
        return self._requests

    @property
    def draining(self) -> bool:
        return self._flag is not None and self._flag.exists()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count one request as admitted; raises ShuttingDown or QueueFull."""
        if self.draining:
            raise ShuttingDown("the service is shutting down and takes no new requests")
        with self._lock:
            full = self._requests >= self._limit
            self._requests += not full
        if full:
            raise QueueFull(
                f"{self._limit} requests are running or waiting, which is the limit; try again later",
                retry_after_s=self._throughput.wait_s() * _spread(),
            )
        try:
            yield
        finally:
            with self._lock:
                self._requests -= 1

    @contextmanager
    def receiving(self, size_bytes: int) -> Iterator[None]:
        """While a request of this size is read and understood; raises QueueFull for one large one too many."""
        if size_bytes <= LARGE_BYTES:
            yield
            return
        if not self._large.acquire(blocking=False):
            raise QueueFull(
                f"{MOST_LARGE} requests above {LARGE_BYTES} bytes are being received, which is the limit; try again "
                "later or send less at once",
                retry_after_s=RECEIVED_S * _spread(),
            )
        try:
            yield
        finally:
            self._large.release()


def _spread() -> float:
    return random.uniform(1, 1 + SPREAD)
