"""The sampler's input for a token, made from a `Sampling` and a text."""

from collections.abc import Sequence

from inkwell.engine.contract import Job
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.parameters.sampling import Sampling


def input_of(
    sampling: Sampling, prompt: tuple[int, ...] = (), generated: Sequence[int] = (), seed: int = 0
) -> SamplingInput:
    return SamplingInput(Job(0, prompt, 8, sampling, seed), generated)
