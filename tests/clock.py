"""A clock that tests advance manually."""


class Clock:
    """Return seconds, like `time.monotonic`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
