"""The sampler as a whole: its frequencies against transformers' processors, and the independence of rows."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from inkwell.engine.sampling import sampler
from inkwell.engine.sampling.sampler import finite_rows
from inkwell.parameters.sampling import Sampling
from tests.engine.sampling.inputs import input_of


def sampling(temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, **more: Any) -> Sampling:
    return Sampling(temperature, top_k, top_p, **more)


def choose(logits: torch.Tensor, wanted: Sampling, drawn: int = 0) -> list[int]:
    """The next token of each row [rows, vocab], whose number is its seed, after `drawn` tokens."""
    inputs = [input_of(wanted, (), (0,) * drawn, seed) for seed in range(len(logits))]
    return sampler.choose(logits, inputs)


def random_logits(rows: int, vocabulary: int = 50, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(3)) * spread


def allowed(logits: torch.Tensor, wanted: Sampling) -> torch.Tensor:
    """Return transformers' probabilities [vocab] after its processors, in its order."""
    scores = TemperatureLogitsWarper(wanted.temperature)(None, logits[None])
    if wanted.top_k:
        scores = TopKLogitsWarper(wanted.top_k)(None, scores)
    if wanted.top_p < 1:
        scores = TopPLogitsWarper(wanted.top_p)(None, scores)
    scores = MinPLogitsWarper(wanted.min_p)(None, scores)
    if wanted.typical_p < 1:
        scores = TypicalLogitsWarper(wanted.typical_p)(None, scores)
    return scores.softmax(-1)[0]


@pytest.mark.parametrize(
    "wanted",
    [
        sampling(),
        sampling(temperature=0.5),
        sampling(temperature=1.7, top_k=7),
        sampling(top_p=0.8),
        sampling(temperature=0.9, top_k=20, top_p=0.6),
        sampling(top_k=1),
        sampling(top_p=1e-6),
        sampling(top_k=100_000),
        sampling(min_p=0.1),
        sampling(typical_p=0.6),
    ],
)
def test_tokens_come_with_the_probabilities_that_transformers_gives_them(wanted):
    draws = 4000
    logits = random_logits(1)
    expected = allowed(logits[0], wanted)
    tokens = choose(logits.expand(draws, -1), wanted)
    counts = torch.bincount(torch.tensor(tokens), minlength=50) / draws
    assert counts[expected == 0].sum() == 0
    # Five standard deviations of a binomial share: a correct sampler fails less than once in 10^5 tables.
    slack = 5 * (expected * (1 - expected) / draws).sqrt() + 1e-9
    assert ((counts - expected).abs() <= slack).all()


def test_temperature_zero_takes_the_most_probable_token():
    logits = random_logits(4)
    assert choose(logits, sampling(temperature=0.0)) == logits.argmax(-1).tolist()


@pytest.mark.parametrize("temperature", [1e-9, 1e-300, 5e-324])
def test_the_smallest_temperatures_are_greedy_and_never_overflow(temperature):
    logits = random_logits(3, spread=1000.0)
    assert choose(logits, sampling(temperature=temperature)) == logits.argmax(-1).tolist()


@pytest.mark.parametrize(
    ("cut", "tokens"),
    [
        ({}, [852, 470, 1803, 2706, 1521, 852, 642, 2844]),
        ({"temperature": 0.5}, [852, 482, 1815, 2706, 1531, 852, 642, 2852]),
        ({"top_k": 40}, [1284, 2642, 2568, 2852, 1247, 1284, 2963, 1173]),
        ({"top_p": 0.9}, [1877, 2099, 2137, 2410, 717, 2877, 2667, 1040]),
    ],
)
def test_a_seed_gives_the_tokens_that_it_always_gave(cut: dict, tokens: list[int]):
    # The tokens sampled by the first release, which sorted whole rows and added in float64.
    logits = torch.tensor([[(7919 * token % 1000) / 125 for token in range(3000)]]).expand(8, -1)
    assert choose(logits, sampling(**cut), drawn=2) == tokens


