"""Logits to weights that add up exactly, and the draw of one token by its share of their sum.

Adding floating-point numbers in another order gives other last bits, and torch's kernels choose an order by how many
rows they are given. Here a weight is a multiple of 2 ** -36 and at most 1, so every sum of up to 2 ** 17 of them is
exact in float64 and no order can be told from another: what is drawn for a row is a function of that row alone, on
any device. A weight is off by one rounding to float32 or by 2 ** -37 of the likeliest token's, whichever is more.
"""

import torch
from torch import Tensor

from inkwell.parameters.sampling import Sampling

_STEP_BITS = 36
# Added to a float32 and taken off again, this rounds it to a multiple of 2 ** -36: the spacing of floats at this size.
_ROUNDING_OFFSET = 1.5 * 2.0 ** (23 - _STEP_BITS)
_ROUNDING_OFFSET_64 = 1.5 * 2.0 ** (52 - _STEP_BITS)
_MIN_EXPONENT = (
    -30.0
)  # e to the power of it is rounded to 0; where e ** x underflows, computing it takes ten times as long
_BLOCK = 256
# Larger factors would be infinite in float32; far smaller ones already leave only the likeliest token.
_MAX_FACTOR = 2.0**126


def inverse_temperature(sampling: Sampling) -> float:
    """The factor for logits; not for greedy decoding."""
    return min(1 / sampling.temperature, _MAX_FACTOR)


def scaled(logits: Tensor, top: Tensor, factors: Tensor, out: Tensor | None = None) -> Tensor:
    """(logits - top) * factor, at most 0: [rows, n] float32 for top and factors [rows, 1]."""
    return torch.sub(logits, top, out=out).mul_(factors)


def to_weights_(exponents: Tensor) -> Tensor:
    """Turns what `scaled` gave into weights in its place: e to the power of it, in steps of 2 ** -36."""
    return exponents.clamp_(min=_MIN_EXPONENT).exp_().add_(_ROUNDING_OFFSET).sub_(_ROUNDING_OFFSET)


def rounded(values: Tensor) -> Tensor:
    """Float64 values between -1 and 1 as multiples of 2 ** -36, so that their sums are exact too."""
    return (values + _ROUNDING_OFFSET_64) - _ROUNDING_OFFSET_64


def weights_of_all(logits: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [rows, blocks, 256] float32 of every token, 0 beyond the vocabulary, and each block's sum in float64."""
    rows, vocabulary = logits.shape
    blocks = -(-vocabulary // _BLOCK)
    room = logits.new_empty(rows, blocks * _BLOCK)
    room[:, vocabulary:] = -torch.inf
    scaled(logits, logits.amax(dim=-1, keepdim=True), factors, out=room[:, :vocabulary])
    weights = to_weights_(room).view(rows, blocks, _BLOCK)
    return weights, weights.double().sum(dim=-1)


def draw_from_all(logits: Tensor, factors: Tensor, uniforms: Tensor) -> Tensor:
    """A token for each row of [rows, vocab]: the first whose cumulative share exceeds the random number of the row.

    Random numbers are [rows, 1] float64.
    The sums of blocks find the block, then those of its 256 tokens the token, as one long sum would. A row that holds
    NaN or infinity gets any token.
    """
    weights, sums = weights_of_all(logits, factors)
    cumulative = sums.cumsum(dim=-1)  # [rows, blocks]
    targets = target(uniforms, cumulative[:, -1:])
    block = torch.searchsorted(cumulative, targets, right=True).clamp_(max=sums.shape[1] - 1)  # [rows, 1]
    before = cumulative.gather(1, block) - sums.gather(1, block)
    chosen = weights.gather(1, block.unsqueeze(2).expand(-1, -1, _BLOCK)).squeeze(1)  # [rows, 256]
    place = torch.searchsorted(chosen.double().cumsum(dim=-1) + before, targets, right=True)
    return (block * _BLOCK + place).squeeze(1).clamp_(max=logits.shape[1] - 1)


def target(uniforms: Tensor, totals: Tensor) -> Tensor:
    """The uniforms as parts of the totals, always below them: then some token's cumulative weight is above."""
    return torch.minimum(uniforms * totals, torch.nextafter(totals, torch.zeros_like(totals)))
