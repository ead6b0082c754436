"""What the sampler is given for one token beside its logits, the random number included. No torch.

A random number is a function of the token that it is for: no generator, no state, the same after a restart.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from inkwell.engine.contract import Job
from inkwell.parameters.sampling import Sampling


@dataclass(frozen=True, slots=True)
class SamplingInput:
    """The next token after the job's prompt and the tokens that it has `generated`."""

    job: Job
    generated: Sequence[int]

    @property
    def sampling(self) -> Sampling:
        return self.job.sampling

    @property
    def uniform(self) -> float:
        """The random number of this token. Its place in the text counts the tokens of earlier jobs too."""
        return uniform(self.job.seed, self.job.sample, self.job.generated_before + len(self.generated))

    @property
    def generated_in_context(self) -> Sequence[int]:
        """This job's generated tokens, after those of earlier jobs that the end of the prompt holds."""
        prompt = self.job.prompt
        held = min(self.job.generated_before, len(prompt))
        return [*prompt[len(prompt) - held :], *self.generated] if held else self.generated


Rows = Sequence[tuple[int, SamplingInput]]  # some rows of a step: the number of each, and its input


def uniform(seed: int, sample: int, draw: int) -> float:
    """The `draw`-th number of a sample's stream, in [0, 1): the top 53 bits of a keyed BLAKE2b hash of the counter."""
    digest = hashlib.blake2b(struct.pack("<QQQ", seed, sample, draw), digest_size=8, person=b"inkwell-draw").digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
