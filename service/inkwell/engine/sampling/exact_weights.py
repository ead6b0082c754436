"""Unnormalised probabilities whose sums are exact, and the draw of one token in proportion to them.

The sum of floating-point numbers depends on the order of addition, and torch's kernels choose an order by the number of
rows. Here a weight is a multiple of 2 ** -36 and at most 1, so any sum of up to 2 ** 17 of them is exact in float64,
in any order: the token drawn for a row depends on that row alone, on any device. The error of a weight is one
rounding to float32 or 2 ** -37 of the most likely token's weight, whichever is larger.
"""

import torch
from torch import Tensor

_STEP_BITS = 36
# Adding this to a float32 and subtracting it again rounds to a multiple of 2 ** -36, the spacing of floats of its size.
_ROUNDING_OFFSET = 1.5 * 2.0 ** (23 - _STEP_BITS)
_ROUNDING_OFFSET_64 = 1.5 * 2.0 ** (52 - _STEP_BITS)
# exp(-30) rounds to weight 0; exp is ten times slower where its result underflows, so exponents are clamped to this.
_MIN_EXPONENT = -30.0
_BLOCK = 256


def scaled(logits: Tensor, top: Tensor, factors: Tensor, out: Tensor | None = None) -> Tensor:
    """The exponents (logits - top) * factor, at most 0: [rows, n] float32 for `top` and `factors` [rows, 1]."""
    return torch.sub(logits, top, out=out).mul_(factors)


def to_weights_(exponents: Tensor) -> Tensor:
    """Replace exponents from `scaled` by weights, in place: exp, rounded to multiples of 2 ** -36."""
    return exponents.clamp_(min=_MIN_EXPONENT).exp_().add_(_ROUNDING_OFFSET).sub_(_ROUNDING_OFFSET)


def rounded(values: Tensor) -> Tensor:
    """Float64 values between -1 and 1, rounded to multiples of 2 ** -36, so that their sums are exact too."""
    return (values + _ROUNDING_OFFSET_64) - _ROUNDING_OFFSET_64


def weights_of_all(logits: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [rows, blocks, 256] float32 of all tokens, 0 in the padding, and the sum of each block in float64."""
    rows, vocabulary = logits.shape
    blocks = -(-vocabulary // _BLOCK)
    padded = logits.new_empty(rows, blocks * _BLOCK)
    padded[:, vocabulary:] = -torch.inf
    scaled(logits, logits.amax(dim=-1, keepdim=True), factors, out=padded[:, :vocabulary])
    weights = to_weights_(padded).view(rows, blocks, _BLOCK)
    return weights, weights.double().sum(dim=-1)


def draw_from_all(logits: Tensor, factors: Tensor, uniforms: Tensor) -> Tensor:
    """A token for each row of [rows, vocab]: the first whose cumulative probability exceeds the row's random number.

    `uniforms` is [rows, 1] float64. The search runs over the sums of blocks and then inside one block, which finds the
    same token as one long cumulative sum. A row with NaN or infinity gets an arbitrary token.
    """
    weights, sums = weights_of_all(logits, factors)
    cumulative = sums.cumsum(dim=-1)  # [rows, blocks]
    targets = target(uniforms, cumulative[:, -1:])
    block = torch.searchsorted(cumulative, targets, right=True).clamp_(max=sums.shape[1] - 1)  # [rows, 1]
    before = cumulative.gather(1, block) - sums.gather(1, block)
    chosen = weights.gather(1, block.unsqueeze(2).expand(-1, -1, _BLOCK)).squeeze(1)  # [rows, 256]
    index = torch.searchsorted(chosen.double().cumsum(dim=-1) + before, targets, right=True)
    return (block * _BLOCK + index).squeeze(1).clamp_(max=logits.shape[1] - 1)


def target(uniforms: Tensor, totals: Tensor) -> Tensor:
    """`uniforms * totals`, but always below `totals`, so that the cumulative weight of some token is above it."""
    return torch.minimum(uniforms * totals, torch.nextafter(totals, torch.zeros_like(totals)))
