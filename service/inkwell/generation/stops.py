"""Where a growing text must end: stop strings, which may begin in one token and end in another.

What might be the beginning of a stop string is held back until more text decides. Knows no tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """The text up to `end` is good; the stop string begins at `start` and is `stop`."""

    start: int
    end: int
    stop: str


def find_stop(text: str, stops: Sequence[str]) -> Cut | None:
    """The stop string that is whole first, the longest if several end there: so pieces never change what is found."""
    found = [(place + len(stop), place, stop) for stop in stops if (place := text.find(stop)) >= 0]
    if not found:
        return None
    end, start, stop = min(found)
    return Cut(start, end, stop)


def held_back(text: str, stops: Sequence[str]) -> int:
    """How many of the last characters may be the beginning of a stop string."""
    longest = max((len(stop) - 1 for stop in stops), default=0)
    for length in range(min(longest, len(text)), 0, -1):
        tail = text[-length:]
        if any(stop.startswith(tail) for stop in stops):
            return length
    return 0
