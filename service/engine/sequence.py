"""One sequence's mutable state while it is generated. No tensors: two counts and a list, all else is derived."""

from dataclasses import dataclass, field

from service.engine.contract import FinishReason, Job


@dataclass(slots=True)
class Sequence:
    """The tokens of a job and how many of them are in the cache: `cached < len(tokens)` until it ends."""

    job: Job
    slot: int
    tokens: list[int] = field(init=False)
    cached: int = 0

    def __post_init__(self) -> None:
        self.tokens = list(self.job.prompt)
        assert self.tokens, "a sequence begins with at least one token"

    @property
    def generated(self) -> int:
        """How many tokens were sampled so far."""
        return len(self.tokens) - len(self.job.prompt)

    @property
    def pending(self) -> int:
        """Tokens that are not computed yet: the rest of the prompt, or the token that was sampled last."""
        return len(self.tokens) - self.cached

    def accept(self, token: int) -> FinishReason | None:
        """Take the next sampled token; the reason to end, if it is one. A stop token itself is not kept."""
        if token in self.job.sampling.stop_tokens:
            return "stop"
        self.tokens.append(token)
        return "length" if self.generated >= self.job.sampling.max_tokens else None
