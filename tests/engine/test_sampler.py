"""The sampler against the slow, obvious way: transformers' processors and counting."""

import math

import pytest
import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from service.engine.contract import Sampling
from service.engine.sampler import choose, finite_rows, uniform


def sampling(temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, seed: int = 0, sample: int = 0) -> Sampling:
    return Sampling(8, temperature, top_k, top_p, seed, sample, ())


def random_logits(rows: int, vocabulary: int = 50, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(3)) * spread


def allowed(logits: torch.Tensor, wanted: Sampling) -> torch.Tensor:
    """Probabilities [vocab] that transformers leaves after temperature, top_k and top_p, in its order."""
    scores = TemperatureLogitsWarper(wanted.temperature)(None, logits[None])
    if wanted.top_k:
        scores = TopKLogitsWarper(wanted.top_k)(None, scores)
    if wanted.top_p < 1:
        scores = TopPLogitsWarper(wanted.top_p)(None, scores)
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
    ],
)
def test_tokens_come_with_the_probabilities_that_transformers_gives_them(wanted):
    draws = 4000
    logits = random_logits(1)
    expected = allowed(logits[0], wanted)
    many = [sampling(wanted.temperature, wanted.top_k, wanted.top_p, seed) for seed in range(draws)]
    tokens = choose(logits.expand(draws, -1), many, [0] * draws)
    counts = torch.bincount(torch.tensor(tokens), minlength=50) / draws
    assert counts[expected == 0].sum() == 0
    # Five standard deviations of a binomial share: a right sampler fails this less than once in 10^5 tables.
    slack = 5 * (expected * (1 - expected) / draws).sqrt() + 1e-9
    assert ((counts - expected).abs() <= slack).all()


def test_temperature_zero_takes_the_most_probable_token():
    logits = random_logits(4)
    assert choose(logits, [sampling(temperature=0.0)] * 4, [0] * 4) == logits.argmax(-1).tolist()


@pytest.mark.parametrize("temperature", [1e-9, 1e-300, 5e-324])
def test_the_smallest_temperatures_are_greedy_and_never_overflow(temperature):
    logits = random_logits(3, spread=1000.0)
    assert choose(logits, [sampling(temperature=temperature)] * 3, [0] * 3) == logits.argmax(-1).tolist()


def test_a_row_draws_the_same_token_alone_and_in_any_crowd():
    logits = random_logits(6)
    mixed = [
        sampling(0.0), sampling(0.7, seed=1), sampling(1.0, top_k=5, seed=2),
        sampling(1.3, top_p=0.7, seed=3), sampling(1.0, top_k=9, top_p=0.5, seed=4), sampling(1.0, seed=5),
    ]  # fmt: skip
    draws = [3, 1, 4, 1, 5, 9]
    together = choose(logits, mixed, draws)
    alone = [choose(logits[row : row + 1], [mixed[row]], [draws[row]])[0] for row in range(6)]
    assert together == alone


def test_another_seed_sample_or_place_gives_another_number():
    numbers = {uniform(seed, sample, draw) for seed in range(10) for sample in range(10) for draw in range(10)}
    assert len(numbers) == 1000


def test_the_stream_of_numbers_is_uniform():
    numbers = [uniform(11, 0, draw) for draw in range(10_000)]
    assert all(0 <= number < 1 for number in numbers)
    assert abs(sum(numbers) / len(numbers) - 0.5) < 5 * math.sqrt(1 / 12 / len(numbers))


def test_the_first_numbers_of_a_seed_never_change():
    # A seed is a promise across restarts and releases; whoever changes the stream breaks every stored seed.
    assert [uniform(7, 0, draw) for draw in range(3)] == [0.3446969192561492, 0.15257522553019165, 0.9474764098837682]


def test_rows_with_nan_or_infinity_are_told_apart():
    logits = random_logits(3)
    logits[0, 4] = math.nan
    logits[2, 0] = math.inf
    assert finite_rows(logits) == [False, True, False]
