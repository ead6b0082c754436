"""How long jobs wait for their slots, by a clock that the scheduler does not have."""

from collections.abc import Callable, Iterable


class Waits:
    """Seconds from a job's arrival to its admission, by job key, told once; forgets a job when it has ended."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._arrived: dict[int, float] = {}
        self._waited_s: dict[int, float] = {}

    def arrived(self, key: int) -> None:
        self._arrived[key] = self._clock()

    def admitted(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._waited_s[key] = self._clock() - self._arrived.pop(key)

    def told(self, key: int) -> float | None:
        """What the job has waited; None when that was told before."""
        return self._waited_s.pop(key, None)

    def ended(self, key: int) -> None:
        self._arrived.pop(key, None)
        self._waited_s.pop(key, None)
