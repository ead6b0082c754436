"""The native attention: right for ragged batches, and the same bits however a sequence is split."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inkwell.engine.native.library import Kernels

HEADS, CONTEXT = 3, 200
Cache = tuple[Tensor, Tensor]


def new_cache(dtype: torch.dtype, head_dim: int, slots: int = 4) -> Cache:
    stale = torch.full((slots, HEADS, CONTEXT, head_dim), float("nan"), dtype=dtype)  # must never be read
    return stale, stale.clone()


def sequence(seed: int, length: int, head_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [length, heads, head_dim], as three views of one product."""
    fused = torch.randn(length, 3, HEADS, head_dim, generator=torch.Generator().manual_seed(seed))
    return fused.unbind(1)  # type: ignore[return-value]


def attend(kernels: Kernels, parts: tuple[Tensor, Tensor, Tensor], cache: Cache, segments: list[list[int]]) -> Tensor:
    return kernels.attention(*parts, cache, torch.tensor(segments), 0.37)


def expected(parts: tuple[Tensor, Tensor, Tensor], dtype: torch.dtype) -> Tensor:
    queries, keys, values = (part.transpose(0, 1)[None] for part in parts)
    keys, values = keys.to(dtype).double(), values.to(dtype).double()  # as the cache stores them
    mixed = F.scaled_dot_product_attention(queries.double(), keys, values, is_causal=True, scale=0.37)
    return mixed[0].transpose(0, 1).flatten(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [4, 10, 64, 100, 256])
@pytest.mark.parametrize("length", [1, 3, 4, 200])
def test_a_whole_prompt_attends_as_in_float64(kernels: Kernels, dtype: torch.dtype, head_dim: int, length: int) -> None:
    parts = sequence(1, length, head_dim)
    out = attend(kernels, parts, new_cache(dtype, head_dim), [[2, 0, length, 0]])
    assert (out - expected(parts, dtype)).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [10, 64])
@pytest.mark.parametrize("cut", [1, 2, 3, 5, 8, 64])
def test_however_a_sequence_is_cut_its_bits_are_the_same(
    kernels: Kernels, dtype: torch.dtype, head_dim: int, cut: int
) -> None:
    parts = sequence(2, 70, head_dim)
    whole = attend(kernels, parts, new_cache(dtype, head_dim), [[0, 0, 70, 0]])
    cache = new_cache(dtype, head_dim)
    chunks = []
    for start in range(0, 70, cut):
        chunk = tuple(part[start : start + cut] for part in parts)
        chunks.append(attend(kernels, chunk, cache, [[0, start, len(chunk[0]), 0]]))  # type: ignore[arg-type]
    assert torch.equal(torch.cat(chunks), whole)


def test_spans_of_one_step_do_not_touch_each_other(kernels: Kernels) -> None:
    first, second = sequence(3, 9, 64), sequence(4, 41, 64)
    together = tuple(torch.cat(pair) for pair in zip(first, second, strict=True))
    out = attend(kernels, together, new_cache(torch.bfloat16, 64), [[3, 0, 9, 0], [1, 0, 41, 9]])  # type: ignore[arg-type]
    assert torch.equal(out[:9], attend(kernels, first, new_cache(torch.bfloat16, 64), [[0, 0, 9, 0]]))
    assert torch.equal(out[9:], attend(kernels, second, new_cache(torch.bfloat16, 64), [[0, 0, 41, 0]]))


def test_the_cache_rounds_to_the_nearest_bfloat16(kernels: Kernels) -> None:
    parts = sequence(5, 60, 64)
    keys, values = new_cache(torch.bfloat16, 64)
    attend(kernels, parts, (keys, values), [[1, 0, 60, 0]])
    assert torch.equal(keys[1, :, :60], parts[1].transpose(0, 1).bfloat16())
    assert torch.equal(values[1, :, :60], parts[2].transpose(0, 1).bfloat16())
    assert keys[1, :, 60:].isnan().all() and keys[0].isnan().all()


def test_scores_far_apart_neither_overflow_nor_vanish(kernels: Kernels) -> None:
    queries, keys, values = sequence(6, 50, 64)
    parts = (queries * 100, keys * 100, values)
    out = attend(kernels, parts, new_cache(torch.float32, 64), [[0, 0, 50, 0]])
    assert (out - expected(parts, torch.float32)).abs().max() < 1e-3
