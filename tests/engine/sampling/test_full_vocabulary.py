"""The draw without ranks finds the same token as ranking all of them, for any cuts and any number of ties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inkwell.engine.sampling.full_vocabulary import draw_unranked
from inkwell.engine.sampling.processors import cut_columns
from inkwell.engine.sampling.top_tokens import draw_ranked, rank_top
from inkwell.parameters.sampling import Sampling
from tests.engine.sampling.test_top_tokens import CUTS, column, random_logits, sampling

POINTS = [0.0, 0.13, 0.5, 0.87, 0.999, 1 - 2.0**-53]


def by_sorting(logits: torch.Tensor, wanted: Sampling, uniforms: list[float]) -> list[int]:
    """The tokens of one row [vocab] for some random numbers, found by sorting the whole row."""
    rows = logits.expand(len(uniforms), -1)
    cuts = cut_columns([wanted] * len(uniforms), len(logits), logits.device)
    return draw_ranked(rows, rank_top(rows, len(logits)), cuts, column(uniforms)).tolist()


def by_histogram(logits: torch.Tensor, wanted: Sampling, uniforms: list[float]) -> list[int]:
    cuts = cut_columns([wanted], len(logits), logits.device)
    return [int(draw_unranked(logits.unsqueeze(0), cuts, column([uniform]))) for uniform in uniforms]


@pytest.mark.parametrize("wanted", [sampling(), sampling(2.0, top_k=1500), sampling(2.0, top_p=0.999), *CUTS])
@pytest.mark.parametrize("rounding", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("spread", [0.0, 1.0, 1000.0])
def test_it_draws_what_sorting_the_whole_row_draws(wanted: Sampling, rounding: torch.dtype, spread: float):
    logits = random_logits(1, 2100, spread)[0].to(rounding).float()  # bfloat16 makes many equal
    assert by_histogram(logits, wanted, POINTS) == by_sorting(logits, wanted, POINTS)


samplings = st.builds(
    sampling,
    st.sampled_from([1e-300, 1e-6, 0.3, 1.0, 2.0]),
    st.sampled_from([0, 1, 40, 300, 4000, 100_000]),
    st.floats(1e-6, 1.0),
    min_p=st.sampled_from([0.0, 1e-9, 0.01, 1.0]),
    typical_p=st.sampled_from([1.0, 0.99, 0.5, 1e-6]),
)


@settings(max_examples=60)
@given(
    samplings, st.integers(0, 2**32), st.sampled_from([1, 2, 257, 5003]), st.floats(0, 8), st.booleans(), st.booleans()
)
def test_no_row_is_found_for_which_it_draws_another(wanted, seed, vocabulary, spread, coarse, gaps):
    logits = random_logits(1, vocabulary, spread, seed)[0]
    logits = logits.round() if coarse else logits  # whole numbers: 0 and -0 are among them
    if gaps:
        logits[1::3] = -math.inf
    assert by_histogram(logits, wanted, POINTS) == by_sorting(logits, wanted, POINTS)


@pytest.mark.parametrize("top_k", [1, 29, 30, 31, 99, 100])
def test_of_equal_tokens_those_with_the_lowest_ids_are_kept(top_k: int):
    logits = torch.zeros(100)
    logits[70:] = 1.0
    uniforms = [(number + 0.5) / 200 for number in range(200)]
    order = [*range(70, 100), *range(70)]
    assert set(by_histogram(logits, sampling(top_k=top_k), uniforms)) == set(order[:top_k])


def test_a_nucleus_ends_with_the_token_that_reaches_its_share_exactly():
    logits = torch.zeros(4096)  # every weight is 1, so a quarter of the whole is 1,024 tokens and not one more
    for top_p, count in ((0.25, 1024), (0.25 + 1e-9, 1025), (1 / 4096, 1), (1e-9, 1)):
        assert by_histogram(logits, sampling(top_p=top_p), [0.0, 1 - 2.0**-53]) == [0, count - 1]
