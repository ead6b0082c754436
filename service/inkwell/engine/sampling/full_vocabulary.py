"""The draw of one token for rows whose cuts keep more tokens than were ranked, without sorting the whole vocabulary.

Each cut, and the draw, looks for the token at which the cumulative weight along the ranking reaches a given value. A
histogram of the weights finds the bucket with that token, and only the few tokens of the bucket are sorted. Sums of
weights are exact (`exact_weights.py`), so this finds the same token as sorting the whole row.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.sampling.exact_weights import scaled, target, to_weights_
from inkwell.engine.sampling.top_tokens import CutColumns, distances

_BUCKETS = 2048
_BUCKETS_PER_UNIT = 64  # of exponents; the weight is 0 from an exponent of -30 on
_WORD = 8  # bytes of an int64


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The tokens of one row by descending key, then by ascending id, sorted only where needed."""

    keys: Tensor  # [vocab] floats
    buckets: Tensor  # [vocab and up to 7 more] int16, ascending with the rank; -1 in the padding

    def sums(self, values: Tensor) -> Tensor:
        """The sums [buckets] of `values` [vocab] up to the end of each bucket; float64, and exact for weights."""
        indices = self.buckets[: len(values)].long()
        return values.new_zeros(_BUCKETS).scatter_add_(0, indices, values).cumsum(0)

    def reach(self, values: Tensor, sums: Tensor, goal: Tensor, beyond: bool = False) -> tuple[Tensor, Tensor]:
        """The first token at which the sum of `values` is at least `goal`, or above it with `beyond`; and that sum.

        All are [1]; the sum of all values must reach the goal.
        """
        bucket = torch.searchsorted(sums, goal, right=beyond)
        members = self._members(bucket)
        members = members[self.keys[members].sort(descending=True, stable=True).indices]
        inside = values[members].cumsum(0)
        inside += sums[bucket] - inside[-1:]
        index = torch.searchsorted(inside, goal, right=beyond)
        return members[index], inside[index]

    def until(self, token: Tensor) -> Tensor:
        """A mask [vocab] of the tokens ranked up to and including this one [1]."""
        ids = torch.arange(len(self.keys), device=self.keys.device)
        return (self.keys > self.keys[token]) | ((self.keys == self.keys[token]) & (ids <= token))

    def _members(self, bucket: Tensor) -> Tensor:
        """Ids in a bucket, ascending. Searches the mask in words of eight bytes, which is several times as fast."""
        bucket = bucket.to(self.buckets.dtype)  # otherwise the comparison would convert all of `buckets`
        words = (self.buckets == bucket).view(torch.int64).nonzero()  # [n, 1]
        ids = (words * _WORD + torch.arange(_WORD, device=words.device)).flatten()
        return ids[self.buckets[ids] == bucket]


def draw_unranked(logits: Tensor, cuts: CutColumns, uniforms: Tensor) -> Tensor:
    """The token [1] of one row [1, vocab]; `uniforms` is its random number [1, 1] float64."""
    exponents = scaled(logits, logits.amax(dim=-1, keepdim=True), cuts.inverse_temperatures).squeeze(0)
    weights = to_weights_(exponents.clone()).double()
    max_rank, nucleus, typical = (column.squeeze(1) for column in (cuts.max_ranks, cuts.nucleus, cuts.typical))
    ranking = _ranking(logits.squeeze(0), -exponents)
    if max_rank < len(weights):
        ones = torch.ones_like(weights)
        weights *= ranking.until(ranking.reach(ones, ranking.sums(ones), max_rank)[0])
    sums = ranking.sums(weights)
    # The nucleus and the floor each keep a prefix of the ranking; the shorter one has the smaller sum.
    kept = sums[-1:]
    if nucleus < 1:
        kept = ranking.reach(weights, sums, nucleus * kept)[1]
    if cuts.any_floor:
        kept = torch.minimum(kept, (weights * (exponents >= cuts.log_floors.squeeze(1))).sum(dim=-1, keepdim=True))
    if cuts.any_typical:
        weights *= ranking.until(ranking.reach(weights, sums, kept)[0])
        weights *= _typical(exponents, weights, typical)
        sums = ranking.sums(weights)
        kept = sums[-1:]
    return ranking.reach(weights, sums, target(uniforms.squeeze(1), kept), beyond=True)[0]


def _typical(exponents: Tensor, weights: Tensor, share: Tensor) -> Tensor:
    """A mask [vocab] of the tokens that typical sampling keeps."""
    away = distances(exponents, weights)
    ranking = _ranking(-away, away)
    sums = ranking.sums(weights)
    last, _ = ranking.reach(weights, sums, share * sums[-1:])
    return away <= away[last]


def _ranking(keys: Tensor, away: Tensor) -> _Ranking:
    """A ranking by `keys`. `away` [vocab] is the distance from the first key; distant tokens share the last bucket."""
    buckets = torch.full((-(-len(keys) // _WORD) * _WORD,), -1, dtype=torch.int16, device=keys.device)
    buckets[: len(keys)] = (away * _BUCKETS_PER_UNIT).clamp_(max=_BUCKETS - 1)
    return _Ranking(keys, buckets)
