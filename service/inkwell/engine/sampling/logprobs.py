"""Log-probabilities of tokens from the exact sums of `exact_weights.py`: each row's values depend on that row alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from inkwell.engine.contract import TopTokens
from inkwell.engine.sampling.exact_weights import weights_of_all
from inkwell.engine.sampling.top_tokens import rank_top

ROWS_AT_ONCE = 32  # for GPT-2's vocabulary 6 MB of logits, and three times that for intermediate results


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The log-probability of one token, and the most likely tokens at its position."""

    logprob: float
    top: TopTokens


def token_logprobs(logits: Tensor, tokens: Sequence[int], counts: Sequence[int]) -> list[TokenLogprob]:
    """For one token per row of [rows, vocab], finite float32, with each row's `counts` most likely tokens."""
    found: list[TokenLogprob] = []
    for begin in range(0, len(tokens), ROWS_AT_ONCE):
        end = begin + ROWS_AT_ONCE
        found += _some_rows(logits[begin:end], tokens[begin:end], counts[begin:end])
    return found


def _some_rows(logits: Tensor, tokens: Sequence[int], counts: Sequence[int]) -> list[TokenLogprob]:
    _, sums = weights_of_all(logits, logits.new_ones(len(tokens), 1))
    tops = logits.amax(dim=-1).tolist()
    logs = [math.log(total) for total in sums.sum(dim=-1).tolist()]  # at least 0: the most likely token has weight 1
    chosen = logits[range(len(tokens)), list(tokens)].tolist()
    likeliest = _likeliest(logits, counts)
    return [
        TokenLogprob(logit - top - log, tuple((token, value - top - log) for token, value in others))
        for logit, top, log, others in zip(chosen, tops, logs, likeliest, strict=True)
    ]


def _likeliest(logits: Tensor, counts: Sequence[int]) -> list[list[tuple[int, float]]]:
    """Ids and logits of each row's `counts` most likely tokens, by descending logit, then by ascending id."""
    if max(counts) == 0:
        return [[] for _ in counts]
    ranked = rank_top(logits, max(counts) + 1)
    certain, tokens, values = (column.tolist() for column in (ranked.certain.squeeze(1), ranked.tokens, ranked.logits))
    found = []
    for row, count in enumerate(min(count, logits.shape[1]) for count in counts):
        pairs = list(zip(tokens[row][:count], values[row][:count], strict=True))
        found.append(pairs if count <= certain[row] else _with_ties(logits[row], values[row][count - 1])[:count])
    return found


def _with_ties(row: Tensor, least: float) -> list[tuple[int, float]]:
    """All tokens of a row [vocab] with a logit of at least `least`."""
    tokens = (row >= least).nonzero().squeeze(1)
    values, order = row[tokens].sort(descending=True, stable=True)
    return list(zip(tokens[order].tolist(), values.tolist(), strict=True))
