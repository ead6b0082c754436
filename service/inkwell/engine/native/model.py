"""All layers of one decoder as a single native call, with the addresses of all weights collected once.

Embedded tokens [T, width] in, hidden states after the last norm out. Knows neither files nor modules: the decoder
passes the weights of its layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.native.library import Kernels
from inkwell.engine.native.quantization import packed_width
from inkwell.engine.native.structs import (
    FORMATS,
    BatchStruct,
    BlockWeightsStruct,
    LinearWeightsStruct,
    ModelWeightsStruct,
    NormWeightsStruct,
    address,
    linear_weights_struct,
)


@dataclass(frozen=True, slots=True)
class NormWeights:
    """Of a layer norm, each [width]."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """Of a linear layer: weights [outputs, packed width], optional scales and biases, each [outputs]."""

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """Of one layer; without an `mlp_norm`, attention and MLP run in parallel after `norm`."""

    norm: NormWeights
    mlp_norm: NormWeights | None
    qkv: LinearWeights
    out: LinearWeights
    up: LinearWeights
    down: LinearWeights
    scale: float  # of the attention scores


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """Of everything between embedding and head. Vectors and tables are float32; the MLP's activation is tanh GELU."""

    blocks: Sequence[BlockWeights]
    norm: NormWeights
    epsilon: float
    heads: int
    inner: int
    context: int
    positions: Tensor | None  # [context, width]
    angles: tuple[Tensor, Tensor] | None  # cosine and sine, each [context, rotary dims / 2]


class NativeModel:
    """The layers, ready to run. Not thread-safe."""

    def __init__(self, kernels: Kernels, weights: ModelWeights) -> None:
        self._kernels = kernels
        self._weights = weights  # keeps the memory alive that the struct points to
        self._width = len(weights.norm.weight)
        self._struct = self._model_struct()
        self._scratch_floats = kernels.scratch_floats(self._struct)
        self._scratch = torch.empty(0)

    def run(self, hidden: Tensor, segments: Tensor, caches: Tensor, dtype: torch.dtype) -> Tensor:
        """Hidden states [T, width], computed in place; writes keys and values to the caches.

        `segments` is int64 [n, 4]: slot, first position, length, index of the first token. `caches` is int64
        [layers, 2]: the addresses of each layer's keys and values, each [slots, heads, context, head_dim] of `dtype`.
        """
        tokens = len(hidden)
        assert hidden.dtype == torch.float32 and hidden.is_contiguous() and hidden.shape[1] == self._width, hidden.shape
        assert segments.dtype == torch.int64 and segments.is_contiguous(), segments.dtype
        assert segments.shape[1] == 4, segments.shape
        assert caches.is_contiguous() and caches.shape == (len(self._weights.blocks), 2), caches.shape
        if len(self._scratch) < tokens * self._scratch_floats:
            self._scratch = torch.empty(tokens * self._scratch_floats)
        batch = BatchStruct(
            *(segments.data_ptr(), len(segments), tokens, caches.data_ptr(), FORMATS[dtype]),
            *(hidden.data_ptr(), self._scratch.data_ptr()),
        )
        self._kernels.forward(self._struct, batch)
        return hidden

    def _model_struct(self) -> ModelWeightsStruct:
        weights, width = self._weights, self._width
        blocks = (BlockWeightsStruct * len(weights.blocks))(*(self._block_struct(block) for block in weights.blocks))
        cos, sin = weights.angles or (None, None)
        for table in (weights.positions, cos, sin):
            if table is not None:
                assert table.is_contiguous() and table.dtype == torch.float32 and len(table) >= weights.context
        return ModelWeightsStruct(
            *(blocks, len(blocks), self._norm_struct(weights.norm), weights.epsilon),
            *(width, weights.inner, weights.heads, weights.context),
            *(address(weights.positions), address(cos), address(sin), 0 if cos is None else 2 * cos.shape[1]),
        )

    def _block_struct(self, block: BlockWeights) -> BlockWeightsStruct:
        width, inner = self._width, self._weights.inner
        return BlockWeightsStruct(
            self._norm_struct(block.norm),
            NormWeightsStruct(None, None) if block.mlp_norm is None else self._norm_struct(block.mlp_norm),
            _linear_struct(block.qkv, width, 3 * width),
            _linear_struct(block.out, width, width),
            _linear_struct(block.up, width, inner),
            _linear_struct(block.down, inner, width),
            block.scale,
        )

    def _norm_struct(self, norm: NormWeights) -> NormWeightsStruct:
        assert all(_is_vector(part, self._width) for part in (norm.weight, norm.bias))
        return NormWeightsStruct(norm.weight.data_ptr(), norm.bias.data_ptr())


def _linear_struct(linear: LinearWeights, inputs: int, outputs: int) -> LinearWeightsStruct:
    weight = linear.weight
    assert weight.is_contiguous() and weight.shape == (outputs, packed_width(inputs, weight.dtype)), weight.shape
    assert all(part is None or _is_vector(part, outputs) for part in (linear.scale, linear.bias))
    return linear_weights_struct(inputs, weight, linear.scale, linear.bias)


def _is_vector(part: Tensor, length: int) -> bool:
    return part.shape == (length,) and part.is_contiguous() and part.dtype == torch.float32
