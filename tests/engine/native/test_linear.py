"""The native linear layer: right in every format, and the same bits for a row next to any others."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inkwell.engine.native.library import Kernels
from inkwell.engine.native.quantization import GROUP, packed_width, quantize

FORMATS = ["float32", "bfloat16", "int8", "int4"]
# inputs: less than one register, no multiple of any, one block of the sum, several blocks and a remainder
SHAPES = [(7, 5), (101, 30), (24, 96), (49, 1024), (25, 2592)]


@dataclass(frozen=True)
class Weights:
    """Weights in one format, and the floats that they represent."""

    weight: Tensor
    scale: Tensor | None
    floats: Tensor


def matrix(kind: str, outputs: int, inputs: int) -> Weights:
    floats = torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(outputs)) * 0.3
    if kind in ("float32", "bfloat16"):
        weight = floats.to(getattr(torch, kind))
        return Weights(weight, None, weight.float())
    dtype = torch.int8 if kind == "int8" else torch.uint8
    weight = torch.empty(outputs, packed_width(inputs, dtype), dtype=dtype)
    scale = torch.empty(outputs) if kind == "int8" else None
    quantize(floats, weight, scale)
    return Weights(weight, scale, unpacked(weight) if scale is None else weight.float() * scale[:, None])


def unpacked(weight: Tensor) -> Tensor:
    """The floats of 4-bit groups, read byte by byte as vectors.hpp describes them."""
    groups = weight.unflatten(1, (-1, 18))
    scale = groups[..., :2].contiguous().view(torch.bfloat16).float()
    halves = groups[..., 2:]
    return ((torch.cat((halves & 15, halves >> 4), dim=-1).float() - 8) * scale).flatten(1)


def rounded(rows: Tensor) -> Tensor:
    """Activations as 4-bit products see them: 8 bits in groups of 32."""
    groups = rows.unflatten(1, (-1, GROUP))
    most = groups.abs().amax(dim=-1, keepdim=True)
    return ((groups * (torch.tensor(127.0) / most)).round() * (most / 127)).flatten(1)


def cases() -> list[tuple[str, int, int]]:
    return [(kind, *shape) for kind in FORMATS for shape in SHAPES if kind != "int4" or shape[1] % GROUP == 0]


def random_rows(count: int, inputs: int) -> Tensor:
    return torch.randn(count, inputs, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize(("kind", "outputs", "inputs"), cases())
@pytest.mark.parametrize("count", [1, 3, 5, 600])
def test_the_product_is_that_of_float64(kernels: Kernels, kind: str, outputs: int, inputs: int, count: int) -> None:
    weights, rows, bias = matrix(kind, outputs, inputs), random_rows(count, inputs), torch.randn(outputs)
    out = kernels.linear(rows, weights.weight, weights.scale, bias, None, gelu=False)
    rows = rounded(rows) if kind == "int4" else rows
    expected = F.linear(rows.double(), weights.floats.double(), bias.double())
    assert (out - expected).abs().max() < 2e-6 * inputs**0.5 * 3


@pytest.mark.parametrize(("kind", "outputs", "inputs"), cases())
def test_a_row_has_the_same_bits_alone_and_in_every_crowd(
    kernels: Kernels, kind: str, outputs: int, inputs: int
) -> None:
    weights, rows = matrix(kind, outputs, inputs), random_rows(600, inputs)
    together = kernels.linear(rows, weights.weight, weights.scale, None, None, gelu=True)
    for first, count in [(0, 1), (599, 1), (7, 2), (510, 3), (1, 4), (2, 5), (100, 17), (500, 100)]:
        part = kernels.linear(rows[first : first + count], weights.weight, weights.scale, None, None, gelu=True)
        assert torch.equal(part, together[first : first + count]), (first, count)


def test_gelu_and_the_sum_onto_another_tensor(kernels: Kernels) -> None:
    weights, rows, bias = matrix("float32", 101, 96), random_rows(6, 96) * 10, torch.randn(101)
    expected = F.gelu(F.linear(rows.double(), weights.floats.double(), bias.double()), approximate="tanh")
    activated = kernels.linear(rows, weights.weight, None, bias, None, gelu=True)
    assert torch.allclose(activated.double(), expected, 1e-6, 1e-5)
    residual = torch.randn(6, 101)
    before = residual.clone()
    assert kernels.linear(rows, weights.weight, None, bias, residual, gelu=False) is residual
    plain = kernels.linear(rows, weights.weight, None, bias, None, gelu=False)
    assert torch.equal(residual, before + plain)


@pytest.mark.parametrize("damage", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_hidden(kernels: Kernels, damage: float) -> None:
    rows = random_rows(5, 96)
    rows[:, 40] = damage
    for kind in FORMATS:
        weights = matrix(kind, 30, 96)
        assert not kernels.linear(rows, weights.weight, weights.scale, None, None, gelu=False).isfinite().any(), kind


def test_rows_may_lie_apart(kernels: Kernels) -> None:
    weights, wide = matrix("bfloat16", 24, 96), random_rows(9, 300)
    apart = wide[:, 50:146]
    expected = kernels.linear(apart.contiguous(), weights.weight, None, None, None, gelu=False)
    assert torch.equal(kernels.linear(apart, weights.weight, None, None, None, gelu=False), expected)


@pytest.mark.slow
def test_the_emulated_kernels_add_in_sixteen_lanes(sixteen_lanes: Path) -> None:
    row = torch.zeros(1, 32)
    row[0, 0], row[0, 8], row[0, 16] = 1e8, 1.0, -1e8  # eight lanes would add all three in one lane and lose the 1
    assert Kernels(sixteen_lanes, threads=1).linear(row, torch.ones(1, 32), None, None, None, gelu=False).item() == 1.0
