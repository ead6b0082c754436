"""The draw of one token among the likeliest: after top_k, top_p, min_p and typical_p, in transformers' order.

Ranks are by falling logit, then by rising token id. Every cut but the last keeps the tokens up to some rank, so a few
hundred of the likeliest are mostly all that must be ranked; whether they are is known exactly, because weights add up
exactly (`exact_weights.py`). Where they are not, `full_vocabulary.py` finds the token that a ranking of all would give.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.sampling.exact_weights import (
    inverse_temperature,
    rounded,
    scaled,
    target,
    to_weights_,
    weights_of_all,
)
from inkwell.parameters.sampling import Sampling

UNDECIDED = -1  # no token: those that were ranked do not tell
_GROUP = 16
_BLOCK = 256
_LOWEST = -1e3  # e to the power of it is no weight at all, and times 0 it is 0, which cannot be said of -inf


@dataclass(frozen=True, slots=True)
class CutColumns:
    """What the rows of a step keep: columns [rows, 1], float32 where they meet logits, else float64."""

    inverse_temperatures: Tensor  # float32
    log_min_p: Tensor  # float32, -inf where there is no limit
    top_k: Tensor  # the size of the vocabulary where there is no limit
    top_p: Tensor
    typical_p: Tensor
    need_total: bool  # whether some row's top_p is a share of all tokens
    any_min_p: bool
    any_typical: bool


def cut_columns(samplings: Sequence[Sampling], vocabulary: int, device: torch.device) -> CutColumns:
    """The cuts of some samplings, in one copy to the device; temperatures are above 0."""
    table = [
        (
            inverse_temperature(sampling),
            math.log(sampling.min_p) if sampling.min_p > 0 else -math.inf,
            float(min(sampling.top_k or vocabulary, vocabulary)),
            sampling.top_p,
            sampling.typical_p,
        )
        for sampling in samplings
    ]
    columns = torch.tensor(table, dtype=torch.float64, device=device).unsqueeze(2)  # [rows, cuts, 1]
    inverse_temperatures, log_min_p, top_k, top_p, typical_p = columns.unbind(dim=1)
    return CutColumns(
        inverse_temperatures.float(),
        log_min_p.float(),
        top_k,
        top_p,
        typical_p,
        need_total=any(sampling.top_k == 0 and sampling.top_p < 1 for sampling in samplings),
        any_min_p=any(sampling.min_p > 0 for sampling in samplings),
        any_typical=any(sampling.typical_p < 1 for sampling in samplings),
    )


def likeliest(logits: Tensor) -> Tensor:
    """The first of the likeliest tokens of each row of [rows, vocab].

    `argmax` over a whole row is ten times slower than a maximum, so it looks only through the block that has it.
    """
    rows, vocabulary = logits.shape
    full = vocabulary // _BLOCK * _BLOCK
    maxima = torch.unflatten(logits[:, :full], 1, (-1, _BLOCK)).amax(dim=-1)  # [rows, blocks]
    if full < vocabulary:
        maxima = torch.cat([maxima, logits[:, full:].amax(dim=-1, keepdim=True)], dim=1)
    begin = maxima.argmax(dim=-1, keepdim=True) * _BLOCK
    places = (begin + torch.arange(_BLOCK, device=logits.device)).clamp_(max=vocabulary - 1)
    return places.gather(1, logits.gather(1, places).argmax(dim=-1, keepdim=True)).squeeze(1)


def distances(exponents: Tensor, weights: Tensor) -> Tensor:
    """How far [rows, n] from typical each token is (Meister et al., arXiv 2202.00666); infinitely if it has no weight.

    That is from its -log p to the entropy, or from its exponent to the mean exponent: the logarithm of the sum is in
    both and falls out.
    """
    logs = exponents.clamp(min=_LOWEST).double()
    mean = rounded(weights * logs).sum(dim=-1, keepdim=True) / weights.sum(dim=-1, keepdim=True)
    return torch.where(weights > 0, (logs - mean).abs(), torch.inf)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The likeliest tokens of each row, likeliest first, of equal ones the one with the lowest id."""

    logits: Tensor  # [rows, ranks]
    tokens: Tensor  # [rows, ranks] ids
    sure: Tensor  # [rows, 1]: so many of the ids are right; behind them may stand another token with the same logit


def few(logits: Tensor, ranks: int) -> Ranked:
    """So many tokens of every row of [rows, vocab], or all that there are."""
    ranks = min(ranks, logits.shape[1])
    candidates = _candidates(logits, ranks)
    values, places = logits.gather(1, candidates).topk(ranks, dim=-1)
    sure = (values > values[:, -1:]).sum(dim=-1, keepdim=True)  # of the least ones `topk` takes any
    if ranks == logits.shape[1]:
        sure = torch.full_like(sure, ranks)
    return _ranked(logits, candidates.gather(1, places).sort(dim=-1).values, sure)


