"""The signals that end a script as Ctrl-C does: SIGTERM, and SIGWINCH, with which engines stop containers of the image.

Process 1 of a container gets no signal that it has not asked for, and would be killed at the end of the grace time.
"""

import signal
from types import FrameType

from inkwell.apache.stop_signals import has_terminal


def stop_as_ctrl_c() -> None:
    """Have them raise KeyboardInterrupt in the main thread; from a terminal SIGWINCH tells of its window alone."""
    signal.signal(signal.SIGTERM, _interrupt)
    if not has_terminal():
        signal.signal(signal.SIGWINCH, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
