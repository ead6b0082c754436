"""How long a request took, and how long its jobs waited for their slots."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the request's start. `first_token_s` is None without any token.

    `queue_s` is the longest wait of a job for its slot. For one that ended before the engine reported its slot, it is
    all the time since the worker got it.
    """

    queue_s: float
    first_token_s: float | None
    total_s: float


class QueueTimes:
    """How long the jobs of a request waited for their slots. A job's number stays the same when it is continued."""

    def __init__(self, jobs: int) -> None:
        self.submitted = time.monotonic()
        self._waiting = set(range(jobs))
        self._longest_s = 0.0

    @property
    def longest_s(self) -> float:
        return time.monotonic() - self.submitted if self._waiting else self._longest_s

    def note(self, number: int, queue_s: float) -> None:
        """A job had its slot after `queue_s`; only its first report counts."""
        if number in self._waiting:
            self._waiting.remove(number)
            self._longest_s = max(self._longest_s, queue_s)

    def end(self, number: int) -> None:
        """A job ended: if it still waits, its wait ends now."""
        self.note(number, time.monotonic() - self.submitted)
