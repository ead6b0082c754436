"""`Span`: the piece of one sequence that a step computes.

The scheduler makes spans, the decoder obeys them. A prefill, a chunk of one and a single decode step are the same
thing with different lengths. Knows neither tensors nor requests.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """This step computes the positions `start .. end - 1` of the sequence in cache slot `slot`."""

    slot: int
    start: int
    length: int

    def __post_init__(self) -> None:
        assert self.slot >= 0 and self.start >= 0 and self.length >= 1, self

    @property
    def end(self) -> int:
        return self.start + self.length
