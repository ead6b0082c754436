"""Weights: the sums are exact in any order, and a weight does not depend on its position."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inkwell.engine.sampling.exact_weights import (
    draw_from_all,
    rounded,
    scaled,
    target,
    to_weights_,
    weights_of_all,
)
from inkwell.engine.sampling.processors import inverse_temperature
from inkwell.parameters.sampling import Sampling


def exponents(count: int, seed: int) -> torch.Tensor:
    """From 0 down to where nothing is left, and beyond."""
    return -torch.rand(count, generator=torch.Generator().manual_seed(seed)) * 40


@given(st.integers(1, 3000), st.integers(0, 2**32))
def test_no_order_of_adding_can_be_told_from_another(count: int, seed: int):
    weights = to_weights_(exponents(count, seed)).double()
    shuffled = weights[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]
    exact = math.fsum(weights.tolist())
    assert weights.sum().item() == shuffled.sum().item() == shuffled.cumsum(0)[-1].item() == exact
    assert torch.equal(weights * 2**36, (weights * 2**36).round())


def test_the_largest_sum_is_exact_too():
    weights = to_weights_(torch.zeros(2**17 - 1)).double()
    assert (weights.sum() + 2.0**-36).item() - 2.0**-36 == 2**17 - 1


def test_a_weight_is_that_power_of_e():
    given_ = exponents(100_000, 1)
    expected = given_.double().exp()
    # One rounding to float32 by exp, one by adding the offset, and half a step.
    assert ((to_weights_(given_.clone()).double() - expected).abs() <= expected * 2**-22 + 2**-37).all()
    assert to_weights_(torch.tensor([0.0, -math.inf, -1e30])).tolist() == [1.0, 0.0, 0.0]


@given(st.integers(0, 99), st.integers(1, 400), st.sampled_from([1, 3, 16]))
def test_a_weight_does_not_depend_on_where_it_stands(begin: int, count: int, rows: int):
    whole = to_weights_(exponents(500, 2))
    part = exponents(500, 2)[begin : begin + count].expand(rows, -1).clone()
    assert torch.equal(to_weights_(part), whole[begin : begin + count].expand(rows, -1))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=500), st.randoms())
def test_rounded_values_add_up_exactly_too(values: list[float], random):
    rounds = rounded(torch.tensor(values, dtype=torch.float64))
    order = list(range(len(values)))
    random.shuffle(order)
    assert rounds[order].sum().item() == rounds.sum().item() == math.fsum(rounds.tolist())
    assert (rounds - torch.tensor(values, dtype=torch.float64)).abs().max() <= 2**-37


@pytest.mark.parametrize("vocabulary", [1, 2, 255, 256, 257, 700])
def test_the_draw_by_blocks_is_the_draw_by_one_long_sum(vocabulary: int):
    logits = torch.randn(40, vocabulary, generator=torch.Generator().manual_seed(4)) * 3
    uniforms = torch.rand(40, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    uniforms[:2] = torch.tensor([[0.0], [1 - 2.0**-53]])
    ones = torch.ones(40, 1)
    weights, sums = weights_of_all(logits, ones)
    flat = weights.flatten(1)[:, :vocabulary].double()
    cumulative = flat.cumsum(-1)
    assert torch.equal(cumulative[:, -1], sums.sum(-1))
    expected = (cumulative <= uniforms * cumulative[:, -1:]).sum(-1).clamp(max=vocabulary - 1)
    assert draw_from_all(logits, ones, uniforms).tolist() == expected.tolist()


def test_the_last_point_stays_below_the_total():
    for total in (1.0, 2.0**-36, 1 + 2.0**-36, 50257.0):
        totals = torch.tensor([[total]], dtype=torch.float64)
        assert 0 <= target(torch.tensor([[1 - 2.0**-53]], dtype=torch.float64), totals).item() < total


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-9, 1.0, 2.0])
def test_a_reciprocal_fits_float32_and_never_makes_nan(temperature: float):
    column = torch.tensor([[inverse_temperature(Sampling(temperature))]])
    assert column.isfinite().all()
    logits = torch.tensor([[1.0, 1.0, 0.5, -math.inf, -3e38]])
    assert not scaled(logits, logits.amax(-1, keepdim=True), column).isnan().any()
