"""A call that happens once, however often and from however many threads it is asked for."""

import threading
from collections.abc import Callable


class Once:
    """Calls a function the first time it is called itself. Whoever comes later does not wait for the first."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            function, self._function = self._function, None
        if function is not None:
            function()