def draw_ranked(logits: Tensor, ranked: Ranked, cuts: CutColumns, uniforms: Tensor) -> Tensor:
    """A token for each row, or UNDECIDED where too few tokens are ranked to tell; uniforms [rows, 1] float64."""
    exponents = scaled(ranked.logits, ranked.logits[:, :1], cuts.inverse_temperatures)  # [rows, ranks]
    weights = to_weights_(exponents.clone()).double()
    kept, whole = _kept(logits, cuts, exponents, weights)
    weights *= kept
    if cuts.any_typical:
        weights *= _typical(exponents, weights, cuts.typical_p)
    cumulative = weights.cumsum(dim=-1)
    place = torch.searchsorted(cumulative, target(uniforms, cumulative[:, -1:]), right=True)
    decided = whole & (place < ranked.sure)
    place.clamp_(max=weights.shape[1] - 1)
    return torch.where(decided, ranked.tokens.gather(1, place), UNDECIDED).squeeze(1)


def _ranked(logits: Tensor, tokens: Tensor, sure: Tensor) -> Ranked:
    """Tokens [rows, ranks] with rising ids, put into the order of their ranks."""
    values = logits.gather(1, tokens)
    order = _falling(values)
    return Ranked(values.gather(1, order), tokens.gather(1, order), sure)


def _candidates(logits: Tensor, ranks: int) -> Tensor:
    """Ids [rows, n] among which are the `ranks` likeliest: the groups with as many of the largest maxima, and the rest.

    The maxima alone are that many tokens at least as likely as any token of another group.
    """
    rows, vocabulary = logits.shape
    groups = vocabulary // _GROUP
    best = _maxima(logits).topk(min(ranks, groups), dim=-1, sorted=False).indices
    distances = torch.arange(_GROUP, device=logits.device).unsqueeze(1) * groups
    rest = torch.arange(groups * _GROUP, vocabulary, device=logits.device).expand(rows, -1)
    return torch.cat([(best.unsqueeze(1) + distances).flatten(1), rest], dim=1)


def _maxima(logits: Tensor) -> Tensor:
    """The largest logit [rows, groups] of every 16 tokens that stand a fixed distance apart."""
    groups = logits.shape[1] // _GROUP
    return torch.unflatten(logits[:, : groups * _GROUP], 1, (_GROUP, groups)).amax(dim=1)


def _falling(values: Tensor) -> Tensor:
    """The stable order of falling values in each row of [rows, n] float32.

    Sorted as integers of the same order, for which torch has a radix sort when there is one row: six times as fast.
    """
    bits = (values + 0.0).view(torch.int32)  # -0 + 0 is 0: both zeros get the same bits
    keys = ~torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return _rising(keys)


def _rising(keys: Tensor) -> Tensor:
    """The stable order of rising integers in each row of [rows, n]."""
    return keys.squeeze(0).sort(dim=-1, stable=True).indices.view(keys.shape)


def _kept(logits: Tensor, cuts: CutColumns, exponents: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Which ranks [rows, width] top_k, top_p and min_p keep, and whether these are all that they keep [rows, 1]."""
    width = weights.shape[1]
    rank = torch.arange(width, dtype=torch.float64, device=weights.device)
    cumulative = weights.cumsum(dim=-1)
    left, known = _left_by_top_k(logits, cuts, cumulative)
    unlimited = cuts.top_p == 1
    likeliest = (cumulative - weights < cuts.top_p * left) | unlimited  # all tokens ranked higher have less than top_p
    kept = (rank < cuts.top_k) & likeliest & (exponents >= cuts.log_min_p)
    ended = ~kept[:, -1:] | (cuts.top_k <= width)
    return kept, ended & (known | unlimited)


def _left_by_top_k(logits: Tensor, cuts: CutColumns, cumulative: Tensor) -> tuple[Tensor, Tensor]:
    """The weight of all that top_k keeps, and whether it is known: both [rows, 1]."""
    width, vocabulary = cumulative.shape[1], logits.shape[1]
    within = cuts.top_k <= width
    left = cumulative.gather(1, cuts.top_k.clamp(max=width).long() - 1)
    if not cuts.need_total or width == vocabulary:
        return left, within
    _, sums = weights_of_all(logits, cuts.inverse_temperatures)
    return torch.where(within, left, sums.sum(dim=-1, keepdim=True)), within | (cuts.top_k == vocabulary)


def _typical(exponents: Tensor, weights: Tensor, typical_p: Tensor) -> Tensor:
    """Which ranks [rows, width] are kept by typical sampling: the nearest ones that together have the probability."""
    total = weights.sum(dim=-1, keepdim=True)
    distance = distances(exponents, weights)
    order = _rising(distance.view(torch.int64))  # the bits of positive floats are ordered as they are
    cumulative = weights.gather(1, order).cumsum(dim=-1)
    last = (cumulative < typical_p * total).sum(dim=-1, keepdim=True).clamp_(max=weights.shape[1] - 1)
    return (distance <= distance.gather(1, order.gather(1, last))) | (typical_p == 1)
