"""Logits to weights that add up exactly, and the draw of one token by its share of their sum.

Adding floating-point numbers in another order gives other last bits, and torch's kernels choose an order by how many
rows they are given. Here a weight is a multiple of 2 ** -36 and at most 1, so every sum of up to 2 ** 17 of them is
exact in float64 and no order can be told from another: what is drawn for a row is a function of that row alone, on
any device. A weight is off by one rounding to float32 or by 2 ** -37 of the likeliest token's, whichever is more.
"""

import torch
from torch import Tensor

_STEP_BITS = 36
# Added to a float32 and taken off again, this rounds it to a multiple of 2 ** -36: the spacing of floats at this size.
_ROUNDER = 1.5 * 2.0 ** (23 - _STEP_BITS)
_ROUNDER_64 = 1.5 * 2.0 ** (52 - _STEP_BITS)
_NOTHING = -30.0  # e to the power of it is rounded to 0; where e ** x underflows, computing it takes ten times as long
_BLOCK = 256
# Reciprocals of temperatures below this would be infinite in float32; long before, all is greedy.
_LARGEST_RECIPROCAL = 2.0**126


def reciprocal(temperature: float) -> float:
    """What to multiply logits by; `temperature` is above 0."""
    return min(1 / temperature, _LARGEST_RECIPROCAL)


def scaled(logits: Tensor, top: Tensor, reciprocals: Tensor, out: Tensor | None = None) -> Tensor:
    """(logits - top) / temperature, at most 0: [rows, n] float32 for top and reciprocals [rows, 1]."""
    return torch.sub(logits, top, out=out).mul_(reciprocals)


def weigh_(exponents: Tensor) -> Tensor:
    """Turns what `scaled` gave into weights in its place: e to the power of it, in steps of 2 ** -36."""
    return exponents.clamp_(min=_NOTHING).exp_().add_(_ROUNDER).sub_(_ROUNDER)


def rounded(values: Tensor) -> Tensor:
    """Float64 values between -1 and 1 as multiples of 2 ** -36, so that their sums are exact too."""
    return (values + _ROUNDER_64) - _ROUNDER_64


def weights_of_all(logits: Tensor, reciprocals: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [rows, blocks, 256] float32 of every token, 0 beyond the vocabulary, and each block's sum in float64."""
    rows, vocabulary = logits.shape
    blocks = -(-vocabulary // _BLOCK)
    room = logits.new_empty(rows, blocks * _BLOCK)
    room[:, vocabulary:] = -torch.inf
    scaled(logits, logits.amax(dim=-1, keepdim=True), reciprocals, out=room[:, :vocabulary])
    weights = weigh_(room).view(rows, blocks, _BLOCK)
    return weights, weights.double().sum(dim=-1)


def draw_from_all(logits: Tensor, reciprocals: Tensor, points: Tensor) -> Tensor:
    """A token for each row of [rows, vocab]: the first whose cumulative share exceeds its point [rows, 1] float64.

    The sums of blocks find the block, then those of its 256 tokens the token, as one long sum would. A row that holds
    NaN or infinity gets any token.
    """
    weights, sums = weights_of_all(logits, reciprocals)
    cumulative = sums.cumsum(dim=-1)  # [rows, blocks]
    targets = target(points, cumulative[:, -1:])
    block = torch.searchsorted(cumulative, targets, right=True).clamp_(max=sums.shape[1] - 1)  # [rows, 1]
    before = cumulative.gather(1, block) - sums.gather(1, block)
    chosen = weights.gather(1, block.unsqueeze(2).expand(-1, -1, _BLOCK)).squeeze(1)  # [rows, 256]
    place = torch.searchsorted(chosen.double().cumsum(dim=-1) + before, targets, right=True)
    return (block * _BLOCK + place).squeeze(1).clamp_(max=logits.shape[1] - 1)


def target(points: Tensor, totals: Tensor) -> Tensor:
    """The points as parts of the totals, always below them: then some token's cumulative weight is above."""
    return torch.minimum(points * totals, torch.nextafter(totals, torch.zeros_like(totals)))
