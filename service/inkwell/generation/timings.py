"""How long a request took, and how long its jobs waited for their slots."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the request's start. `first_token_s` is None if there was no token.

    `queue_s` is the longest wait of a job for its slot. A job that ended without a slot waited from its submission to
    its end.
    """

    queue_s: float
    first_token_s: float | None
    total_s: float


class QueueTimes:
    """How long the jobs of a request waited for their slots. A continuation keeps the number of its job."""

    def __init__(self, jobs: int) -> None:
        self.submitted = time.monotonic()
        self._waiting = set(range(jobs))
        self._longest_s = 0.0

    @property
    def longest_s(self) -> float:
        return time.monotonic() - self.submitted if self._waiting else self._longest_s

    def note(self, number: int, queue_s: float) -> None:
        """Record that a job got its slot after `queue_s`; only the first report counts."""
        if number in self._waiting:
            self._waiting.remove(number)
            self._longest_s = max(self._longest_s, queue_s)

    def end(self, number: int) -> None:
        """Record the end of a job; if it was still waiting, its wait ends now."""
        self.note(number, time.monotonic() - self.submitted)
