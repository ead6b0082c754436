"""All layers of one decoder as a single native call: addresses of every weight, laid out once.

Embedded tokens [T, width] in, hidden states behind the last norm out. Knows neither files nor modules; the decoder
says what its layers consist of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.native.library import Kernels
from inkwell.engine.native.quantization import packed_width
from inkwell.engine.native.structs import (
    FORMATS,
    BlockStruct,
    MatrixStruct,
    ModelStruct,
    NormStruct,
    StepStruct,
    address,
    matrix_struct,
)


@dataclass(frozen=True, slots=True)
class Norm:
    """Of a layer norm, each [width]."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class Matrix:
    """Of a linear layer: weights [outputs, packed width], and [outputs] each of scales and biases, if there are any."""

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Block:
    """Of one layer; without an `mlp_norm`, attention and MLP stand side by side behind `norm`."""

    norm: Norm
    mlp_norm: Norm | None
    qkv: Matrix
    out: Matrix
    up: Matrix
    down: Matrix
    scale: float  # of the attention's scores


@dataclass(frozen=True, slots=True)
class Layers:
    """What a pass consists of. All vectors and tables are float32; the MLP's activation is GELU in its tanh form."""

    blocks: Sequence[Block]
    norm: Norm
    epsilon: float
    heads: int
    inner: int
    context: int
    positions: Tensor | None  # [context, width]
    angles: tuple[Tensor, Tensor] | None  # cosine and sine, each [context, rotary dims / 2]


class Program:
    """The layers, ready to run. Not for two threads at once."""

    def __init__(self, kernels: Kernels, layers: Layers) -> None:
        self._kernels = kernels
        self._layers = layers  # keeps alive what the addresses below point to
        self._width = len(layers.norm.weight)
        self._model = self._described()
        self._scratch_floats = kernels.scratch_floats(self._model)
        self._scratch = torch.empty(0)

    def run(self, hidden: Tensor, spans: Tensor, caches: Tensor, dtype: torch.dtype) -> Tensor:
        """Hidden states [T, width], computed in place; fills the caches.

        `spans` is int64 [n, 4]: slot, first position, length, place of the first token. `caches` is int64 [layers, 2]:
        where each layer's keys and values lie, each [slots, heads, context, head_dim] of `dtype`.
        """
        tokens = len(hidden)
        assert hidden.dtype == torch.float32 and hidden.is_contiguous() and hidden.shape[1] == self._width, hidden.shape
        assert spans.dtype == torch.int64 and spans.is_contiguous() and spans.shape[1] == 4, (spans.dtype, spans.shape)
        assert caches.is_contiguous() and caches.shape == (len(self._layers.blocks), 2), caches.shape
        if len(self._scratch) < tokens * self._scratch_floats:
            self._scratch = torch.empty(tokens * self._scratch_floats)
        step = StepStruct(
            *(spans.data_ptr(), len(spans), tokens, caches.data_ptr(), FORMATS[dtype]),
            *(hidden.data_ptr(), self._scratch.data_ptr()),
        )
        self._kernels.layers(self._model, step)
        return hidden

    def _described(self) -> ModelStruct:
        layers, width = self._layers, self._width
        blocks = (BlockStruct * len(layers.blocks))(*(self._block(block) for block in layers.blocks))
        cos, sin = layers.angles or (None, None)
        for table in (layers.positions, cos, sin):
            assert (
                table is None or table.is_contiguous() and table.dtype == torch.float32 and len(table) >= layers.context
            )
        return ModelStruct(
            *(blocks, len(blocks), self._norm(layers.norm), layers.epsilon),
            *(width, layers.inner, layers.heads, layers.context),
            *(address(layers.positions), address(cos), address(sin), 0 if cos is None else 2 * cos.shape[1]),
        )

    def _block(self, block: Block) -> BlockStruct:
        width, inner = self._width, self._layers.inner
        return BlockStruct(
            self._norm(block.norm),
            NormStruct(None, None) if block.mlp_norm is None else self._norm(block.mlp_norm),
            _matrix(block.qkv, width, 3 * width),
            _matrix(block.out, width, width),
            _matrix(block.up, width, inner),
            _matrix(block.down, inner, width),
            block.scale,
        )

    def _norm(self, norm: Norm) -> NormStruct:
        assert all(_is_vector(part, self._width) for part in (norm.weight, norm.bias))
        return NormStruct(norm.weight.data_ptr(), norm.bias.data_ptr())


def _matrix(matrix: Matrix, inputs: int, outputs: int) -> MatrixStruct:
    weight = matrix.weight
    assert weight.is_contiguous() and weight.shape == (outputs, packed_width(inputs, weight.dtype)), weight.shape
    assert all(part is None or _is_vector(part, outputs) for part in (matrix.scale, matrix.bias))
    return matrix_struct(inputs, weight, matrix.scale, matrix.bias)


def _is_vector(part: Tensor, length: int) -> bool:
    return part.shape == (length,) and part.is_contiguous() and part.dtype == torch.float32
