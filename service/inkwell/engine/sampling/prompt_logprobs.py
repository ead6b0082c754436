"""Log-probabilities of a prompt's own tokens, from the hidden states of one chunk of it."""

from collections.abc import Callable

from torch import Tensor

from inkwell.engine.contract import PromptEvent
from inkwell.engine.sampling.logprobs import ROWS_AT_ONCE, TokenLogprob, token_logprobs
from inkwell.engine.sampling.sampler import finite_rows, invalid_logits
from inkwell.engine.scheduler import Row


def score(row: Row, hidden: Tensor, logits: Callable[[Tensor], Tensor]) -> PromptEvent | None:
    """The event for a chunk of a prompt, or None if no prompt token follows it; `hidden` is [row.length, width].

    `logits` computes [n, vocab] from n hidden states and is called with at most ROWS_AT_ONCE. Raises InvalidLogits.
    """
    job = row.sequence.job
    assert job.prompt_logprobs is not None
    found: list[TokenLogprob] = []
    end = min(row.start + row.length, len(job.prompt) - 1)  # nothing follows the last token
    for begin in range(row.start, end, ROWS_AT_ONCE):
        stop = min(begin + ROWS_AT_ONCE, end)
        part = logits(hidden[begin - row.start : stop - row.start])
        if not all(finite_rows(part)):
            raise invalid_logits()
        found += token_logprobs(part, job.prompt[begin + 1 : stop + 1], [job.prompt_logprobs] * (stop - begin))
    if not found:
        return None
    return PromptEvent(job.key, row.start + 1, tuple(one.logprob for one in found), tuple(one.top for one in found))
