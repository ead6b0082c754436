"""The draw of one token after the fast cuts of `processors.py`, from a ranking of the most likely tokens alone.

Tokens are ranked by descending logit, then by ascending id. Every cut but the typical one keeps the tokens up to some
rank, so ranking a few hundred is usually enough, and because sums of weights are exact (`exact_weights.py`), it is
known exactly whether it was. If not, `full_vocabulary.py` finds the token that ranking the whole row would find.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.sampling.exact_weights import rounded, scaled, target, to_weights_, weights_of_all

UNDECIDED = -1  # no token: too few were ranked
_GROUP = 16
_BLOCK = 256
_LOWEST = -1e3  # the weight of this exponent is 0 and, unlike -inf, its product with 0 is 0


@dataclass(frozen=True, slots=True)
class CutColumns:
    """The temperature and the fast cuts of some rows: columns [rows, 1], float64 unless combined with logits."""

    inverse_temperatures: Tensor  # float32
    log_floors: Tensor  # float32, the lowest exponent to keep: -inf where there is no limit
    max_ranks: Tensor  # how many tokens to keep by rank: the vocabulary size where there is no limit
    nucleus: Tensor  # the probability that the kept prefix of the ranking must reach
    typical: Tensor  # the probability that the kept typical tokens must reach
    need_total: bool  # whether some row's nucleus is a fraction of the weight of all tokens
    any_floor: bool
    any_typical: bool


def likeliest(logits: Tensor) -> Tensor:
    """The first of the most likely tokens of each row of [rows, vocab].

    `argmax` over a whole row is ten times slower than `amax`, so it searches only the block that holds the maximum.
    """
    rows, vocabulary = logits.shape
    full = vocabulary // _BLOCK * _BLOCK
    maxima = torch.unflatten(logits[:, :full], 1, (-1, _BLOCK)).amax(dim=-1)  # [rows, blocks]
    if full < vocabulary:
        maxima = torch.cat([maxima, logits[:, full:].amax(dim=-1, keepdim=True)], dim=1)
    begin = maxima.argmax(dim=-1, keepdim=True) * _BLOCK
    indices = (begin + torch.arange(_BLOCK, device=logits.device)).clamp_(max=vocabulary - 1)
    return indices.gather(1, logits.gather(1, indices).argmax(dim=-1, keepdim=True)).squeeze(1)


def distances(exponents: Tensor, weights: Tensor) -> Tensor:
    """The distance [rows, n] of each token's -log p from the entropy (Meister et al., arXiv 2202.00666).

    It is infinite for tokens without weight. Computed as the distance of exponents from their mean: both differ from
    the log-probabilities by the logarithm of the sum, which cancels.
    """
    logs = exponents.clamp(min=_LOWEST).double()
    mean = rounded(weights * logs).sum(dim=-1, keepdim=True) / weights.sum(dim=-1, keepdim=True)
    return torch.where(weights > 0, (logs - mean).abs(), torch.inf)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The most likely tokens of each row in order of rank: descending logit, then ascending id."""

    logits: Tensor  # [rows, ranks]
    tokens: Tensor  # [rows, ranks] ids
    certain: Tensor  # [rows, 1]: how many leading ids are certain; the others may be tied with tokens not listed


def rank_top(logits: Tensor, ranks: int) -> Ranked:
    """The first `ranks` tokens of every row of [rows, vocab], or all of a smaller vocabulary."""
    ranks = min(ranks, logits.shape[1])
    candidates = _candidates(logits, ranks)
    values, indices = logits.gather(1, candidates).topk(ranks, dim=-1)
    certain = (values > values[:, -1:]).sum(dim=-1, keepdim=True)  # among tokens tied with its last, `topk` returns any
    if ranks == logits.shape[1]:
        certain = torch.full_like(certain, ranks)
    return _ranked(logits, candidates.gather(1, indices).sort(dim=-1).values, certain)


def draw_ranked(logits: Tensor, ranked: Ranked, cuts: CutColumns, uniforms: Tensor) -> Tensor:
    """A token for each row, or UNDECIDED where too few tokens are ranked; `uniforms` is [rows, 1] float64."""
    exponents = scaled(ranked.logits, ranked.logits[:, :1], cuts.inverse_temperatures)  # [rows, ranks]
    weights = to_weights_(exponents.clone()).double()
    kept, whole = _kept(logits, cuts, exponents, weights)
    weights *= kept
    if cuts.any_typical:
        weights *= _typical(exponents, weights, cuts.typical)
    cumulative = weights.cumsum(dim=-1)
    index = torch.searchsorted(cumulative, target(uniforms, cumulative[:, -1:]), right=True)
    decided = whole & (index < ranked.certain)
    index.clamp_(max=weights.shape[1] - 1)
    return torch.where(decided, ranked.tokens.gather(1, index), UNDECIDED).squeeze(1)


