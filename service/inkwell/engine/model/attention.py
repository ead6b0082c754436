"""Causal self-attention over a ragged batch: every row has its own length and reads its own cache slot.

Takes hidden states [T, width] of a step's spans laid end to end, gives [T, width]. Linear layers see all rows at once;
the attention itself goes row by row, so a row's result does not depend on who else shares the step. On a GPU, where a
launch a row and layer would cost more than the work, single tokens are computed together. Knows no sampling and no
requests.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.batch import Step
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

    def forward(self, hidden: Tensor, onto: Tensor, step: Step, cache: KVCache) -> Tensor:
        """[T, width] to the same, added to `onto`, which may be changed in place."""
        queries, keys, values = self.qkv(hidden).unflatten(-1, (3, *self._head_shape)).unbind(1)  # [T, heads, head_dim]
        if step.angles is not None:
            queries, keys = rotate(queries, step.angles), rotate(keys, step.angles)
        if self.kernels is not None and step.spans is not None:
            layer = cache.layer(self._layer)
            return self.out(self.kernels.attention(queries, keys, values, layer, step.spans, self.scale), onto)
        cache.write(self._layer, step.slots, step.positions, keys, values)
        # On a CPU 16-bit attention for one token takes 3 to 5 times as long as converting its past and computing in
        # float32 (AVX512-BF16, docs/lab-notes.md, "attention of one token"), and is less exact on top.
        if self._upcast or hidden.device.type == "cpu":
            queries = queries.float()
        mixed = self._by_row(queries, step, cache) if step.reach is None else self._together(queries, step, cache)
        return self.out(mixed.flatten(1).to(hidden.dtype), onto)

    def _together(self, queries: Tensor, step: Step, cache: KVCache) -> Tensor:
        """Single tokens [rows, heads, head_dim] to the same, in one call and without a length on the host."""
        assert step.reach is not None
        past = cache.gather(self._layer, step.slots, step.reach.positions)  # [rows, reach, heads, head_dim] each
        keys, values = (part.transpose(1, 2).to(queries.dtype) for part in past)
        mixed = F.scaled_dot_product_attention(
            queries.unsqueeze(2), keys, values, step.reach.mask, scale=self.scale
        )  # [rows, heads, 1, head_dim]
        return mixed.squeeze(2)

    def _by_row(self, queries: Tensor, step: Step, cache: KVCache) -> Tensor:
        mixed = []
        for row in step.rows:
            past = cache.view(self._layer, row.span.slot, row.span.end)
            mixed.append(self._attend(queries[row.tokens], *past, row.mask))
        return torch.cat(mixed)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """Queries [length, heads, head_dim] over [heads, end, head_dim] give as many [length, heads, head_dim]."""
        from_zero = mask is None and len(queries) > 1
        keys, values = keys.to(queries.dtype), values.to(queries.dtype)
        mixed = F.scaled_dot_product_attention(
            queries.transpose(0, 1)[None], keys[None], values[None], mask, is_causal=from_zero, scale=self.scale
        )
        return mixed[0].transpose(0, 1)
