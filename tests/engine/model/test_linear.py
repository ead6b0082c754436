"""Products whose rows must not depend on how many rows share them."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from inkwell.engine.model.linear import MAX_SHARED_ROWS, Linear, choose_min_rows

# The last three depend on the rows on a CPU with AVX512-BF16: there oneDNN splits sums of more than 1024 terms, and odd
# widths, by the number of rows.
SHAPES = [(64, 192), (256, 1024), (768, 768), (1280, 320), (3072, 768), (30, 90)]


@pytest.fixture(autouse=True, params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def linear_of(inputs: int, outputs: int, bias: bool, dtype: torch.dtype) -> Linear:
    """The second half of every sum repeats the first half's weights."""
    linear = Linear(inputs, outputs, bias)
    half = torch.randn(outputs, inputs // 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        linear.weight.copy_(torch.cat((half, half), dim=1))
        for parameter in [linear.bias] if bias else []:
            parameter.zero_()
    return linear.to(dtype).requires_grad_(False)


def rows_of(count: int, inputs: int, dtype: torch.dtype) -> Tensor:
    """The second half of every row is minus the first half, so a product consists of nothing but its rounding."""
    half = torch.randn(count, inputs // 2, generator=torch.Generator().manual_seed(1))
    return torch.cat((half, -half), dim=1).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_after_the_trial_a_row_has_the_same_bits_in_any_company(
    inputs: int, outputs: int, bias: bool, dtype: torch.dtype
) -> None:
    linear = linear_of(inputs, outputs, bias, dtype)
    choose_min_rows(linear, "cpu", dtype)
    rows = rows_of(MAX_SHARED_ROWS, inputs, dtype)
    alone = torch.cat([linear(row) for row in rows.split(1)])
    for count in (2, 3, 4, 6, 8, 9, 13, 16, 17, 25, 31, 32):
        assert torch.equal(linear(rows[:count]), alone[:count]), f"{count} rows, at least {linear.min_rows}"


@pytest.mark.parametrize("least", [2, 8, 32])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 31, 32, 100])
def test_idle_rows_change_nothing_but_rounding(count: int, least: int) -> None:
    linear = linear_of(50, 70, True, torch.float32)
    linear.bias.fill_(3.0)
    rows = rows_of(count, 50, torch.float32).abs()
    plain = linear(rows)
    linear.min_rows = least
    assert linear(rows).shape == plain.shape
    assert torch.allclose(linear(rows), plain, atol=1e-4)


def test_float32_gets_no_idle_rows_because_it_would_pay_for_a_millionth() -> None:
    linear = linear_of(3072, 768, True, torch.float32)
    choose_min_rows(linear, "cpu", torch.float32)
    assert linear.min_rows == 1


def test_the_trial_needs_no_weights() -> None:
    with torch.device("meta"):
        model = nn.ModuleList([Linear(64, 192), Linear(1, 3)])
    choose_min_rows(model, "cpu", torch.bfloat16)
    assert all(parameter.is_meta for parameter in model.parameters())
