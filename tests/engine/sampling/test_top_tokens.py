"""The cuts against transformers' processors, at every boundary of the distribution, and against ranking more tokens."""

import math
from typing import Any

import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from inkwell.engine.sampling.processors import cut_columns
from inkwell.engine.sampling.top_tokens import UNDECIDED, draw_ranked, likeliest, rank_top
from inkwell.parameters.sampling import Sampling


def sampling(temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, **more: Any) -> Sampling:
    return Sampling(temperature, top_k, top_p, **more)


def random_logits(rows: int, vocabulary: int, spread: float, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * spread


def column(uniforms: list[float]) -> torch.Tensor:
    return torch.tensor(uniforms, dtype=torch.float64).unsqueeze(1)


def draw(logits: torch.Tensor, wanted: Sampling, uniforms: list[float], ranks: int) -> list[int]:
    """The tokens of one distribution [vocab] for some random numbers, from the first `ranks` tokens alone."""
    rows = logits.expand(len(uniforms), -1)
    cuts = cut_columns([wanted] * len(uniforms), len(logits), logits.device)
    return draw_ranked(rows, rank_top(rows, ranks), cuts, column(uniforms)).tolist()


def of_transformers(logits: torch.Tensor, wanted: Sampling) -> torch.Tensor:
    """Probabilities [vocab] float64 after its processors, in its order."""
    processors = LogitsProcessorList([TemperatureLogitsWarper(wanted.temperature)])
    if wanted.top_k:
        processors.append(TopKLogitsWarper(wanted.top_k))
    if wanted.top_p < 1:
        processors.append(TopPLogitsWarper(wanted.top_p))
    processors.append(MinPLogitsWarper(wanted.min_p))
    if wanted.typical_p < 1:
        processors.append(TypicalLogitsWarper(wanted.typical_p))
    return processors(None, logits.double().unsqueeze(0)).softmax(-1)[0]


SEEDS = 4
CUTS = [
    sampling(top_k=1),
    sampling(top_k=7),
    sampling(0.5, top_k=40),
    sampling(top_k=100_000),
    sampling(top_p=0.1),
    sampling(1.7, top_p=0.9),
    sampling(top_p=1e-6),
    sampling(top_k=20, top_p=0.6),
    sampling(min_p=0.02),
    sampling(1.5, min_p=0.3),
    sampling(min_p=1.0),
    sampling(min_p=1e-300),
    sampling(typical_p=0.2),
    sampling(0.7, typical_p=0.9),
    sampling(top_k=30, typical_p=0.5),
    sampling(top_p=0.8, min_p=0.01, typical_p=0.7),
    sampling(0.9, top_k=200, top_p=0.95, min_p=0.001, typical_p=0.95),
]


@pytest.mark.parametrize("wanted", CUTS)
@pytest.mark.parametrize(("vocabulary", "spread"), [(50, 2.0), (400, 1.0), (3000, 3.0)])
def test_every_token_has_the_interval_that_transformers_gives_it(vocabulary: int, spread: float, wanted: Sampling):
    logits = random_logits(1, vocabulary, spread)[0]
    expected = of_transformers(logits, wanted)
    order = logits.argsort(descending=True, stable=True)
    upper = expected[order].cumsum(0)
    lower = upper - expected[order]
    wide = expected[order] > 1e-5  # a narrower interval may move by its own width, because of float32 rounding
    uniforms = ((lower + upper) / 2)[wide].tolist()
    assert expected[order][wide].sum() > 0.95
    assert draw(logits, wanted, uniforms, vocabulary) == order[wide].tolist()
    # A few ranks either decide on the same token or leave it undecided.
    some = draw(logits, wanted, uniforms, 256)
    assert all(token in (UNDECIDED, right) for token, right in zip(some, order[wide].tolist(), strict=True))


@pytest.mark.parametrize("wanted", CUTS)
@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-53])
def test_the_ends_of_the_stream_give_tokens_that_are_kept(wanted: Sampling, uniform: float):
    logits = random_logits(1, 500, 2.0)[0]
    logits[::7] = -math.inf
    token = draw(logits, wanted, [uniform], 500)[0]
    assert of_transformers(logits, wanted)[token] > 0


@pytest.mark.parametrize("rounding", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("spread", [0.0, 0.05, 1.0, 5.0])
def test_ranking_fewer_tokens_gives_the_same_or_nothing(spread: float, rounding: torch.dtype):
    decided = 0
    for seed in range(SEEDS):
        logits = random_logits(1, 4100, spread, seed)[0].to(rounding).float()  # bfloat16 makes many equal
        for wanted in CUTS:
            uniform = (seed + 0.5) / SEEDS
            (right,) = draw(logits, wanted, [uniform], 4100)
            assert right != UNDECIDED
            for token in (*draw(logits, wanted, [uniform], 16), *draw(logits, wanted, [uniform], 256)):
                assert token in (UNDECIDED, right)
                decided += token == right
    assert decided > SEEDS * len(CUTS) / 3 or spread < 1  # or this would prove nothing


def test_top_k_within_the_ranks_is_always_decided():
    logits = random_logits(1, 5000, 1.0)[0]
    uniforms = [number / 100 for number in range(100)]
    assert UNDECIDED not in draw(logits, sampling(top_k=200, top_p=0.9), uniforms, 256)


def test_of_equal_tokens_those_with_the_lowest_ids_are_kept():
    logits = torch.zeros(1000)
    logits[[700, 800]] = 1.0
    uniforms = [number / 50 for number in range(50)]
    for ranks in (256, 1000):
        kept = draw(logits, sampling(top_k=5), uniforms, ranks)
        assert set(kept) <= {700, 800, 0, 1, 2, UNDECIDED}
    assert set(kept) == {700, 800, 0, 1, 2}


def test_a_token_that_has_all_the_mass_is_always_drawn():
    logits = torch.zeros(5000)
    logits[4321] = 90.0
    for wanted in CUTS:
        assert draw(logits, wanted, [0.0, 0.5, 1 - 2.0**-53], 5000) == [4321] * 3


@pytest.mark.parametrize("vocabulary", [1, 2, 15, 16, 17, 255, 256, 257, 1000, 5003])
def test_the_likeliest_token_is_that_of_argmax_and_of_equal_ones_the_first(vocabulary: int):
    logits = random_logits(9, vocabulary, 1.0)
    logits[0, -1] = 9.0
    logits[1] = logits[1].round()
    logits[2] = 0.0
    logits[3, : vocabulary // 2] = -math.inf
    expected = [row.tolist().index(max(row.tolist())) for row in logits]
    assert likeliest(logits).tolist() == expected == logits.argmax(-1).tolist()
    assert [int(likeliest(row.unsqueeze(0))) for row in logits] == expected


@pytest.mark.parametrize("vocabulary", [1, 15, 16, 40, 5000])
@pytest.mark.parametrize("ranks", [1, 16, 256])
def test_the_few_are_the_first_of_a_stable_sort(vocabulary: int, ranks: int):
    logits = random_logits(5, vocabulary, 1.0)
    logits[1] = logits[1].round()
    logits[2, 0], logits[2, -1] = -0.0, 0.0
    order = logits.sort(dim=-1, descending=True, stable=True)
    ranked = rank_top(logits, ranks)
    assert torch.equal(ranked.logits, order.values[:, :ranks])
    for row in range(5):
        certain = int(ranked.certain[row])
        assert ranked.tokens[row, :certain].tolist() == order.indices[row, :certain].tolist()