@pytest.mark.parametrize("temperature", [0.0, 1e-6])
def test_a_greedy_row_obeys_its_penalties_too(temperature: float):
    logits = torch.tensor([[1.0, 3.0, 2.5, 2.0]])
    wanted = sampling(temperature, repetition_penalty=1.3, frequency_penalty=0.3)
    for text, token in (([], 1), ([1], 2), ([1, 2], 1), ([1, 2, 1], 3), ([1, 2, 1, 3], 1)):
        assert sampler.choose(logits, [input_of(wanted, (), text)]) == [token]
    assert sampler.choose(logits, [input_of(wanted, (1,), [])]) == [2]


def test_tokens_at_minus_infinity_are_never_drawn():
    logits = random_logits(1, 300)
    logits[0, 1:] = -math.inf
    cuts = [{}, {"top_k": 40}, {"top_p": 0.5}, {"min_p": 0.1}, {"typical_p": 0.5}, {"temperature": 0.0}]
    many = [input_of(sampling(**cut), seed=seed) for cut in cuts for seed in range(20)]
    assert sampler.choose(logits.expand(len(many), -1), many) == [0] * len(many)


samplings = st.builds(
    sampling,
    st.sampled_from([0.0, 1e-6, 0.3, 1.0, 2.0]),
    st.sampled_from([0, 0, 1, 5, 40, 300, 100_000]),
    st.sampled_from([1.0, 1.0, 0.95, 0.5, 1e-6]),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 1.0]),
    typical_p=st.sampled_from([1.0, 1.0, 0.9, 0.3]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.2, 0.5]),
    presence_penalty=st.sampled_from([0.0, 0.0, 0.5]),
    frequency_penalty=st.sampled_from([0.0, 0.0, -0.5]),
)
texts = st.lists(st.integers(0, 299), max_size=12)
inputs = st.builds(input_of, samplings, texts.map(tuple), texts, st.integers(0, 2**63 - 1))


@settings(max_examples=60)
@given(
    st.lists(inputs, min_size=1, max_size=17),
    st.integers(0, 2**32),
    st.sampled_from([300, 3001, 50_257]),
    st.sampled_from([0.0, 0.1, 3.0]),
    st.booleans(),
    st.randoms(),
)
def test_a_row_draws_the_same_token_alone_and_in_any_crowd(crowd, seed, vocabulary, spread, coarse, random):
    logits = torch.randn(len(crowd), vocabulary, generator=torch.Generator().manual_seed(seed)) * spread
    logits = logits.bfloat16().float() if coarse else logits  # coarse values are often equal
    together = sampler.choose(logits, crowd)
    alone = [sampler.choose(logits[row : row + 1].clone(), [one])[0] for row, one in enumerate(crowd)]
    assert together == alone
    order = list(range(len(crowd)))
    random.shuffle(order)
    some = order[: random.randint(1, len(order))]
    assert sampler.choose(logits[some], [crowd[row] for row in some]) == [together[row] for row in some]


def test_the_number_of_threads_decides_nothing():
    logits = random_logits(16, 50_257)
    wanted = [input_of(sampling(top_k=seed % 3 * 100, top_p=1 - seed % 2 / 10), seed=seed) for seed in range(16)]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = sampler.choose(logits, wanted)
        torch.set_num_threads(3)
        assert sampler.choose(logits, wanted) == alone
    finally:
        torch.set_num_threads(threads)


def test_rows_with_nan_or_infinity_are_told_apart():
    logits = random_logits(3)
    logits[0, 4] = math.nan
    logits[2, 0] = math.inf
    assert finite_rows(logits) == [False, True, False]


def test_finite_numbers_may_have_a_sum_that_is_not():
    assert finite_rows(torch.full((2, 50), 3e38)) == [True, True]
    assert finite_rows(torch.tensor([[math.inf, -math.inf], [3e38, 3e38]])) == [False, True]
