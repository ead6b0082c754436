"""Penalties against transformers' processor and against OpenAI's formula, written out."""

import pytest
import torch
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from inkwell.engine.sampling.processors import apply_logit_processors
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.parameters.sampling import Sampling
from tests.engine.sampling.inputs import input_of

VOCABULARY = 60
PROMPT, GENERATED = (3, 4, 4, 5, 59), [5, 7, 7, 7, 0]


def wanted(
    repetition: float = 1.0, presence: float = 0.0, frequency: float = 0.0, generated: list[int] = GENERATED
) -> SamplingInput:
    sampling = Sampling(0.7, repetition_penalty=repetition, presence_penalty=presence, frequency_penalty=frequency)
    return input_of(sampling, PROMPT, generated)


def random_logits(rows: int) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(5)) * 3


def by_formula(logits: torch.Tensor, presence: float, frequency: float) -> list[float]:
    """OpenAI's formula: minus the frequency penalty per occurrence, minus the presence penalty if there is any."""
    counts = [GENERATED.count(token) for token in range(VOCABULARY)]
    return [
        logit - count * frequency - (count > 0) * presence for logit, count in zip(logits.tolist(), counts, strict=True)
    ]


@pytest.mark.parametrize("penalty", [0.5, 1.1, 2.0, 100.0])
def test_repetition_is_that_of_transformers_for_prompt_and_generated_tokens(penalty: float):
    logits = random_logits(1)
    text = torch.tensor([[*PROMPT, *GENERATED]])
    assert torch.equal(
        apply_logit_processors(logits, [wanted(penalty)]),
        RepetitionPenaltyLogitsProcessor(penalty)(text, logits.clone()),
    )


@pytest.mark.parametrize(("presence", "frequency"), [(0.5, 0.0), (-2.0, 0.0), (0.0, 0.25), (0.5, -0.75)])
def test_presence_and_frequency_count_generated_tokens_alone(presence: float, frequency: float):
    logits = random_logits(1)
    result = apply_logit_processors(logits, [wanted(presence=presence, frequency=frequency)])[0]
    assert result.tolist() == pytest.approx(by_formula(logits[0], presence, frequency), abs=1e-6)


def test_repetition_comes_first():
    logits = random_logits(1)
    repeated = apply_logit_processors(logits, [wanted(1.5)])
    both = apply_logit_processors(logits, [wanted(1.5, 0.5, 0.25)])[0]
    assert both.tolist() == pytest.approx(by_formula(repeated[0], 0.5, 0.25), abs=1e-6)


def test_a_row_keeps_to_its_own_penalties_in_any_crowd():
    logits = random_logits(6)
    inputs = [
        wanted(),
        wanted(1.3),
        wanted(presence=1.0),
        wanted(2.0, 0.5, 0.5),
        wanted(frequency=1.0, generated=[]),
        wanted(1.3),
    ]
    together = apply_logit_processors(logits, inputs)
    for row, one in enumerate(inputs):
        assert torch.equal(together[row], apply_logit_processors(logits[row : row + 1], [one])[0])
    assert torch.equal(together[0], logits[0]) and torch.equal(together[4], logits[4])
    assert not torch.equal(together[1], logits[1])


def test_what_was_given_stays_as_it_was():
    logits = random_logits(2)
    before = logits.clone()
    apply_logit_processors(logits, [wanted(1.3, 1.0, 1.0)] * 2)
    assert torch.equal(logits, before)


def test_without_penalties_nothing_is_copied():
    logits = random_logits(2)
    assert apply_logit_processors(logits, [wanted(), wanted()]) is logits
