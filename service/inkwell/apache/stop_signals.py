"""The signals that end the service, as a queue that the supervisor waits on.

SIGINT, SIGTERM, SIGHUP and SIGWINCH all request a drain, which the supervisor performs.
"""

import os
import queue
import signal
from types import FrameType


class StopSignals:
    """Installs the handlers when constructed."""

    def __init__(self) -> None:
        self._received: queue.SimpleQueue[int] = (
            queue.SimpleQueue()
        )  # SimpleQueue.put may be called from a signal handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH):
            self._take(number)

    def wait(self, timeout_s: float) -> bool:
        """Return whether a signal arrived within this time."""
        try:
            self._received.get(timeout=timeout_s)
        except queue.Empty:
            return False
        return True

    def _take(self, number: signal.Signals) -> None:
        """A terminal sends SIGWINCH when its window is resized, which must stop nothing; `nohup` ignores SIGHUP."""
        ignored = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
        if not ignored and not (number == signal.SIGWINCH and has_terminal()):
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._received.put(number)


def has_terminal() -> bool:
    """Whether this process has a controlling terminal; a container without `tty: true` has none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
