"""Logit bias: it is added before all penalties, and can ban a token."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inkwell.engine.sampling import sampler
from inkwell.engine.sampling.logit_bias import all_banned
from inkwell.engine.sampling.processors import apply_logit_processors
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.parameters.sampling import Sampling
from tests.engine.sampling.inputs import input_of

VOCABULARY = 40
Bias = tuple[tuple[int, float], ...]


def wanted(bias: Bias = (), temperature: float = 0.0, seed: int = 0, **more: float) -> SamplingInput:
    return input_of(Sampling(temperature, logit_bias=bias, **more), (1, 2), (3,), seed)  # type: ignore[arg-type]


def random_logits(rows: int) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(5)) * 3


BIASES = st.dictionaries(st.integers(0, VOCABULARY - 1), st.floats(-100, 100, width=32), max_size=VOCABULARY)


@given(st.lists(BIASES, min_size=1, max_size=4))
def test_each_row_gets_its_own_biases_and_nothing_else(biases: list[dict[int, float]]):
    logits = random_logits(len(biases))
    result = apply_logit_processors(logits, [wanted(tuple(bias.items())) for bias in biases])
    for row, bias in enumerate(biases):
        for token in range(VOCABULARY):
            added = bias.get(token, 0.0)
            expected = -torch.inf if added <= -100 else logits[row, token] + torch.tensor(added)
            assert result[row, token] == expected


def test_without_a_bias_nothing_is_copied_and_with_one_the_logits_stay_as_they_were():
    logits = random_logits(2)
    before = logits.clone()
    assert apply_logit_processors(logits, [wanted(), wanted()]) is logits
    apply_logit_processors(logits, [wanted(((3, 1.0),)), wanted()])
    assert torch.equal(logits, before)


def test_a_bias_comes_before_the_penalties():
    logits = torch.full((1, VOCABULARY), -1.0)
    bias = ((1, 3.0),)  # turns -1 into 2, which the penalty turns into 0.5; with the penalty first, -1 would remain
    assert sampler.choose(logits, [wanted(bias, repetition_penalty=4.0)]) == [1]
    logits[0, 7] = 0.75
    assert sampler.choose(logits, [wanted(bias, repetition_penalty=4.0)]) == [7]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
@pytest.mark.parametrize("cuts", [{}, {"min_p": 0.01}, {"typical_p": 0.9}, {"repetition_penalty": 1.3}])
def test_a_banned_token_is_never_chosen(temperature: float, cuts: dict[str, float]):
    logits = random_logits(1)
    likeliest = logits[0].sort(descending=True).indices[:10].tolist()
    bias = tuple((token, -100.0) for token in likeliest)
    chosen = {sampler.choose(logits, [wanted(bias, temperature, seed, **cuts)])[0] for seed in range(200)}
    assert chosen.isdisjoint(likeliest)


def test_a_single_token_that_is_not_banned_is_always_chosen():
    bias = tuple((token, -100.0) for token in range(VOCABULARY) if token != 17)
    for way in ({}, {"min_p": 0.5}, {"typical_p": 0.5}):
        assert sampler.choose(random_logits(1), [wanted(bias, 1.0, **way)]) == [17]


def test_a_ban_of_the_whole_vocabulary_is_told_apart():
    bans = tuple((token, -100.0) for token in range(VOCABULARY))
    assert all_banned(wanted(bans).sampling, VOCABULARY)
    assert not all_banned(wanted(bans[1:]).sampling, VOCABULARY)
    assert not all_banned(wanted((*bans[1:], (0, -99.0))).sampling, VOCABULARY)
    assert not all_banned(wanted().sampling, VOCABULARY)
