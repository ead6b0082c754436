"""Causal self-attention over a ragged batch: every segment has its own length and reads its own cache slot.

Takes the concatenated hidden states [T, width] of a step's segments, returns [T, width]. Linear layers take all rows at
once; attention itself is computed for each segment separately, so its result does not depend on the other segments. On
a GPU, where a kernel launch per segment and layer would take longer than the computation, single tokens are computed
together. Knows no sampling and no requests.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.batch import Batch, PaddedContext
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.linear import Linear
from inkwell.engine.model.rotary import rotate
from inkwell.engine.native.library import Kernels


class Attention(nn.Module):
    """One layer's attention with a fused query-key-value product."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        bias = config.family == "gpt2"
        self.qkv = Linear(config.width, 3 * config.width, bias=bias)
        self.out = Linear(config.width, config.width, bias=bias)
        self.kernels: Kernels | None = None
        self._layer = layer
        self._head_shape = (config.heads, config.head_dim)
        self._upcast = config.upcast_attention
        scale = config.head_dim**-0.5 if config.scale_attention else 1.0
        self.scale = scale / (layer + 1) if config.scale_by_inverse_layer else scale

    def forward(self, hidden: Tensor, residual: Tensor, batch: Batch, cache: KVCache) -> Tensor:
        """[T, width] to the same, added to `residual`, which may be changed in place."""
        fused = torch.unflatten(self.qkv(hidden), -1, (3, *self._head_shape))
        queries, keys, values = fused.unbind(1)  # [T, heads, head_dim] each
        if batch.angles is not None:
            queries, keys = rotate(queries, batch.angles), rotate(keys, batch.angles)
        if self.kernels is not None and batch.segments is not None:
            layer = cache.layer(self._layer)
            attended = self.kernels.attention(queries, keys, values, layer, batch.segments, self.scale)
        else:
            cache.write(self._layer, batch.slots, batch.positions, keys, values)
            # On a CPU, 16-bit attention for one token takes 3 to 5 times as long as converting its past and computing
            # in float32 (AVX512-BF16, docs/lab-notes.md, "attention of one token"), and is less exact as well.
            if self._upcast or hidden.device.type == "cpu":
                queries = queries.float()
            attended = self._attend_all(queries, batch, cache).flatten(1).to(hidden.dtype)
        out: Tensor = self.out(attended, residual)
        return out

    def _attend_all(self, queries: Tensor, batch: Batch, cache: KVCache) -> Tensor:
        """Queries [T, heads, head_dim] to the same."""
        if batch.padded is not None:
            return self._attend_padded(queries, batch, batch.padded, cache)
        attended = []
        for placed in batch.placed:
            past = cache.view(self._layer, placed.segment.slot, placed.segment.end)
            attended.append(self._attend(queries[placed.tokens], *past, placed.mask))
        return torch.cat(attended)

    def _attend_padded(self, queries: Tensor, batch: Batch, padded: PaddedContext, cache: KVCache) -> Tensor:
        """Single tokens [rows, heads, head_dim] to the same, in one call and without reading a length on the host."""
        past = cache.gather(self._layer, batch.slots, padded.positions)  # [rows, bucket, heads, head_dim] each
        keys, values = (part.transpose(1, 2).to(queries.dtype) for part in past)
        attended = F.scaled_dot_product_attention(
            queries.unsqueeze(2), keys, values, padded.mask, scale=self.scale
        )  # [rows, heads, 1, head_dim]
        return attended.squeeze(2)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """Queries [length, heads, head_dim] over keys and values [heads, end, head_dim]; same shape as the queries."""
        from_zero = mask is None and len(queries) > 1
        keys, values = keys.to(queries.dtype), values.to(queries.dtype)
        attended = F.scaled_dot_product_attention(
            queries.transpose(0, 1)[None], keys[None], values[None], mask, is_causal=from_zero, scale=self.scale
        )
        return attended[0].transpose(0, 1)
