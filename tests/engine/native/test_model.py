"""All layers in one call: the norms and positions that only this call computes, and the same bits in any batch."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inkwell.engine.native.library import Kernels
from inkwell.engine.native.model import BlockWeights, LinearWeights, ModelWeights, NativeModel, NormWeights

HEADS, CONTEXT, SLOTS = 3, 40, 4
WIDTHS = [30, 96, 192]  # no whole registers, whole ones of 8 and of 16 lanes


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def norm_of(width: int, seed: int) -> NormWeights:
    return NormWeights(1 + 0.3 * random(width, seed=seed), random(width, seed=seed + 1))


def layers_of(width: int, blocks: int, parallel: bool = False) -> ModelWeights:
    def matrix(outputs: int, inputs: int, seed: int) -> LinearWeights:
        return LinearWeights(random(outputs, inputs, seed=seed) * inputs**-0.5, None, random(outputs, seed=seed + 50))

    angles = random(CONTEXT, 2, seed=7) if parallel else None
    return ModelWeights(
        [
            BlockWeights(
                norm_of(width, seed),
                None if parallel else norm_of(width, seed + 2),
                *(matrix(3 * width, width, seed + 4), matrix(width, width, seed + 5)),
                *(matrix(5 * width, width, seed + 6), matrix(width, 5 * width, seed + 7)),
                0.2,
            )
            for seed in range(100, 100 + 10 * blocks, 10)
        ],
        *(norm_of(width, 1), 1e-5, HEADS, 5 * width, CONTEXT),
        None if parallel else random(CONTEXT, width, seed=3),
        None if angles is None else (angles.cos(), angles.sin()),
    )


def run(
    kernels: Kernels, layers: ModelWeights, hidden: Tensor, segments: list[list[int]], cache: Tensor | None = None
) -> Tensor:
    """`cache` is [layers, 2, slots, heads, context, head_dim]; a new one holds what must never be read."""
    if cache is None:
        cache = new_cache(layers, hidden.shape[1])
    addresses = torch.tensor([[part.data_ptr() for part in layer] for layer in cache]).reshape(-1, 2)
    return NativeModel(kernels, layers).run(hidden.clone(), torch.tensor(segments), addresses, cache.dtype)


def new_cache(layers: ModelWeights, width: int) -> Tensor:
    return torch.full((len(layers.blocks), 2, SLOTS, HEADS, CONTEXT, width // HEADS), float("nan"))


@pytest.mark.parametrize("width", [7, 30, 96, 768, 1601])
@pytest.mark.parametrize(("spread", "middle"), [(1.0, 0.0), (1.0, 100.0), (1e-3, 0.0), (300.0, -50.0)])
def test_a_norm_is_that_of_float64(kernels: Kernels, width: int, spread: float, middle: float) -> None:
    layers = replace(layers_of(width * HEADS, blocks=0), positions=None)
    hidden = random(9, width * HEADS) * spread + middle
    out = run(kernels, layers, hidden, [[0, 0, 9, 0]])
    weights = layers.norm.weight.double(), layers.norm.bias.double()
    expected = F.layer_norm(hidden.double(), (width * HEADS,), *weights, 1e-5)
    assert (out - expected).abs().max() < 1e-5 * max(1.0, abs(middle) / spread)


def test_each_token_gets_the_position_of_its_span(kernels: Kernels) -> None:
    layers = layers_of(30, blocks=0)
    assert layers.positions is not None
    hidden, places = random(12, 30), [5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 39]
    segments = [[2, 5, 1, 0], [0, 0, 10, 1], [1, 39, 1, 11]]
    out = run(kernels, layers, hidden, segments)
    placed = run(kernels, replace(layers, positions=None), hidden + layers.positions[places], segments)
    assert torch.equal(out, placed)


@pytest.mark.parametrize("parallel", [False, True], ids=["gpt2", "gptj"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_token_has_the_same_bits_however_its_sequence_is_cut_and_beside_others(
    kernels: Kernels, width: int, parallel: bool
) -> None:
    layers = layers_of(width, 2, parallel)
    hidden, other = random(CONTEXT, width), random(9, width, seed=5)
    whole = run(kernels, layers, hidden, [[1, 0, CONTEXT, 0]])
    assert whole.isfinite().all()
    cache = new_cache(layers, width)
    for start, length in [(0, 1), (1, 1), (2, 3), (5, 20), (25, 15)]:
        beside = torch.cat((hidden[start : start + length], other))
        out = run(kernels, layers, beside, [[3, start, length, 0], [0, 0, 9, length]], cache)
        assert torch.equal(out[:length], whole[start : start + length]), (start, length)


def test_what_is_not_a_number_stays_in_its_row(kernels: Kernels) -> None:
    layers = layers_of(96, 1)
    hidden = random(3, 96)
    hidden[1, 40] = float("nan")
    out = run(kernels, layers, hidden, [[slot, 0, 1, slot] for slot in range(3)])
    assert out.isfinite().all(dim=1).tolist() == [True, False, True]


def test_a_program_runs_steps_of_any_size_one_after_the_other(kernels: Kernels) -> None:
    layers = layers_of(96, 2)
    native, cache = NativeModel(kernels, layers), new_cache(layers, 96)
    addresses = torch.tensor([[part.data_ptr() for part in layer] for layer in cache])
    for length in (3, 40, 1, 17):
        hidden, segments = random(length, 96), [[0, 0, length, 0]]
        out = native.run(hidden.clone(), torch.tensor(segments), addresses, cache.dtype)
        assert torch.equal(out, run(kernels, layers, hidden, segments))
