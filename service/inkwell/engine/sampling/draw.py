"""What is asked of the sampler for one token. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from inkwell.engine.contract import Sampling


@dataclass(frozen=True, slots=True)
class Draw:
    """One token to choose: the next one after prompt + generated, which are those of one job."""

    sampling: Sampling
    prompt: Sequence[int]
    generated: Sequence[int]

    @property
    def number(self) -> int:
        """How many tokens of the text were generated before this one, by this job and by those that it goes on from."""
        return self.sampling.generated_before + len(self.generated)

    @property
    def written(self) -> Sequence[int]:
        """The generated tokens that are at hand: this job's, and those of earlier jobs at the end of the prompt."""
        held = min(self.sampling.generated_before, len(self.prompt))
        return [*self.prompt[len(self.prompt) - held :], *self.generated] if held else self.generated
