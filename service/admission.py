"""How many requests the service has taken on, and whether it still takes more.

No layer below the application refuses quickly: what Apache cannot serve waits in its queues. So the bound lies here,
below the number of threads, and a thread is always free to say no. Knows no HTTP and no models.
"""

import random
import threading
from collections.abc import Callable
from pathlib import Path

from service.errors import QueueFull, ShuttingDown
from service.once import Once
from service.pace import Pace

DRAIN_FLAG = "draining"  # the launcher, or a container's stop hook, puts this file into the state folder
SPREAD = 0.5  # of a wait, added at random: those who were refused together must not come back together


class Admission:
    """A counter with an upper bound, which a flag file closes. Thread-safe."""

    def __init__(self, limit: int, state_dir: Path | None, pace: Pace) -> None:
        self._limit = limit
        self._flag = state_dir / DRAIN_FLAG if state_dir else None
        self._pace = pace
        self._lock = threading.Lock()
        self._requests = 0

    @property
    def requests(self) -> int:
        """Admitted requests that have not ended."""
        return self._requests

    @property
    def draining(self) -> bool:
        return self._flag is not None and self._flag.exists()

    def enter(self) -> Callable[[], None]:
        """Take one request on; gives what must be called at its end, once or more. Raises why not."""
        if self.draining:
            raise ShuttingDown("the service is shutting down and takes no new requests")
        with self._lock:
            if self._requests < self._limit:
                self._requests += 1
                return Once(self._leave)
        raise QueueFull(
            f"{self._limit} requests are running or waiting, which is the limit; try again later",
            retry_after_s=self._pace.wait_s() * random.uniform(1, 1 + SPREAD),
        )

    def _leave(self) -> None:
        with self._lock:
            self._requests -= 1
