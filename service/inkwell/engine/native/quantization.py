"""Quantised weights: 8-bit integers with one scale per row, or 4-bit integers with one scale for each group of 32.

Takes float matrices [rows, inputs], fills the formats that `native/vectors.hpp` and `native/int4.hpp` read. Symmetric,
round to nearest, no calibration. The loss in bits per byte of text: docs/performance.md.
"""

import torch
from torch import Tensor

GROUP = 32
GROUP_BYTES = 18
_BLOCK_ROWS = 2048  # rows quantised at once, which limits the memory of intermediate floats


def packed_width(inputs: int, dtype: torch.dtype) -> int:
    """Number of elements of `dtype` that store a row of `inputs` numbers."""
    return inputs // GROUP * GROUP_BYTES if dtype == torch.uint8 else inputs


def quantize(matrix: Tensor, target: Tensor, scale: Tensor | None) -> None:
    """Fill `target` [rows, packed width], and `scale` [rows] where the format has one, from `matrix` [rows, inputs]."""
    for begin in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(begin, begin + _BLOCK_ROWS)
        if scale is None:
            target[rows] = _int4(matrix[rows].float())
        else:
            target[rows], scale[rows] = _int8(matrix[rows].float())


def dequantize_rows(target: Tensor, scale: Tensor, rows: Tensor) -> Tensor:
    """Some rows [n] of an 8-bit matrix as float32 [n, inputs]."""
    return target[rows].float() * scale[rows].unsqueeze(1)


def _int8(matrix: Tensor) -> tuple[Tensor, Tensor]:
    scale = (matrix.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
    return (matrix / scale.unsqueeze(1)).round().to(torch.int8), scale


def _int4(matrix: Tensor) -> Tensor:
    """The largest number of each group becomes -8, up to the rounding of its scale, so all 16 values are used."""
    groups = torch.unflatten(matrix, 1, (-1, GROUP))  # [rows, groups, 32]
    largest = groups.gather(2, groups.abs().argmax(dim=2, keepdim=True))
    scale = (largest / -8).bfloat16()
    divisor = torch.where(scale == 0, 1, scale.float())
    numbers = ((groups / divisor).round() + 8).clamp(0, 15).to(torch.uint8)
    halves = numbers[..., :16] | numbers[..., 16:] << 4
    return torch.cat((scale.view(torch.uint8), halves), dim=2).flatten(1)
