"""The distribution of the next token after each step of the sampler (`processors.py`), for `/v1/next`.

Cuts use the sampler's own weights, so that both agree on borderline tokens; the reported probabilities are not rounded.
The sampler never draws a token that is 2 ** 37 times less likely than the most likely one: its weight is 0, while the
probability reported here is slightly above 0.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from inkwell.engine.contract import InspectionEvent, Stage
from inkwell.engine.sampling.exact_weights import scaled
from inkwell.engine.sampling.processors import (
    LOGIT_PROCESSORS,
    TEMPERATURE,
    apply_cuts,
    has_temperature,
    inverse_temperature,
    ranks,
)
from inkwell.engine.sampling.sampling_input import SamplingInput


def inspect(key: int, logits: Tensor, item: SamplingInput, count: int) -> InspectionEvent:
    """The stages, for the `count` most likely tokens of the first and of the last stage.

    The logits [vocab] are finite, and not all tokens are banned.
    """
    named = list(distributions(logits, item))
    tokens = list(dict.fromkeys(_likeliest(named[0][1], count) + _likeliest(named[-1][1], count)))
    previous = [named[0][1], *(after for _, after in named)]
    stages = [_stage(name, before, after, tokens) for before, (name, after) in zip(previous, named, strict=False)]
    return InspectionEvent(key, tuple(tokens), tuple(stages))


def distributions(logits: Tensor, item: SamplingInput) -> Iterator[tuple[str, Tensor]]:
    """The name of each stage and the probabilities [vocab] float64 after it."""
    sampling, scores = item.sampling, logits.clone()
    yield "model", _probabilities(scores)
    for processor in LOGIT_PROCESSORS:
        if processor.is_active(sampling):
            processor.apply(scores.unsqueeze(0), [(0, item)])
            yield processor.stage, _probabilities(scores)
    if sampling.greedy:
        yield TEMPERATURE, torch.zeros_like(scores, dtype=torch.float64).index_fill_(0, scores.argmax(), 1.0)
        return
    exponents = scaled(scores, scores.max(), torch.tensor(inverse_temperature(sampling), device=scores.device))
    if has_temperature(sampling):
        yield TEMPERATURE, _probabilities(exponents)
    for name, kept in apply_cuts(exponents, sampling):
        yield name, _probabilities(exponents.masked_fill(~kept, -torch.inf))


def _probabilities(scores: Tensor) -> Tensor:
    return scores.double().softmax(dim=0)


def _likeliest(probabilities: Tensor, count: int) -> list[int]:
    return [token for token in ranks(probabilities)[:count].tolist() if probabilities[token] > 0]


def _stage(name: str, before: Tensor, after: Tensor, tokens: list[int]) -> Stage:
    gone = (before > 0) & (after == 0)
    mass = float(before[gone].sum())
    return Stage(name, tuple(after[tokens].tolist()), int((after > 0).sum()), int(gone.sum()), mass)
