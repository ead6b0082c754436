"""The decoder of GPT-2 and GPT-J: token ids of a ragged batch in, hidden states and logits out.

A step's tokens are one flat tensor [T]: the concatenated tokens of all segments, without padding, each segment with its
own length and its own past in the cache. The result of a segment does not depend on the others. Does not know sampling,
requests or files, and never chooses what is computed. `checkpoint.py` puts the weights into it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.attention import Attention
from inkwell.engine.model.batch import (
    Batch,
    Segment,
    bucket_length,
    native_batch,
    ragged_batch,
    segment_table,
    single_token_batch,
    split_segments,
)
from inkwell.engine.model.blocks import Gpt2Block, GptjBlock, norm_weights
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.linear import ACTIVATION_FUNCTIONS, MAX_SHARED_ROWS, Linear, gelu_tanh
from inkwell.engine.model.rotary import Rotary
from inkwell.engine.native.library import Kernels
from inkwell.engine.native.model import ModelWeights, NativeModel
from inkwell.engine.native.quantization import dequantize_rows


class CausalLM(Protocol):
    """The interface of a decoder to the rest of the engine, with or without CUDA graphs."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def batch_invariant(self) -> bool:
        """Whether a token's bits depend neither on how its sequence is split into segments nor on the other rows."""
        ...

    def __call__(self, tokens: Tensor, segments: Sequence[Segment], cache: KVCache, /) -> Tensor:
        """Hidden states [T, width] of the segments' tokens [T] after the last norm; writes their keys and values."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token [n, vocab] in float32 for n hidden states [n, width]."""
        ...


class Decoder(nn.Module):
    """A whole model. GPT-2 adds learned positions to its input; GPT-J rotates queries and keys instead."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        gpt2 = config.family == "gpt2"
        block = Gpt2Block if gpt2 else GptjBlock
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.width))
        self.embedding_scale: Tensor | None = None  # [vocab] float32, of an 8-bit embedding
        self.positions = nn.Parameter(torch.empty(config.context, config.width)) if gpt2 else None
        self.rotary = Rotary(config.context, config.rotary_dim) if config.rotary_dim else None
        self.blocks = nn.ModuleList(block(config, layer) for layer in range(config.layers))
        self.norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        # GPT-J's head keeps a bias of its own even when its matrix is tied
        self.head = Linear(config.width, config.vocab_size, bias=not gpt2)
        self._kernels: Kernels | None = None
        self._native: NativeModel | None = None  # all blocks in one call, if the kernels have their activation
        self.tie_head()
        self.requires_grad_(False)

    def tie_head(self) -> None:
        """Make a tied head the embedding itself; needed again whenever the embedding was replaced."""
        if self.config.tied_head:
            self.head.weight, self.head.scale = self.embedding, self.embedding_scale

    def use(self, kernels: Kernels) -> None:
        """Compute with the native kernels from now on; they must support the precision of the weights."""
        for module in self.modules():
            if isinstance(module, Linear | Attention):
                module.kernels = kernels
        self._kernels = kernels
        if ACTIVATION_FUNCTIONS[self.config.activation] is gelu_tanh:
            self._native = NativeModel(kernels, self._native_weights())

    @property
    def batch_invariant(self) -> bool:
        # torch's own activations compute the last few numbers of a tensor differently from the others
        fixed = ACTIVATION_FUNCTIONS[self.config.activation] is gelu_tanh or self.config.inner % 32 == 0
        return self._kernels is not None and fixed

    @torch.inference_mode()
    def forward(self, tokens: Tensor, segments: Sequence[Segment], cache: KVCache) -> Tensor:
        """See `CausalLM.__call__`."""
        assert tokens.shape == (sum(segment.length for segment in segments),), (tokens.shape, segments)
        # An index past the table raises on a CPU, but on a GPU it ends the whole CUDA context.
        assert all(segment.end <= self.config.context for segment in segments), (self.config.context, segments)
        assert all(segment.slot < cache.slots for segment in segments), (cache.slots, segments)
        tokens = tokens.to(self.embedding.device)
        if self._native is not None:
            return self._native.run(self._embed(tokens), segment_table(segments), cache.addresses, cache.dtype)
        if self._kernels is not None:
            return self.run(tokens, native_batch(segments), cache)
        groups = split_segments(segments)
        parts = torch.split(tokens, [sum(segment.length for segment in group) for group in groups])
        batches = [self._batch(group, tokens.device) for group in groups]
        return torch.cat([self.run(part, batch, cache) for part, batch in zip(parts, batches, strict=True)])

    def _batch(self, group: Sequence[Segment], device: torch.device) -> Batch:
        if device.type != "cuda" or group[0].length > 1:
            return ragged_batch(group, device)
        places = [[segment.slot for segment in group], [segment.start for segment in group]]
        slots, positions = torch.tensor(places, device=device)
        bucket = bucket_length(max(segment.end for segment in group), self.config.context)
        return single_token_batch(slots, positions, bucket)

    def run(self, tokens: Tensor, batch: Batch, cache: KVCache) -> Tensor:
        """One pass through the layers: hidden states [T, width] of tokens [T] on the embedding's device.

        For callers that build a batch themselves; they must enable inference mode.
        """
        hidden = self._embed(tokens)  # [T, width]
        if self.positions is not None:
            hidden = hidden + F.embedding(batch.positions, self.positions)
        if self.rotary is not None:
            batch = replace(batch, angles=self.rotary.at(batch.positions))
        for block in self.blocks:
            hidden = block(hidden, batch, cache)
        normed: Tensor = self.norm(hidden)
        return normed

    def _embed(self, tokens: Tensor) -> Tensor:
        if self.embedding_scale is not None:
            return dequantize_rows(self.embedding, self.embedding_scale, tokens)
        return F.embedding(tokens, self.embedding).to(self.norm.weight.dtype)

    def _native_weights(self) -> ModelWeights:
        """Everything between embedding and head."""
        return ModelWeights(
            blocks=[cast(Gpt2Block | GptjBlock, block).native_weights() for block in self.blocks],
            norm=norm_weights(self.norm),
            epsilon=self.norm.eps,
            heads=self.config.heads,
            inner=self.config.inner,
            context=self.config.context,
            positions=self.positions,
            angles=None if self.rotary is None else (self.rotary.cos, self.rotary.sin),
        )

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """See `CausalLM.logits`."""
        if self._kernels is not None:
            logits: Tensor = self.head(hidden)
            return logits
        return torch.cat([self.head(rows).float() for rows in torch.split(hidden, MAX_SHARED_ROWS)])
