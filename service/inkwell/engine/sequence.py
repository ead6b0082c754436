"""The mutable state of one sequence while it is generated. Plain Python: a token list and a few counts.

Everything else about a sequence is derived from these. Knows no tensors, cache contents or drafts.
"""

import collections.abc
from dataclasses import dataclass, field

from inkwell.engine.contract import FinishReason, Job


@dataclass(slots=True, eq=False, weakref_slot=True)
class Sequence:
    """The tokens of a job and how many of them are in the cache: `cached < len(tokens)` until the sequence ends.

    Sequences compare by identity, so that other modules can attach their own state to one.
    """

    job: Job
    slot: int
    tokens: list[int] = field(init=False)
    cached: int = 0
    reused: int = 0  # prompt tokens that were already in the cache

    def __post_init__(self) -> None:
        self.tokens = list(self.job.prompt)
        assert self.tokens, "a sequence begins with at least one token"

    @property
    def generated(self) -> int:
        """Number of tokens generated so far."""
        return len(self.tokens) - len(self.job.prompt)

    @property
    def pending(self) -> int:
        """Number of tokens not computed yet: the rest of the prompt, or the token generated last."""
        return len(self.tokens) - self.cached

    @property
    def decodes(self) -> bool:
        """Whether the prompt is computed, so that each step generates a token."""
        return self.pending == 1 and self.generated > 0

    @property
    def max_drafts(self) -> int:
        """How many drafted tokens can be used: verification generates one more, and all must fit in max_tokens."""
        return self.job.max_tokens - self.generated - 1

    def reuse(self, length: int) -> None:
        """Count the first `length` tokens as cached: another sequence has computed them."""
        self.cached = self.reused = length

    def append(self, chosen: collections.abc.Sequence[int], computed: int) -> tuple[list[int], FinishReason | None]:
        """Append chosen tokens, of which the first `computed` are cached; returns those used and the finish reason.

        Tokens after the end are dropped. A stop token is returned but not appended: it is not part of the text.
        """
        for count, token in enumerate(chosen, 1):
            if token in self.job.stop_tokens:
                finish: FinishReason | None = "stop"
            else:
                self.tokens.append(token)
                finish = "length" if self.generated >= self.job.max_tokens else None
            if finish:
                self.cached = min(self.cached + computed, len(self.tokens))
                return list(chosen[:count]), finish
        self.cached += computed
        return list(chosen), None
