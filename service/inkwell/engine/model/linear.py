"""Linear layers, computed by the native kernels or by torch.

Takes and returns [rows, features]. With the native kernels, a row's bits never depend on the other rows. With torch in
16 bits they may: a kernel may sum in a different order for one row than for several, and the last bit can decide
between two nearly equal tokens, so a request would get a different text in a batch than alone. Whether that happens
depends on CPU and shape: `choose_min_rows` tests it while a model is loaded, and affected products are padded to the
smallest number of rows from which their bits are constant. In float32 the difference is a millionth and changes no
choice, while padding would double the time. Knows no layers and no sequences. Measured: docs/lab-notes.md, "rows that
share a product".
"""

from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkwell.engine.native.library import Kernels
from inkwell.engine.native.model import LinearWeights

MAX_SHARED_ROWS = 32  # rows of different sequences in one product; larger products are of one sequence
_TRIED_ROWS = (1, 2, 3, 4, 8, 16, MAX_SHARED_ROWS)  # each number adds almost a megabyte of generated code
_TRIED_MINIMA = (1, 2, 4, 8, 16)

Activation = Callable[[Tensor], Tensor]


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU in its tanh form, that of the published models; the native kernels have their own."""
    return F.gelu(x, approximate="tanh")


# By the names of `ACTIVATIONS` in checkpoints/model_config.py, a list for code without torch. Three names are one
# function: they differ in how transformers implements it, not in what it computes.
ACTIVATION_FUNCTIONS: MappingProxyType[str, Activation] = MappingProxyType(
    {"gelu": F.gelu, "gelu_fast": gelu_tanh, "gelu_new": gelu_tanh, "gelu_pytorch_tanh": gelu_tanh, "relu": F.relu}
)


class Linear(nn.Module):
    """A product with weights [out, in], optionally with a bias and followed by an activation.

    Not `nn.Linear`, because that fills its weights with random numbers even on the meta device, for which torch
    imports 800 modules: 72 MiB and some seconds of every load.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, activation: Activation | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.scale: Tensor | None = None  # [out] float32, of 8-bit weights
        self.min_rows = 1
        self.kernels: Kernels | None = None
        self._activation = activation

    def native_weights(self) -> LinearWeights:
        """The weights as the native model takes them."""
        return LinearWeights(self.weight, self.scale, self.bias)

    def forward(self, rows: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map [n, in] to [n, out], added to `residual` if given, which may be changed in place."""
        if self.kernels is not None:
            fused = self._activation is gelu_tanh
            out = self.kernels.linear(rows, self.weight, self.scale, self.bias, residual, fused)
            return out if fused or self._activation is None else self._activation(out)
        out = _product(rows, self.weight, self.bias, self.min_rows)
        out = out if self._activation is None else self._activation(out)
        return out if residual is None else residual + out


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None, min_rows: int) -> Tensor:
    if len(rows) >= min_rows:
        return F.linear(rows, weight, bias)
    return F.linear(F.pad(rows, (0, 0, 0, min_rows - len(rows))), weight, bias)[: len(rows)]


def choose_min_rows(model: nn.Module, device: torch.device | str, dtype: torch.dtype) -> None:
    """Set the number of rows that each product of `model` is padded to. Weights may still be on the meta device."""
    minima: dict[tuple[torch.Size, bool], int] = {}
    for linear in model.modules():
        if isinstance(linear, Linear) and dtype != torch.float32:
            shape = (linear.weight.shape, linear.bias is not None)
            if shape not in minima:
                minima[shape] = _min_rows(*shape, device, dtype)
            linear.min_rows = minima[shape]


@torch.inference_mode()
def _min_rows(shape: torch.Size, has_bias: bool, device: torch.device | str, dtype: torch.dtype) -> int:
    """The smallest number of rows from which a row's bits are constant, measured with sums that reveal their order.

    The exact result is zero everywhere, because the second half of each sum cancels the first. The output is then only
    the rounding error of the sums, which reveals a different order of summation; added to a large result, it would be
    rounded away in all but one of a thousand outputs.
    """
    outputs, inputs = shape
    half = inputs // 2
    noise = torch.randn(outputs + half - 1, generator=torch.Generator().manual_seed(0))
    weight = torch.zeros(outputs, inputs, device=device, dtype=dtype)
    weight[:, :half] = weight[:, half : 2 * half] = noise.unfold(0, half, 1)  # each row is shifted by one number
    bias = torch.zeros(outputs, device=device, dtype=dtype) if has_bias else None
    rows = torch.zeros(MAX_SHARED_ROWS, inputs, device=device, dtype=dtype)
    rows[:, :half] = torch.randn(MAX_SHARED_ROWS, half, generator=torch.Generator().manual_seed(1))
    rows[:, half : 2 * half] = -rows[:, :half]
    invariant = (minimum for minimum in _TRIED_MINIMA if _is_batch_invariant(rows, weight, bias, minimum))
    return next(invariant, MAX_SHARED_ROWS)


def _is_batch_invariant(rows: Tensor, weight: Tensor, bias: Tensor | None, min_rows: int) -> bool:
    """Whether, for every number of rows tried, the first and the last row have the same bits as alone."""
    for count in _TRIED_ROWS:
        together = _product(rows[:count], weight, bias, min_rows)
        for row in (0, count - 1):
            if not torch.equal(together[row], _product(rows[row : row + 1], weight, bias, min_rows)[0]):
                return False
    return True
