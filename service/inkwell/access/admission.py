"""Admission control: limits the requests that run or wait, and the large requests being received.

Apache does not refuse quickly: requests that it cannot serve wait in its queues. The limit is therefore enforced here,
and is below the number of threads, so that a thread is always free to refuse a request. Requests are received before
they are admitted, so large ones have a separate limit, which bounds memory. Knows no HTTP and no models.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inkwell.access.throughput import ThroughputEstimator
from inkwell.errors import QueueFull, ShuttingDown

DRAIN_FLAG = "draining"  # the launcher, or a container's stop hook, puts this file into the state folder
SPREAD = 0.5  # random addition to a wait, so that clients refused together do not retry together
LARGE_BYTES = 65_536  # the longest prompt; any number of smaller requests may be received
MAX_LARGE = 32
RECEIVED_S = 1.0  # typical time to receive a large request


class Admission:
    """A counter with an upper bound; while the drain flag file exists, nothing is admitted. Thread-safe."""

    def __init__(self, limit: int, state_dir: Path | None, throughput: ThroughputEstimator) -> None:
        self._limit = limit
        self._flag = state_dir / DRAIN_FLAG if state_dir else None
        self._throughput = throughput
        self._lock = threading.Lock()
        self._requests = 0
        self._large = threading.BoundedSemaphore(MAX_LARGE)

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
        """Held while a request of this size is read and parsed; raises QueueFull if too many large ones are."""
        if size_bytes <= LARGE_BYTES:
            yield
            return
        if not self._large.acquire(blocking=False):
            raise QueueFull(
                f"{MAX_LARGE} requests above {LARGE_BYTES} bytes are being received, which is the limit; try again "
                "later or send less at once",
                retry_after_s=RECEIVED_S * _spread(),
            )
        try:
            yield
        finally:
            self._large.release()


def _spread() -> float:
    return random.uniform(1, 1 + SPREAD)
