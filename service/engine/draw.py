"""What is asked of the sampler for one token. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.engine.contract import Sampling


@dataclass(frozen=True, slots=True)
class Draw:
    """One token to choose: the next one after prompt + generated. Its number is how many were generated."""

    sampling: Sampling
    prompt: Sequence[int]
    generated: Sequence[int]