def _ranked(logits: Tensor, tokens: Tensor, certain: Tensor) -> Ranked:
    """Sort tokens [rows, ranks], in ascending order of id, by rank."""
    values = logits.gather(1, tokens)
    order = _argsort_descending(values)
    return Ranked(values.gather(1, order), tokens.gather(1, order), certain)


def _candidates(logits: Tensor, ranks: int) -> Tensor:
    """Ids [rows, n] that include the `ranks` most likely tokens: the groups with the largest maxima, and the remainder.

    The maxima of those groups are already `ranks` tokens, and no token of any other group exceeds them.
    """
    rows, vocabulary = logits.shape
    groups = vocabulary // _GROUP
    best = _maxima(logits).topk(min(ranks, groups), dim=-1, sorted=False).indices
    offsets = torch.arange(_GROUP, device=logits.device).unsqueeze(1) * groups
    rest = torch.arange(groups * _GROUP, vocabulary, device=logits.device).expand(rows, -1)
    return torch.cat([(best.unsqueeze(1) + offsets).flatten(1), rest], dim=1)


def _maxima(logits: Tensor) -> Tensor:
    """The largest logit [rows, groups] of each group: 16 tokens at a constant distance from each other."""
    groups = logits.shape[1] // _GROUP
    return torch.unflatten(logits[:, : groups * _GROUP], 1, (_GROUP, groups)).amax(dim=1)


def _argsort_descending(values: Tensor) -> Tensor:
    """The stable descending order of the values in each row of [rows, n] float32.

    Sorts integers of the same order: for one row of integers torch has a radix sort, which is six times as fast.
    """
    bits = (values + 0.0).view(torch.int32)  # -0 + 0 is +0, so both zeros get the same bits
    keys = ~torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return _argsort_ascending(keys)


def _argsort_ascending(keys: Tensor) -> Tensor:
    """The stable ascending order of the integers in each row of [rows, n]."""
    return keys.squeeze(0).sort(dim=-1, stable=True).indices.view(keys.shape)


def _kept(logits: Tensor, cuts: CutColumns, exponents: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Which ranks [rows, width] all cuts but the typical one keep, and whether they keep no others [rows, 1]."""
    width = weights.shape[1]
    rank = torch.arange(width, dtype=torch.float64, device=weights.device)
    cumulative = weights.cumsum(dim=-1)
    left, known = _weight_within_max_ranks(logits, cuts, cumulative)
    unlimited = cuts.nucleus == 1
    in_nucleus = (cumulative - weights < cuts.nucleus * left) | unlimited  # the tokens ranked above do not reach it
    kept = (rank < cuts.max_ranks) & in_nucleus & (exponents >= cuts.log_floors)
    ended = ~kept[:, -1:] | (cuts.max_ranks <= width)
    return kept, ended & (known | unlimited)


def _weight_within_max_ranks(logits: Tensor, cuts: CutColumns, cumulative: Tensor) -> tuple[Tensor, Tensor]:
    """The weight of the first `max_ranks` tokens, and whether it is known: both [rows, 1]."""
    width, vocabulary = cumulative.shape[1], logits.shape[1]
    within = cuts.max_ranks <= width
    left = cumulative.gather(1, cuts.max_ranks.clamp(max=width).long() - 1)
    if not cuts.need_total or width == vocabulary:
        return left, within
    _, sums = weights_of_all(logits, cuts.inverse_temperatures)
    return torch.where(within, left, sums.sum(dim=-1, keepdim=True)), within | (cuts.max_ranks == vocabulary)


def _typical(exponents: Tensor, weights: Tensor, share: Tensor) -> Tensor:
    """Which ranks [rows, width] typical sampling keeps: the nearest to the entropy that together have this share."""
    total = weights.sum(dim=-1, keepdim=True)
    distance = distances(exponents, weights)
    order = _argsort_ascending(distance.view(torch.int64))  # the bits of positive floats sort like the floats
    cumulative = weights.gather(1, order).cumsum(dim=-1)
    last = (cumulative < share * total).sum(dim=-1, keepdim=True).clamp_(max=weights.shape[1] - 1)
    return (distance <= distance.gather(1, order.gather(1, last))) | (share == 1)
