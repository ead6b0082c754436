"""The draw of one token without ranking them all: for rows whose cuts keep more tokens than were ranked.

What a cut keeps, and then what is drawn, is the token at which a sum along the ranks reaches some share of the whole.
A histogram of the sum tells between which two logits that token stands, and only the few tokens there are sorted.
Weights add up exactly (`exact_weights.py`), so this finds the very token that sorting the whole row would find.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.sampling.exact_weights import scaled, target, to_weights_
from inkwell.engine.sampling.top_tokens import CutColumns, distances

_BUCKETS = 2048
_FINENESS = 64  # buckets for a difference of 1 between exponents; beyond 30 no weight is left
_WORD = 8  # bytes of an int64


@dataclass(frozen=True, slots=True)
class _Line:
    """The tokens of one row in an order: by falling key, then by rising id. Nothing is sorted before it is needed."""

    keys: Tensor  # [vocab] floats
    buckets: Tensor  # [vocab and up to 7 more] int16, never falling along the line; -1 behind the vocabulary

    def sums(self, shares: Tensor) -> Tensor:
        """The sum [buckets] of the shares [vocab] up to the end of each bucket; float64, and exact for weights."""
        places = self.buckets[: len(shares)].long()
        return shares.new_zeros(_BUCKETS).scatter_add_(0, places, shares).cumsum(0)

    def reach(self, shares: Tensor, sums: Tensor, goal: Tensor, beyond: bool = False) -> tuple[Tensor, Tensor]:
        """The first token at which the sum of the shares is `goal` at least, or more with `beyond`; and that sum.

        All are [1]; the goal must be within reach.
        """
        bucket = torch.searchsorted(sums, goal, right=beyond)
        members = self._members(bucket)
        members = members[self.keys[members].sort(descending=True, stable=True).indices]
        inside = shares[members].cumsum(0)
        inside += sums[bucket] - inside[-1:]
        place = torch.searchsorted(inside, goal, right=beyond)
        return members[place], inside[place]

    def until(self, token: Tensor) -> Tensor:
        """Which tokens [vocab] stand no further back than this one [1]."""
        ids = torch.arange(len(self.keys), device=self.keys.device)
        return (self.keys > self.keys[token]) | ((self.keys == self.keys[token]) & (ids <= token))

    def _members(self, bucket: Tensor) -> Tensor:
        """Ids in a bucket, rising. Looks for bytes that are not 0 by eights, which is several times as fast."""
        bucket = bucket.to(self.buckets.dtype)  # or all of them would be converted
        words = (self.buckets == bucket).view(torch.int64).nonzero()  # [n, 1]
        ids = (words * _WORD + torch.arange(_WORD, device=words.device)).flatten()
        return ids[self.buckets[ids] == bucket]


def draw_unranked(logits: Tensor, cuts: CutColumns, uniforms: Tensor) -> Tensor:
    """The token [1] of one row [1, vocab]; its random number [1, 1] float64."""
    exponents = scaled(logits, logits.amax(dim=-1, keepdim=True), cuts.inverse_temperatures).squeeze(0)
    weights = to_weights_(exponents.clone()).double()
    top_k, top_p, typical_p = (column.squeeze(1) for column in (cuts.top_k, cuts.top_p, cuts.typical_p))
    line = _line(logits.squeeze(0), -exponents)
    if top_k < len(weights):
        ones = torch.ones_like(weights)
        weights *= line.until(line.reach(ones, line.sums(ones), top_k)[0])
    sums = line.sums(weights)
    # What top_p and min_p keep are beginnings of the line; of two beginnings the shorter one has the smaller sum.
    kept = sums[-1:]
    if top_p < 1:
        kept = line.reach(weights, sums, top_p * kept)[1]
    if cuts.any_min_p:
        kept = torch.minimum(kept, (weights * (exponents >= cuts.log_min_p.squeeze(1))).sum(dim=-1, keepdim=True))
    if cuts.any_typical:
        weights *= line.until(line.reach(weights, sums, kept)[0])
        weights *= _typical(exponents, weights, typical_p)
        sums = line.sums(weights)
        kept = sums[-1:]
    return line.reach(weights, sums, target(uniforms.squeeze(1), kept), beyond=True)[0]


def _typical(exponents: Tensor, weights: Tensor, typical_p: Tensor) -> Tensor:
    """Which tokens [vocab] typical sampling keeps."""
    away = distances(exponents, weights)
    line = _line(-away, away)
    sums = line.sums(weights)
    last, _ = line.reach(weights, sums, typical_p * sums[-1:])
    return away <= away[last]


def _line(keys: Tensor, away: Tensor) -> _Line:
    """A line of tokens that stand so far [vocab] from its head; all that are far away share the last bucket."""
    buckets = torch.full((-(-len(keys) // _WORD) * _WORD,), -1, dtype=torch.int16, device=keys.device)
    buckets[: len(keys)] = (away * _FINENESS).clamp_(max=_BUCKETS - 1)
    return _Line(keys, buckets)
