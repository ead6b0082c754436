"""Linear layers, computed by the native kernels or by torch.

Takes and gives [rows, features]. With the native kernels a row's bits never depend on the other rows. With torch in
16 bits they may: a kernel may add a sum up in another order for one row than for several, and the last bit decides
between two near-equal tokens, so a request would say something else in a crowd than alone. Whether it does differs by
CPU and shape; `steady_rows` tries it at a load, and a product that wavers gets idle rows up to the number from which on
it is steady. In float32 the difference is a millionth and decides nothing, while idle rows would double the time.
Knows no layers and no sequences. Measured: docs/lab-notes.md, "rows that share a product".
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkwell.engine.model.activations import Activation, gelu_tanh
from inkwell.engine.native.library import Kernels
from inkwell.engine.native.program import Matrix

ROWS_TOGETHER = 32  # so many rows of different sequences share a product at most; larger products are one sequence's
_ROWS_TRIED = (1, 2, 3, 4, 8, 16, ROWS_TOGETHER)  # each number costs most of a megabyte of generated code
_LEAST_TRIED = (1, 2, 4, 8, 16)


class Linear(nn.Module):
    """A product with weights [out, in], perhaps a bias, perhaps an activation behind it.

    Not `nn.Linear`, because that fills its weights with random numbers even on the meta device, for which torch
    imports 800 modules: 72 MiB and some seconds of every load.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, activation: Activation | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.scale: Tensor | None = None  # [out] float32, of 8-bit weights
        self.least_rows = 1
        self.kernels: Kernels | None = None
        self._activation = activation

    def native_weights(self) -> Matrix:
        """What the native program computes this layer with."""
        return Matrix(self.weight, self.scale, self.bias)

    def forward(self, rows: Tensor, onto: Tensor | None = None) -> Tensor:
        """[n, in] to [n, out]; added to `onto`, which may be changed in place, if that is given."""
        if self.kernels is not None:
            fused = self._activation is gelu_tanh
            out = self.kernels.linear(rows, self.weight, self.scale, self.bias, onto, fused)
            return out if fused or self._activation is None else self._activation(out)
        out = _product(rows, self.weight, self.bias, self.least_rows)
        out = out if self._activation is None else self._activation(out)
        return out if onto is None else onto + out


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None, least_rows: int) -> Tensor:
    if len(rows) >= least_rows:
        return F.linear(rows, weight, bias)
    return F.linear(F.pad(rows, (0, 0, 0, least_rows - len(rows))), weight, bias)[: len(rows)]


def steady_rows(model: nn.Module, device: torch.device | str, dtype: torch.dtype) -> None:
    """Let every product of `model` run with as many rows as it needs. Weights may still be on the meta device."""
    least: dict[tuple[torch.Size, bool], int] = {}
    for linear in model.modules():
        if isinstance(linear, Linear) and dtype != torch.float32:
            shape = (linear.weight.shape, linear.bias is not None)
            if shape not in least:
                least[shape] = _least_rows(*shape, device, dtype)
            linear.least_rows = least[shape]


@torch.inference_mode()
def _least_rows(shape: torch.Size, has_bias: bool, device: torch.device | str, dtype: torch.dtype) -> int:
    """From how many rows on a row comes out the same whatever their number, tried with sums that show it.

    The exact result is zero everywhere, each product of the first half being taken back in the second. What comes out
    is nothing but the rounding of the sums, so another order of summation shows; beside a large result it would be
    rounded away in all but one of a thousand outputs.
    """
    outputs, inputs = shape
    half = inputs // 2
    noise = torch.randn(outputs + half - 1, generator=torch.Generator().manual_seed(0))
    weight = torch.zeros(outputs, inputs, device=device, dtype=dtype)
    weight[:, :half] = weight[:, half : 2 * half] = noise.unfold(0, half, 1)  # every row begins one number later
    bias = torch.zeros(outputs, device=device, dtype=dtype) if has_bias else None
    rows = torch.zeros(ROWS_TOGETHER, inputs, device=device, dtype=dtype)
    rows[:, :half] = torch.randn(ROWS_TOGETHER, half, generator=torch.Generator().manual_seed(1))
    rows[:, half : 2 * half] = -rows[:, :half]
    return next((least for least in _LEAST_TRIED if _is_steady(rows, weight, bias, least)), ROWS_TOGETHER)


def _is_steady(rows: Tensor, weight: Tensor, bias: Tensor | None, least_rows: int) -> bool:
    """Whether first and last row of every number of rows are what they are alone."""
    for count in _ROWS_TRIED:
        together = _product(rows[:count], weight, bias, least_rows)
        for row in (0, count - 1):
            if not torch.equal(together[row], _product(rows[row : row + 1], weight, bias, least_rows)[0]):
                return False
    return True
