"""What the next token would be chosen from, step by step: the sampler (`sampler.py`) in the slow and obvious way.

One row at a time, and every token is ranked. Which tokens a cut keeps is decided by the sampler's own weights, so that
both agree on borders too; the probabilities that are told are not rounded. The sampler never draws a token that is
2 ** 37 times less likely than the likeliest: its weight is nothing, and its probability here is next to nothing.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from inkwell.engine.contract import InspectionEvent, Sampling, Stage
from inkwell.engine.sampling.draw import Draw
from inkwell.engine.sampling.exact_weights import reciprocal, rounded, scaled, weigh_
from inkwell.engine.sampling.logit_bias import biased
from inkwell.engine.sampling.penalties import penalised

_LOWEST = -1e3  # stands for -inf where the weight is 0 and their product must be 0


def inspect(key: int, logits: Tensor, draw: Draw, count: int) -> InspectionEvent:
    """The stages for `count` tokens of the model's and as many of the last; logits [vocab] finite, some unbanned."""
    named = list(distributions(logits, draw))
    tokens = list(dict.fromkeys(_likeliest(named[0][1], count) + _likeliest(named[-1][1], count)))
    befores = [named[0][1], *(after for _, after in named)]
    stages = [_stage(name, before, after, tokens) for before, (name, after) in zip(befores, named, strict=False)]
    return InspectionEvent(key, tuple(tokens), tuple(stages))


def distributions(logits: Tensor, draw: Draw) -> Iterator[tuple[str, Tensor]]:
    """The name of each stage, and the probabilities [vocab] float64 after it."""
    wanted, scores = draw.sampling, logits
    yield "model", _probabilities(scores)
    for name, step in _steps_on_scores(wanted):
        scores = step(scores.unsqueeze(0), draw).squeeze(0)
        yield name, _probabilities(scores)
    if wanted.temperature == 0:
        yield "temperature", torch.zeros_like(scores, dtype=torch.float64).index_fill_(0, scores.argmax(), 1.0)
        return
    exponents = scaled(scores, scores.max(), torch.tensor(reciprocal(wanted.temperature), device=scores.device))
    if wanted.temperature != 1:
        yield "temperature", _probabilities(exponents)
    weights = weigh_(exponents.clone()).double()
    kept = torch.ones_like(weights, dtype=torch.bool)
    for name, cut in _cuts(wanted):
        kept = kept & cut(exponents, weights * kept, wanted)
        yield name, _probabilities(exponents.masked_fill(~kept, -torch.inf))


def _steps_on_scores(wanted: Sampling) -> Iterator[tuple[str, Callable[[Tensor, Draw], Tensor]]]:
    if wanted.logit_bias:
        yield "logit_bias", lambda scores, draw: biased(scores, [draw])
    if wanted.repetition_penalty != 1:
        alone = replace(wanted, presence_penalty=0.0, frequency_penalty=0.0)
        yield "repetition_penalty", lambda scores, draw: penalised(scores, [replace(draw, sampling=alone)])
    if wanted.presence_penalty != 0 or wanted.frequency_penalty != 0:
        counting = replace(wanted, repetition_penalty=1.0)
        yield "penalties", lambda scores, draw: penalised(scores, [replace(draw, sampling=counting)])


def _cuts(wanted: Sampling) -> Iterator[tuple[str, Callable[[Tensor, Tensor, Sampling], Tensor]]]:
    """Each takes exponents and weights [vocab], 0 for tokens that are gone, and says which tokens [vocab] it keeps."""
    if wanted.top_k > 0:
        yield "top_k", _top_k
    if wanted.top_p < 1:
        yield "top_p", _top_p
    if wanted.min_p > 0:
        yield "min_p", _min_p
    if wanted.typical_p < 1:
        yield "typical_p", _typical_p


def _top_k(exponents: Tensor, weights: Tensor, wanted: Sampling) -> Tensor:
    kept = torch.zeros_like(weights, dtype=torch.bool)
    return kept.index_fill_(0, _ranks(exponents)[: wanted.top_k], True)


def _top_p(exponents: Tensor, weights: Tensor, wanted: Sampling) -> Tensor:
    """All tokens before which less than this share of the weight stands."""
    order = _ranks(exponents)
    before = weights[order].cumsum(0) - weights[order]
    return torch.empty_like(weights, dtype=torch.bool).index_copy_(0, order, before < wanted.top_p * weights.sum())


def _min_p(exponents: Tensor, weights: Tensor, wanted: Sampling) -> Tensor:
    return exponents >= torch.tensor(math.log(wanted.min_p), dtype=torch.float32, device=exponents.device)


def _typical_p(exponents: Tensor, weights: Tensor, wanted: Sampling) -> Tensor:
    """The tokens whose information is nearest to the entropy, until they have this share, and all as near as the last.

    An exponent is a token's log-probability up to a constant, which falls out of the difference.
    """
    logs, total = exponents.clamp(min=_LOWEST).double(), weights.sum()
    distances = (logs - rounded(weights * logs).sum() / total).abs().masked_fill(weights == 0, torch.inf)
    order = distances.sort().indices
    last = (weights[order].cumsum(0) < wanted.typical_p * total).sum().clamp(max=len(order) - 1)
    return distances <= distances[order[last]]


def _ranks(exponents: Tensor) -> Tensor:
    """Ids, the likeliest first, of equal ones the lowest."""
    return exponents.sort(descending=True, stable=True).indices


def _probabilities(scores: Tensor) -> Tensor:
    return scores.double().softmax(dim=0)


def _likeliest(probabilities: Tensor, count: int) -> list[int]:
    return [token for token in _ranks(probabilities)[:count].tolist() if probabilities[token] > 0]


def _stage(name: str, before: Tensor, after: Tensor, tokens: list[int]) -> Stage:
    gone = (before > 0) & (after == 0)
    mass = float(before[gone].sum())
    return Stage(name, tuple(after[tokens].tolist()), int((after > 0).sum()), int(gone.sum()), mass)
