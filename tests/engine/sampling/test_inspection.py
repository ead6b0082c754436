"""Inspections: the sampler chooses exactly from the tokens of the last stage, and every stage is a distribution."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inkwell.engine.sampling import sampler
from inkwell.engine.sampling.inspection import distributions, inspect
from inkwell.parameters.sampling import Sampling
from tests.engine.sampling.inputs import input_of

SAMPLINGS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.7, 1.0, 1.6]),
    top_k=st.sampled_from([0, 0, 1, 3, 7, 500]),
    top_p=st.sampled_from([1.0, 1.0, 0.3, 0.75, 0.95]),
    min_p=st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.0]),
    typical_p=st.sampled_from([1.0, 1.0, 0.2, 0.8]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 0.7, 1.5]),
    presence_penalty=st.sampled_from([0.0, 0.5]),
    frequency_penalty=st.sampled_from([0.0, -0.25]),
    logit_bias=st.sampled_from([(), ((2, -100.0),), ((0, 1.5), (5, -1.0), (7, -100.0))]),
)
LOGITS = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.3, 0.8, 1.0, 1.7]), min_size=8, max_size=12)
TEXT = (1, 2, 2, 3), [2, 4]


def sampling(temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, **more: Any) -> Sampling:
    return Sampling(temperature, top_k, top_p, **more)


@pytest.mark.slow
@pytest.mark.parallel
@settings(max_examples=60)
@given(LOGITS, SAMPLINGS)
def test_the_sampler_draws_what_the_last_stage_keeps_as_often_as_it_says(values: list[float], wanted: Sampling):
    logits = torch.tensor(values)
    *_, (_, probabilities) = distributions(logits, input_of(wanted, *TEXT))
    inputs = [input_of(wanted, *TEXT, seed) for seed in range(2000)]
    counts = torch.bincount(torch.tensor(sampler.choose(logits.expand(2000, -1), inputs)), minlength=len(values))
    assert ((counts > 0) <= (probabilities > 0)).all()
    assert ((counts > 0) | (probabilities < 0.005)).all()
    assert (counts / 2000).tolist() == pytest.approx(probabilities.tolist(), abs=0.055)  # five standard deviations


@settings(max_examples=60)
@given(LOGITS, SAMPLINGS)
def test_every_stage_is_a_distribution_and_counts_what_it_removed(values: list[float], wanted: Sampling):
    logits = torch.tensor(values)
    event = inspect(9, logits, input_of(wanted, *TEXT), len(values))
    assert event.key == 9 and sorted(event.tokens) == list(range(len(values)))
    kept, mass_of = len(values), dict.fromkeys(event.tokens, 0.0)
    for stage in event.stages:
        assert sum(stage.probabilities) == pytest.approx(1)
        assert stage.kept == sum(share > 0 for share in stage.probabilities) == kept - stage.removed
        gone = [token for token, share in zip(event.tokens, stage.probabilities, strict=True) if share == 0]
        assert stage.removed_mass == pytest.approx(sum(mass_of[token] for token in gone))
        kept, mass_of = stage.kept, dict(zip(event.tokens, stage.probabilities, strict=True))


def test_the_stages_are_those_that_the_sampling_switches_on_in_the_order_of_the_sampler():
    everything = sampling(0.5, 5, 0.9, min_p=0.1, typical_p=0.9, repetition_penalty=1.1, presence_penalty=0.1)
    everything = replace(everything, logit_bias=((1, 1.0),))
    logits = torch.linspace(0, 1, 20)
    steps = ["logit_bias", "repetition_penalty", "penalties", "temperature", "top_k", "top_p", "min_p", "typical_p"]
    assert [name for name, _ in distributions(logits, input_of(everything, *TEXT))] == ["model", *steps]
    assert [name for name, _ in distributions(logits, input_of(sampling(), *TEXT))] == ["model"]
    greedy = replace(everything, temperature=0.0)
    assert [name for name, _ in distributions(logits, input_of(greedy, *TEXT))] == ["model", *steps[:4]]


def test_the_models_stage_is_a_softmax_and_top_k_keeps_k():
    logits = torch.tensor([0.0, 2.0, 1.0, -1.0])
    event = inspect(1, logits, input_of(sampling(top_k=2), (0,), ()), 3)
    model, top_k = event.stages
    expected = logits.double().softmax(0)
    assert event.tokens == (1, 2, 0)
    assert model.probabilities == pytest.approx(expected[[1, 2, 0]].tolist())
    assert (model.kept, model.removed, model.removed_mass) == (4, 0, 0.0)
    assert top_k.probabilities == pytest.approx([2.718282 / 3.718282, 1 / 3.718282, 0.0])
    assert (top_k.kept, top_k.removed) == (2, 2)
    assert top_k.removed_mass == pytest.approx(float(expected[0] + expected[3]))


def test_what_a_bias_lifts_into_the_last_stage_is_told_behind_the_models_likeliest():
    logits = torch.tensor([0.0, 2.0, 1.0, -1.0])
    event = inspect(1, logits, input_of(sampling(0.0, logit_bias=((3, 50.0),)), (0,), ()), 1)
    assert event.tokens == (1, 3)
    assert event.stages[-1].probabilities == (0.0, 1.0)
