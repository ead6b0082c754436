"""One sequence's mutable state while it is generated. No tensors: a list and a few counts, all else is derived."""

from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field

from inkwell.engine.contract import FinishReason, Job
from inkwell.engine.speculation.acceptance import Acceptance
from inkwell.engine.speculation.ngram import NgramIndex


@dataclass(slots=True)
class Sequence:
    """The tokens of a job and how many of them are in the cache: `cached < len(tokens)` until it ends."""

    job: Job
    slot: int
    tokens: list[int] = field(init=False)
    cached: int = 0
    reused: int = 0  # tokens of the prompt that were found in the cache
    acceptance: Acceptance = field(default_factory=Acceptance)
    index: NgramIndex = field(default_factory=NgramIndex)

    def __post_init__(self) -> None:
        self.tokens = list(self.job.prompt)
        assert self.tokens, "a sequence begins with at least one token"

    @property
    def generated(self) -> int:
        """How many tokens were chosen so far."""
        return len(self.tokens) - len(self.job.prompt)

    @property
    def pending(self) -> int:
        """Tokens that are not computed yet: the rest of the prompt, or the token that was chosen last."""
        return len(self.tokens) - self.cached

    @property
    def decodes(self) -> bool:
        """Whether its prompt is computed, so that each step gives a token."""
        return self.pending == 1 and self.generated > 0

    @property
    def draftable(self) -> int:
        """How many tokens may be drafted: one more is chosen behind them, and all must be wanted."""
        return self.job.max_tokens - self.generated - 1

    def reuse(self, length: int) -> None:
        """The first `length` tokens are in the slot."""
        self.cached = self.reused = length

    def accept(self, chosen: Tokens[int], computed: int) -> tuple[list[int], FinishReason | None]:
        """Take chosen tokens, the first `computed` of which the cache holds; gives those it took, and why it ends.

        Tokens behind the end are dropped. A stop token is given back but not kept: it is no part of the text.
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
