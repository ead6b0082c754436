"""The sampler's input for one token, apart from its logits, including its random number. No torch.

A random number is computed from its position (seed, sample, draw): no generator, no state, the same after a restart.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from inkwell.engine.contract import Job
from inkwell.parameters.sampling import Sampling


@dataclass(frozen=True, slots=True)
class SamplingInput:
    """Describes the next token of a job, after its prompt and its `generated` tokens."""

    job: Job
    generated: Sequence[int]

    @property
    def sampling(self) -> Sampling:
        return self.job.sampling

    @property
    def uniform(self) -> float:
        """The random number of this token, by its position in the text, tokens of earlier jobs included."""
        return uniform(self.job.seed, self.job.sample, self.job.generated_before + len(self.generated))

    @property
    def generated_in_context(self) -> Sequence[int]:
        """Generated tokens of this text in the context: the tail of the prompt from earlier jobs, then this job's."""
        prompt = self.job.prompt
        held = min(self.job.generated_before, len(prompt))
        return [*prompt[len(prompt) - held :], *self.generated] if held else self.generated


Rows = Sequence[tuple[int, SamplingInput]]  # some rows of a step: row number and input


def uniform(seed: int, sample: int, draw: int) -> float:
    """The `draw`-th number of a sample's stream, in [0, 1): the top 53 bits of a keyed BLAKE2b hash of the counter."""
    digest = hashlib.blake2b(struct.pack("<QQQ", seed, sample, draw), digest_size=8, person=b"inkwell-draw").digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
