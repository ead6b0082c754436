"""Makes a script stop as with Ctrl-C on SIGTERM, and on SIGWINCH, which is the image's stop signal.

Process 1 of a container ignores signals without a handler, so it would only be killed at the end of the grace period.
"""

import signal
from types import FrameType

from inkwell.apache.stop_signals import has_terminal


def stop_as_ctrl_c() -> None:
    """Raise KeyboardInterrupt in the main thread on these signals; in a terminal, SIGWINCH only means a resize."""
    signal.signal(signal.SIGTERM, _interrupt)
    if not has_terminal():
        signal.signal(signal.SIGWINCH, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
